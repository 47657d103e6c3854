"""Which element of the grid may be used by a VO, as configuration and claims say: pure."""

from dataclasses import dataclass
from datetime import datetime

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.config.status import StatusSetting, StatusWord
from weyl.resource_status.claims import Claim, Claims, Element
from weyl.resource_status.models import Kind

ACCESSES = ("read", "write", "check", "remove")

Answer = dict[str, bool | str | None]
View = dict[str, dict[str, Answer]]
# Made once: its defaults are many, and a matcher asks for each place anew after every change of the configuration.
_SAYS_NOTHING = Operations()
_USABLE = (StatusWord.ACTIVE, StatusWord.DEGRADED)


@dataclass(frozen=True, slots=True)
class State:
    """The status of an element for a VO, why, and who decided it."""

    status: str
    reason: str | None
    decided_by: Claim | None = None
    drain: Claim | None = None

    @property
    def is_usable(self) -> bool:
        """Tell whether the element may be used at all, draining or not."""
        return self.status in _USABLE

    def answer(self) -> Answer:
        """Return what the contract tells of it: usable or not, and why."""
        told = answer(self.status, self.reason)
        if self.drain is not None and told["allowed"]:
            until = "" if self.drain.until is None else f" until {self.drain.until:%Y-%m-%d %H:%M} UTC"
            told["warnings"] = f"draining{until}: {self.drain.reason}"
        return told


@dataclass(frozen=True, slots=True)
class Usable:
    """Whether new work may be sent to a place now, why not, and by when it must have ended."""

    reason: str | None = None
    until: datetime | None = None

    @property
    def allowed(self) -> bool:
        """Tell whether new work may be sent there."""
        return self.reason is None


def answer(word: str, reason: str | None = None) -> Answer:
    """Turn a status into what is told of it: usable or not, and why."""
    match word:
        case StatusWord.ACTIVE:
            return {"allowed": True, "warnings": None}
        case StatusWord.DEGRADED:
            return {"allowed": True, "warnings": reason or word}
        case StatusWord.BANNED | StatusWord.PROBING | StatusWord.ERROR | StatusWord.UNKNOWN:
            return {"allowed": False, "reason": reason or word}
    return {"allowed": False, "reason": f"Unknown status: {word}"}


def elements_of(config: Config, vo: str, kind: Kind) -> list[Element]:
    """Return every element of a kind that a VO may see; a storage element once for each kind of access."""
    sites = {name: site for name, site in config.resources.sites.items() if site.serves(vo)}
    match kind:
        case Kind.SITE:
            return [Element(kind, name) for name in sites]
        case Kind.COMPUTE:
            return [Element(kind, name) for site in sites.values() for name in site.ces]
        case Kind.FTS:
            return [Element(kind, name) for name in config.resources.fts]
        case Kind.STORAGE:
            storage = config.resources.storage_elements
            return [Element(kind, name, access) for name in storage if storage[name].serves(vo) for access in ACCESSES]


def site_of(config: Config, element: Element) -> str | None:
    """Return the site that an element belongs to, if it is one of those that belong to a site."""
    if element.kind is Kind.SITE:
        return element.name
    if element.kind is not Kind.COMPUTE:
        return None
    return next((name for name, site in config.resources.sites.items() if element.name in site.ces), None)


def state_of(
    config: Config, claims: Claims, element: Element, vo: str, *, now: datetime, site: str | None = None
) -> State:
    """Return the status of an element for a VO: a computing element of a site that may not be used is banned.

    A claim beats what the configuration says; the VO's own word in the configuration beats the one for every VO.
    `site` spares looking for the site of a computing element.
    """
    site = site or site_of(config, element)
    own = _own_state(config, claims, element, vo, now=now, site=site)
    if element.kind is not Kind.COMPUTE or site is None:
        return own
    above = _own_state(config, claims, Element(Kind.SITE, site), vo, now=now)
    if not above.is_usable:
        return State(StatusWord.BANNED, f"site {site}: {above.reason or above.status}", above.decided_by)
    return State(own.status, own.reason, own.decided_by, _first(own.drain, above.drain))


def view(config: Config, claims: Claims, vo: str, kind: Kind, *, now: datetime) -> View:
    """Return every element of a kind that the VO may see, with its status for each kind of access."""
    found: View = {}
    sites = {name: site for site, place in config.resources.sites.items() for name in place.ces}
    for element in elements_of(config, vo, kind):
        told = state_of(config, claims, element, vo, now=now, site=sites.get(element.name)).answer()
        found.setdefault(element.name, {})[element.access] = told
    return found


def usable(config: Config, claims: Claims, vo: str, *, site: str, ce: str | None, now: datetime) -> Usable:
    """Say whether a VO may start work at a site, or at a computing element of it."""
    place = config.resources.sites.get(site)
    if place is None or not place.serves(vo):
        return Usable(f"{site} is no site of {vo}")
    if ce is not None and ce not in place.ces:
        return Usable(f"{ce} is no computing element of {site}")
    states = {site: state_of(config, claims, Element(Kind.SITE, site), vo, now=now)}
    if ce is not None:
        states[ce] = _own_state(config, claims, Element(Kind.COMPUTE, ce), vo, now=now, site=site)
    until = None
    for name, state in states.items():
        if not state.is_usable:
            return Usable(f"{name}: {state.reason or state.status}")
        if state.drain is None:
            continue
        if state.drain.until is None:
            return Usable(f"{name}: draining: {state.drain.reason}")
        until = min(until or state.drain.until, state.drain.until)
    return Usable(until=until)


def usable_storage(config: Config, claims: Claims, vo: str, se: str, access: str, *, now: datetime) -> Usable:
    """Say whether a VO may use a storage element for a kind of access, and by when that must have ended."""
    element = config.resources.storage_elements.get(se)
    if element is None or not element.serves(vo):
        return Usable(f"{se} is no storage element of {vo}")
    state = _own_state(config, claims, Element(Kind.STORAGE, se, access), vo, now=now)
    if not state.is_usable:
        return Usable(f"{se} may not be used for {access}: {state.reason or state.status}")
    if state.drain is not None and state.drain.until is None:
        return Usable(f"{se} is draining: {state.drain.reason}")
    return Usable(until=None if state.drain is None else state.drain.until)


def _own_state(
    config: Config, claims: Claims, element: Element, vo: str, *, now: datetime, site: str | None = None
) -> State:
    drain = next(iter(claims.drains(element, vo, now)), None)
    claim = claims.deciding(element, vo, now)
    if claim is not None and claim.status is not None:
        return State(claim.status, claim.reason or None, claim, drain)
    options = config.operations.get(vo, _SAYS_NOTHING)
    setting = _configured(config, options, element, site)
    if setting is None:
        return State(options.resource_status.default, "no status set", drain=drain)
    return State(setting.status, setting.reason, drain=drain)


def _configured(config: Config, options: Operations, element: Element, site: str | None) -> StatusSetting | None:
    """Return the word of the configuration: the VO's over everybody's, for each kind of access by itself."""
    said, resources = options.resource_status, config.resources
    match element.kind:
        case Kind.SITE:
            return said.sites.get(element.name) or resources.sites[element.name].status
        case Kind.COMPUTE:
            of_site = None if site is None else resources.sites[site].ces[element.name].status
            return said.ces.get(element.name) or of_site
        case Kind.FTS:
            return said.fts.get(element.name) or resources.fts[element.name].status
        case Kind.STORAGE:
            of_all = getattr(resources.storage_elements[element.name].status, element.access, None)
            of_vo = getattr(said.storage_elements.get(element.name), element.access, None)
            return of_vo or of_all


def _first(one: Claim | None, other: Claim | None) -> Claim | None:
    """Return the drain that ends its element first; one without an end has ended it now."""
    drains = [drain for drain in (one, other) if drain is not None]
    return min(drains, key=lambda drain: (drain.until is not None, drain.until or drain.set_at), default=None)
