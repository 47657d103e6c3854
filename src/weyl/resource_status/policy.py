"""Who may see which statuses, and who may set them."""

from collections.abc import Iterable
from dataclasses import dataclass

from weyl.config.models import Config
from weyl.kit.http import User
from weyl.resource_status.claims import EVERY_VO, Element
from weyl.resource_status.errors import StatusForbidden
from weyl.resource_status.permits import Spokesman
from weyl.resource_status.statuses import site_of

ADMINISTRATOR = "ServiceAdministrator"
OPERATOR = "Operator"
SITE_MANAGER = "SiteManager"


@dataclass(frozen=True, slots=True)
class Viewer:
    """May see the elements that one VO may use, and what is said of them for that VO."""

    vo: str
    # Authors of what is said for every VO are shown to those who may change something themselves.
    sees_authors: bool = False


def may_view(user: User) -> Viewer:
    """Admit whoever has a token: a job must know what it may use as well as a person."""
    return Viewer(user.vo, user.kind == "user" and user.has(ADMINISTRATOR, OPERATOR, SITE_MANAGER))


def may_speak(user: User, config: Config, places: Iterable[tuple[Element, str]]) -> Spokesman:
    """Admit administrators to everything, operators for their VO, and the managers of a site for every VO there."""
    wanted = frozenset(places)
    if not user.has(ADMINISTRATOR):
        for element, vo in wanted:
            if not _may_speak_of(user, config, element, vo):
                raise StatusForbidden(_refusal(user, vo))
    return Spokesman(f"{user.preferred_username}@{user.vo}", user.has(ADMINISTRATOR), wanted)


def _may_speak_of(user: User, config: Config, element: Element, vo: str) -> bool:
    if vo == user.vo and user.has(OPERATOR):
        return True
    if not user.has(SITE_MANAGER) or vo not in (user.vo, EVERY_VO):
        return False
    site = site_of(config, element)
    place = None if site is None else config.resources.sites.get(site)
    return place is not None and user.subject in place.managers


def _refusal(user: User, vo: str) -> str:
    if vo not in (user.vo, EVERY_VO):
        return f"You are logged in to {user.vo}: say nothing of elements for {vo}"
    if vo == EVERY_VO:
        return f"To speak for every VO takes {ADMINISTRATOR}, or {SITE_MANAGER} of a site that names you in Managers"
    return f"To set statuses for your VO takes the property {OPERATOR} or {ADMINISTRATOR}"
