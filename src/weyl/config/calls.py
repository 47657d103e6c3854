"""The client's calls on the configuration."""

from typing import Any

from weyl.config.revisions import ChangeMade, ChangeOrder, RevisionShown
from weyl.kit.call import Call, segment


def get_config() -> Call[dict[str, Any]]:
    """Ask for the whole configuration."""
    return Call("GET", "/api/config/", returns=dict[str, Any])


def get_schema() -> Call[dict[str, Any]]:
    """Ask what a document may say, as JSON Schema."""
    return Call("GET", "/api/config/schema", returns=dict[str, Any])


def get_history(*, limit: int = 20, before: str | None = None) -> Call[list[dict[str, Any]]]:
    """Ask for the newest commits of the configuration, or those before one."""
    query = {"limit": limit, "before": before}
    return Call("GET", "/api/config/history", returns=list[dict[str, Any]], query=query)


def get_revision(revision: str = "newest") -> Call[RevisionShown]:
    """Ask for one revision as it is written."""
    return Call("GET", f"/api/config/revisions/{segment(revision)}", returns=RevisionShown)


def get_diff(old: str | None = None, new: str | None = None) -> Call[dict[str, str]]:
    """Ask what changed between two revisions."""
    return Call("GET", "/api/config/diff", returns=dict[str, str], query={"from": old, "to": new})


def change_config(order: ChangeOrder) -> Call[ChangeMade]:
    """Ask for a new document in place of the newest; of two that ask at once, one is refused."""
    return Call("POST", "/api/config/changes", returns=ChangeMade, body=order)
