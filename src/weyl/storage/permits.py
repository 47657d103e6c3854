"""What the policy of storage grants."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ElementViewer:
    """May see the storage elements of one VO."""

    vo: str


@dataclass(frozen=True, slots=True)
class Prober:
    """May look behind the catalogue of one VO: test its storage elements, and ask them what lies there."""

    vo: str
