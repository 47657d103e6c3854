"""The client's calls on the configuration."""

from typing import Any

from weyl.kit.call import Call


def get_config() -> Call[dict[str, Any]]:
    """Ask for the whole configuration."""
    return Call("GET", "/api/config/", returns=dict[str, Any])


def get_history(*, limit: int = 20) -> Call[list[dict[str, Any]]]:
    """Ask for the newest commits of the configuration."""
    return Call("GET", "/api/config/history", returns=list[dict[str, Any]], query={"limit": limit})


def get_diff(old: str | None = None, new: str | None = None) -> Call[dict[str, str]]:
    """Ask what changed between two revisions."""
    return Call("GET", "/api/config/diff", returns=dict[str, str], query={"old": old, "new": new})
