"""What the policy of resource status grants."""

from dataclasses import dataclass

from weyl.resource_status.claims import Claim, Element


@dataclass(frozen=True, slots=True)
class Spokesman:
    """May claim something of these elements, each for this VO or for every one."""

    author: str
    may_force: bool
    places: frozenset[tuple[Element, str]]

    def covers(self, claim: Claim) -> bool:
        """Tell whether a claim is one of those that were permitted."""
        return (claim.element, claim.vo) in self.places and (self.may_force or not claim.force)
