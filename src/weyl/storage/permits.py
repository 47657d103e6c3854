"""What the policy of storage grants."""

from dataclasses import dataclass

from weyl.file_catalog.permits import Member


@dataclass(frozen=True, slots=True)
class ElementViewer:
    """May see the storage elements of one VO, and what of them is used, as a member of the catalogue."""

    vo: str
    member: Member | None = None


@dataclass(frozen=True, slots=True)
class Prober:
    """May look behind the catalogue of one VO: test its storage elements, and ask them what lies there."""

    vo: str
