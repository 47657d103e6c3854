"""Which element of the grid may be used by a VO, as the configuration says: pure."""

from collections.abc import Mapping
from enum import StrEnum

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.config.resources import ComputingElement, Site, StorageElement, TransferServer
from weyl.config.status import StatusSetting, StatusWord, StorageStatus

ACCESSES = ("read", "write", "check", "remove")

Answer = dict[str, bool | str | None]
View = dict[str, dict[str, Answer]]
Says = Mapping[str, StatusSetting]
# Made once: its defaults are many, and a matcher asks for each place anew after every change of the configuration.
_SAYS_NOTHING = Operations()


class Kind(StrEnum):
    """The kinds of elements; the values are the last words of their routes."""

    STORAGE = "storage"
    COMPUTE = "compute"
    SITE = "site"
    FTS = "fts"


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


def view(config: Config, vo: str, kind: Kind) -> View:
    """Return every element of a kind that the VO may see, with its status for each kind of access."""
    options = config.operations.get(vo, _SAYS_NOTHING)
    sites = {name: site for name, site in config.resources.sites.items() if site.serves(vo)}
    match kind:
        case Kind.SITE:
            return _simple(sites, options.resource_status.sites, options)
        case Kind.COMPUTE:
            ces = {name: ce for site in sites.values() for name, ce in site.ces.items()}
            return _simple(ces, options.resource_status.ces, options)
        case Kind.FTS:
            return _simple(config.resources.fts, options.resource_status.fts, options)
        case Kind.STORAGE:
            said = options.resource_status.storage_elements
            elements = config.resources.storage_elements.items()
            return {name: _storage(element, said.get(name), options) for name, element in elements}


def reason_against(config: Config, vo: str, *, site: str, ce: str | None = None) -> str | None:
    """Return why a VO must not use a site, or a computing element of it; None if it may."""
    place = config.resources.sites.get(site)
    if place is None or not place.serves(vo):
        return f"{site} is no site of {vo}"
    options = config.operations.get(vo, _SAYS_NOTHING)
    told = _setting(place.status, options.resource_status.sites.get(site), options)
    if not told["allowed"]:
        return f"{site}: {told['reason']}"
    element = place.ces.get(ce) if ce is not None else None
    if ce is None or element is None:
        return None if ce is None else f"{ce} is no computing element of {site}"
    told = _setting(element.status, options.resource_status.ces.get(ce), options)
    return None if told["allowed"] else f"{ce}: {told['reason']}"


def _simple(elements: Mapping[str, Site | ComputingElement | TransferServer], said: Says, options: Operations) -> View:
    return {name: {"all": _setting(element.status, said.get(name), options)} for name, element in elements.items()}


def _storage(element: StorageElement, said: StorageStatus | None, options: Operations) -> dict[str, Answer]:
    """Lay the VO's word over everybody's for each kind of access by itself: a VO may close only one of them."""
    return {
        access: _setting(getattr(element.status, access, None), getattr(said, access, None), options)
        for access in ACCESSES
    }


def _setting(of_all: StatusSetting | None, of_vo: StatusSetting | None, options: Operations) -> Answer:
    setting = of_vo or of_all
    if setting is None:
        return answer(options.resource_status.default, "no status set")
    return answer(setting.status, setting.reason)
