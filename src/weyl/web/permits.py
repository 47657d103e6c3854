"""What the policy of the web pages grants."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keeper:
    """May keep preferences and dashboards of their own, and see what is shared in their VO."""

    vo: str
    subject: str
    name: str
    is_moderator: bool = False
    """May take away what others share in the VO."""
