"""What a caller was admitted to: the permits that queries and services of workflows demand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pusher:
    """May store workflows for this VO, and have documents checked."""

    vo: str
    user: str


@dataclass(frozen=True, slots=True)
class WorkflowReader:
    """May read the workflows that this VO has; a payload only the bundle of its job."""

    vo: str
    bundle_id: bytes | None = None

    def may_read(self, bundle_id: bytes) -> bool:
        """Tell whether a bundle of the VO is one that may be read."""
        return self.bundle_id in (None, bundle_id)
