"""Why a job is held before it may wait for a pilot, for how long, and what lets it go on earlier."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from weyl.config.models import Config
from weyl.jobs.grid import Grid
from weyl.resource_status.claims import Claims

PREFIX = "On Hold: "
HOLD_MAX_S = 3_600


class HoldReason(StrEnum):
    """What a held job waits for."""

    UNKNOWN_SITE = "unknown_site"
    CLOSED_SITE = "closed_site"
    CATALOG_UNREACHABLE = "catalog_unreachable"
    REPLICAS_UNAVAILABLE = "replicas_unavailable"
    NO_STAGER = "no_stager"
    STAGER_UNREACHABLE = "stager_unreachable"
    STAGING = "staging"
    EXTENSION = "extension"
    RETRY = "retry"


_AFTER_S = {
    HoldReason.UNKNOWN_SITE: 300,
    HoldReason.CLOSED_SITE: 300,
    HoldReason.CATALOG_UNREACHABLE: 60,
    HoldReason.REPLICAS_UNAVAILABLE: 600,
    HoldReason.NO_STAGER: 600,
    HoldReason.STAGER_UNREACHABLE: 60,
    HoldReason.EXTENSION: 300,
}
_DOUBLING = {HoldReason.CATALOG_UNREACHABLE, HoldReason.STAGER_UNREACHABLE}


@dataclass(frozen=True, slots=True)
class Hold:
    """Keeps a job from going on: `text` is for its owner, `names` are what lets it go on before its time.

    A name is `site:NAME`, `se:NAME` or `catalog:NAME`.
    """

    reason: HoldReason
    text: str
    names: tuple[str, ...] = ()
    after_s: int | None = None

    def seconds(self, tries: int) -> int | None:
        """Return how long it lasts after so many holds for the same reason; None: no timer ends it."""
        if self.reason is HoldReason.STAGING:
            return None
        first = _AFTER_S.get(self.reason, HOLD_MAX_S) if self.after_s is None else self.after_s
        # the exponent is bounded, too: a job may be held for months
        return min(HOLD_MAX_S, first * 2 ** min(tries, 12)) if self.reason in _DOUBLING else first


def tries_of(hold: Hold, previous: tuple[str, int] | None) -> int:
    """Return how often a job has been held like that before; `previous` is the reason of the last hold, and its count.

    A stager that fails is asked through one staging after the other: both count together.
    """
    if previous is None:
        return 0
    reason, tries = previous
    match HoldReason(reason), hold.reason:
        case HoldReason.STAGING, HoldReason.STAGER_UNREACHABLE:
            return tries
        case HoldReason.STAGER_UNREACHABLE, HoldReason.STAGING:
            return tries + 1
        case before, now if before is now:
            return tries + 1
    return 0


def name_of_site(site: str) -> str:
    """Return what a hold that waits for a site names."""
    return f"site:{site}"


def name_of_storage(storage_element: str) -> str:
    """Return what a hold that waits for a storage element names."""
    return f"se:{storage_element}"


def name_of_catalog(catalog: str) -> str:
    """Return what a hold that waits for a file catalogue names."""
    return f"catalog:{catalog}"


def opened(named: Iterable[tuple[str, str]], config: Config, claims: Claims, now: datetime) -> list[tuple[str, str]]:
    """Return those of these (VO, name) that may be used now: jobs that wait for them may go on."""
    grids: dict[str, Grid] = {}
    found = []
    for vo, name in named:
        kind, _, place = name.partition(":")
        grid = grids.setdefault(vo, Grid(config, claims, vo, now))
        is_open = (kind == "site" and place in grid.sites and grid.closed(place) is None) or (
            kind == "se" and grid.storage(place).closed is None
        )
        if is_open:
            found.append((vo, name))
    return found
