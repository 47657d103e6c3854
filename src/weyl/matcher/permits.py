"""Permits on what the matcher knows, as the policy grants them; each says how far it reaches."""

from dataclasses import dataclass

from weyl.matcher.errors import PlaceForbidden
from weyl.matcher.offers import Place


@dataclass(frozen=True, slots=True)
class OfferReader:
    """May ask what offers would get: for pilots of one VO, or of any if `vo` is None."""

    vo: str | None

    def place(self, place: Place) -> Place:
        """Return a place that is within reach; raises `PlaceForbidden` for one that is not."""
        if self.vo not in (None, place.vo):
            raise PlaceForbidden(f"You may ask for pilots of {self.vo} only")
        return place
