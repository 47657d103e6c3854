"""What people have said of the elements of the grid: claims side by side, and which of them counts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from weyl.config.status import StatusWord
from weyl.resource_status.models import Kind

EVERY_VO = "all"
"""Stands for every VO in a claim."""

Source = Literal["manual", "drain"]


@dataclass(frozen=True, slots=True)
class Element:
    """One kind of access to one element; all but storage elements have the single access `all`."""

    kind: Kind
    name: str
    access: str = "all"


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody says of an element, for one VO or for every one, until they take it back or it expires.

    A `drain` has no status: nothing is started that would not end before `until`, or, without it, nothing at all.
    """

    element: Element
    vo: str
    source: Source
    status: StatusWord | None
    reason: str
    author: str
    set_at: datetime
    expires_at: datetime | None = None
    until: datetime | None = None
    # Beats every VO's own claim, such as a ban for reasons of security.
    force: bool = False

    def holds(self, now: datetime) -> bool:
        """Tell whether it has not expired."""
        return self.expires_at is None or now < self.expires_at


class Claims:
    """The claims of an installation, by element."""

    def __init__(self, claims: Iterable[Claim] = ()) -> None:
        self._by_element: defaultdict[Element, list[Claim]] = defaultdict(list)
        for claim in claims:
            self._by_element[claim.element].append(claim)

    def held(self, now: datetime) -> list[Claim]:
        """Return all that hold now."""
        return [claim for claims in self._by_element.values() for claim in claims if claim.holds(now)]

    def of(self, element: Element, vo: str, now: datetime) -> list[Claim]:
        """Return those that hold now and concern a VO."""
        if element not in self._by_element:
            return []
        return [claim for claim in self._by_element[element] if claim.vo in (vo, EVERY_VO) and claim.holds(now)]

    def deciding(self, element: Element, vo: str, now: datetime) -> Claim | None:
        """Return the claim on the status that counts: a forced one, else the VO's own, else that for every VO."""
        said = [claim for claim in self.of(element, vo, now) if claim.source == "manual"]
        return max(said, key=lambda claim: (claim.force, claim.vo == vo), default=None)

    def drains(self, element: Element, vo: str, now: datetime) -> list[Claim]:
        """Return the drains of an element, the one that ends it first in front."""
        found = [claim for claim in self.of(element, vo, now) if claim.source == "drain"]
        return sorted(found, key=lambda claim: (claim.until is not None, claim.until or claim.set_at))

    def next_change(self, now: datetime) -> datetime | None:
        """Return when the next of them expires."""
        ends = (claim.expires_at for claims in self._by_element.values() for claim in claims)
        return min((at for at in ends if at is not None and at > now), default=None)


NO_CLAIMS = Claims()
