"""The errors of the web pages' own routes."""

from weyl.kit.errors import BadRequest, Conflict, Forbidden, NotFound


class PagesForbidden(Forbidden):
    """The pages are for people."""


class TooMuchKept(BadRequest):
    """More than a person may keep here."""


class DashboardNotFound(NotFound):
    """No such dashboard, or one that is not shared with the caller."""


class DashboardChanged(Conflict):
    """Somebody has changed it since it was read."""


class AssetNotFound(NotFound):
    """No such file among those of the pages."""
