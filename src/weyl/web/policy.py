"""Who may use what the web pages keep."""

from weyl.kit.http import User
from weyl.web.permits import Keeper


def may_keep(user: User) -> Keeper:
    """Admit every person to what is theirs; administrators of services also take away what is shared."""
    return Keeper(user.vo, user.subject, user.preferred_username, user.has("ServiceAdministrator"))
