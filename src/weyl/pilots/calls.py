"""The client's calls on pilots."""

from typing import Any

from weyl.kit.call import Call, segment
from weyl.kit.search import SearchParams, SummaryParams
from weyl.pilots.models import (
    Drained,
    OfferDocument,
    PilotDrain,
    PilotOutput,
    PilotRevocation,
    PilotSecret,
    PilotSecretParams,
    Revoked,
)


def search_pilots(params: SearchParams, *, page: int = 1, per_page: int = 100) -> Call[list[dict[str, Any]]]:
    """Ask for the pilots that meet all conditions."""
    return Call(
        "POST",
        "/api/pilots/search",
        returns=list[dict[str, Any]],
        query={"page": page, "per_page": per_page},
        body=params,
        unit="pilots",
    )


def summarise_pilots(params: SummaryParams) -> Call[list[dict[str, Any]]]:
    """Ask for the number of pilots by columns."""
    return Call("POST", "/api/pilots/summary", returns=list[dict[str, Any]], body=params, repeatable=True)


def drain_pilots(wanted: PilotDrain) -> Call[Drained]:
    """Ask that pilots finish what they have and stop, or that they go on."""
    return Call("POST", "/api/pilots/drain", returns=Drained, body=wanted, repeatable=True)


def get_hosts() -> Call[list[dict[str, Any]]]:
    """Ask which worker nodes break their jobs."""
    return Call("GET", "/api/pilots/hosts", returns=list[dict[str, Any]])


def get_submission() -> Call[list[dict[str, Any]]]:
    """Ask how submission to each queue stands."""
    return Call("GET", "/api/pilots/submission", returns=list[dict[str, Any]])


def explain_pilot(stamp: str) -> Call[dict[str, Any]]:
    """Ask what a pilot could get with what it last offered, and what it has asked for."""
    return Call("GET", f"/api/pilots/{segment(stamp)}/explain", returns=dict[str, Any])


def explain_offer(offer: dict[str, Any]) -> Call[dict[str, Any]]:
    """Ask what a pilot with this offer could get; the offer says by `site`, `ce` and `queue` where it would be."""
    return Call(
        "POST", "/api/matcher/explain", returns=dict[str, Any], body=OfferDocument(offer=offer), repeatable=True
    )


def get_log(stamp: str, *, first: int = 0) -> Call[str]:
    """Ask for the log of a pilot, from a piece on."""
    return Call("GET", f"/api/pilots/{segment(stamp)}/logs", returns=str, query={"first": first})


def get_output(stamp: str) -> Call[PilotOutput]:
    """Ask for what a pilot wrote on its computing element."""
    return Call("GET", f"/api/pilots/{segment(stamp)}/output", returns=PilotOutput)


def create_secret(params: PilotSecretParams) -> Call[PilotSecret]:
    """Ask for a secret for pilots that are started elsewhere; it is shown this once."""
    return Call("POST", "/api/pilots/secrets", returns=PilotSecret, body=params)


def revoke_secret(secret_id: str) -> Call[None]:
    """Make a secret worthless, and end every session that began with it."""
    return Call("DELETE", f"/api/pilots/secrets/{segment(secret_id)}")


def revoke(wanted: PilotRevocation) -> Call[Revoked]:
    """Take the right to speak from the pilots and secrets that fit all that is given."""
    return Call("POST", "/api/pilots/revoke", returns=Revoked, body=wanted, repeatable=True)
