"""The client's calls on resource status."""

from weyl.kit.call import Call
from weyl.resource_status.models import ComputeElementStatus, FTSStatus, SiteStatus, StorageElementStatus


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
