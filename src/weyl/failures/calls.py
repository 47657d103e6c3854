"""The client's calls for failures that are alike."""

from datetime import datetime

from weyl.failures.models import Failures, NoteOrder
from weyl.kit.call import Call, segment


def failures(
    *, since: datetime | None = None, by: str = "site", limit: int = 50, only_new: bool = False
) -> Call[Failures]:
    """Ask which kinds of failures there were since a time, by default in the last day."""
    query = {"since": since.isoformat() if since else None, "by": by, "limit": limit, "new": only_new or None}
    return Call("GET", "/api/jobs/failures", Failures, query=query)


def annotate_failure(signature: str, order: NoteOrder) -> Call[None]:
    """Ask to keep a note on a kind of failure; an empty one takes back what was said."""
    return Call("PUT", f"/api/jobs/failures/{segment(signature)}/note", None, body=order)
