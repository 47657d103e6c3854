"""What the policy of accounting grants."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UsageScope:
    """May see the records of one VO, or of one owner in it."""

    vo: str
    owner: str | None = None
