"""Which pilot may ask for jobs, and from where: the token says it, never the body."""

from dataclasses import dataclass

from weyl.jobs.permits import JobScope
from weyl.kit.errors import Forbidden
from weyl.kit.http import User
from weyl.matcher.errors import NoPlace, OfferUnreadable, PlaceForbidden
from weyl.matcher.models import Offer
from weyl.matcher.offers import Place
from weyl.matcher.permits import OfferReader


@dataclass(frozen=True, slots=True)
class MatchingPilot:
    """May get jobs of its VO, for its own place."""

    stamp: str
    place: Place


def may_match(pilot: User) -> MatchingPilot:
    """Admit pilots whose token says where they run."""
    if pilot.kind != "pilot" or pilot.pilot_stamp is None:
        raise NoPlace("Jobs are matched to pilots only: use a token from POST /api/pilots/token")
    if pilot.site is None:
        raise NoPlace("The pilot's token names no site")
    return MatchingPilot(pilot.pilot_stamp, Place(pilot.vo, pilot.site, pilot.ce, pilot.queue))


def may_match_here(pilot: User, offer: Offer) -> MatchingPilot:
    """Admit a pilot whose offer does not pretend to come from elsewhere."""
    permit = may_match(pilot)
    for name in ("vo", "site", "ce", "queue"):
        said, known = getattr(offer, name), getattr(permit.place, name)
        if said is not None and said != known:
            raise PlaceForbidden(f"The offer names the {name} {said}, but this pilot's token says {known}")
    return permit


WATCHERS = ("JobAdministrator", "Operator", "SiteManager", "ServiceAdministrator")


def may_watch_sites(user: User, *, global_jobs_info: bool) -> JobScope:
    """Admit people to the jobs of their VO by site; to their own only where the VO says so, unless they watch sites."""
    if user.kind != "user" or not user.has("NormalUser", *WATCHERS):
        raise Forbidden(f"Jobs by site are for holders of NormalUser or {', '.join(WATCHERS)}")
    is_whole = global_jobs_info or user.has(*WATCHERS)
    return JobScope(user.vo, None if is_whole else user.preferred_username)


def may_explain_offers(user: User) -> OfferReader:
    """Admit administrators of services for any VO, operators for their own."""
    if user.kind == "user" and user.has("ServiceAdministrator"):
        return OfferReader(None)
    if user.kind == "user" and user.has("Operator"):
        return OfferReader(user.vo)
    raise OfferUnreadable("What pilots could get is told to holders of Operator and of ServiceAdministrator")
