"""The client's calls on resource status."""

from collections.abc import Sequence
from datetime import datetime

from weyl.kit.call import Call
from weyl.resource_status.models import (
    Changes,
    ComputeElementStatus,
    DrainOrder,
    FTSStatus,
    HistoryEntry,
    Kind,
    Place,
    SiteStatus,
    StatusOrder,
    StorageElementStatus,
    Why,
)


def get_storage_status() -> Call[dict[str, StorageElementStatus]]:
    """Ask for the status of every storage element."""
    return Call("GET", "/api/rss/storage", returns=dict[str, StorageElementStatus])


def get_compute_status() -> Call[dict[str, ComputeElementStatus]]:
    """Ask for the status of every computing element."""
    return Call("GET", "/api/rss/compute", returns=dict[str, ComputeElementStatus])


def get_site_status() -> Call[dict[str, SiteStatus]]:
    """Ask for the status of every site."""
    return Call("GET", "/api/rss/site", returns=dict[str, SiteStatus])


def get_fts_status() -> Call[dict[str, FTSStatus]]:
    """Ask for the status of every transfer server."""
    return Call("GET", "/api/rss/fts", returns=dict[str, FTSStatus])


def why(kind: Kind, name: str, access: str = "all") -> Call[Why]:
    """Ask for everything that is said of an element."""
    return Call("GET", "/api/rss/why", returns=Why, query={"kind": kind, "name": name, "access": access})


def history(kind: Kind, name: str, since: datetime) -> Call[list[HistoryEntry]]:
    """Ask for what was said of an element and taken back since a time."""
    query = {"kind": kind, "name": name, "since": since.isoformat()}
    return Call("GET", "/api/rss/history", returns=list[HistoryEntry], query=query)


def set_statuses(orders: Sequence[StatusOrder]) -> Call[Changes]:
    """Say which status elements have."""
    body = [order.model_dump(mode="json", exclude_none=True) for order in orders]
    return Call("PATCH", "/api/rss/status", returns=Changes, body=body, repeatable=True)


def release_statuses(places: Sequence[Place]) -> Call[Changes]:
    """Take back what was said of the status of elements."""
    return _on_places("/api/rss/status/release", places)


def drain(orders: Sequence[DrainOrder]) -> Call[Changes]:
    """Let elements run empty."""
    body = [order.model_dump(mode="json", exclude_none=True) for order in orders]
    return Call("POST", "/api/rss/drain", returns=Changes, body=body, repeatable=True)


def release_drains(places: Sequence[Place]) -> Call[Changes]:
    """Let elements be used again."""
    return _on_places("/api/rss/drain/release", places)


def _on_places(path: str, places: Sequence[Place]) -> Call[Changes]:
    body = [place.model_dump(mode="json", exclude_none=True) for place in places]
    return Call("POST", path, returns=Changes, body=body)
