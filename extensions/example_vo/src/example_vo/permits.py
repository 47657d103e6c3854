"""What the policy of the extension grants, and its queries demand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reader:
    """May read the notes of this VO."""

    vo: str


@dataclass(frozen=True, slots=True)
class Annotator:
    """May write notes for this VO, under this name."""

    vo: str
    author: str
