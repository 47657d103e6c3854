"""What a caller was admitted to: the permits that queries and services demand."""

from dataclasses import dataclass

from weyl.sandboxes.models import Owner


@dataclass(frozen=True, slots=True)
class Announcer:
    """May store sandboxes in the area of this owner; the job that does, if it is a payload."""

    owner: Owner
    group: str
    job_id: int | None


@dataclass(frozen=True, slots=True)
class ReadScope:
    """Which sandboxes may be read: those of a VO, of one owner in it unless None, of one of his jobs unless None."""

    vo: str
    username: str | None
    job_id: int | None

    @property
    def is_administrator(self) -> bool:
        """Tell whether the scope is a whole VO."""
        return self.username is None
