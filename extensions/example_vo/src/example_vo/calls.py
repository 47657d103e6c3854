"""The client's calls on campaigns; nothing here needs the server."""

from typing import Any

from weyl.kit.call import Call, segment


def list_campaigns() -> Call[list[dict[str, Any]]]:
    """Ask for the campaigns and their notes."""
    return Call("GET", "/api/campaigns", returns=list[dict[str, Any]])


def add_note(campaign: str, text: str) -> Call[dict[str, Any]]:
    """Add a note to a campaign."""
    return Call("POST", f"/api/campaigns/{segment(campaign)}/notes", body={"text": text}, returns=dict[str, Any])
