"""The errors of the web pages' own routes."""

from weyl.kit.errors import BadRequest, Conflict, NotFound


class BadDocument(BadRequest):
    """What cannot be kept and read back as it was."""


class TooMuchKept(BadRequest):
    """More than a person may keep here."""


class DashboardNotFound(NotFound):
    """No such dashboard, or one that is not shared with the caller."""


class DashboardChanged(Conflict):
    """Somebody has changed it since it was read."""


class AssetNotFound(NotFound):
    """No such file among those of the pages."""
