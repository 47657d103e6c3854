"""What can be wrong with a question to accounting."""

from weyl.kit.errors import BadRequest, Forbidden


class BadPeriod(BadRequest):
    """The time asked for is none."""


class BadSeries(BadRequest):
    """What is asked for makes no series."""


class AccountingForbidden(Forbidden):
    """The caller may not see these records."""
