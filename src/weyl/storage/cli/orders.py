"""What is done to very many files: planned and confirmed as one operation of the server, and waited for."""

from collections.abc import Mapping
from typing import Any

from weyl.client.command import Session
from weyl.client.errors import ClientError
from weyl.file_catalog import calls as files
from weyl.tasks.cli import ended, wait_for

Order = dict[str, Any]
Plan = Mapping[str, Any]


def plan(session: Session, order: Order) -> Plan:
    """Ask what an order would do."""
    return session.client.send(files.plan_bulk(order))


def confirm(session: Session, order: Order, planned: Plan, *, verb: str) -> str:
    """Ask the person, then have it done; returns the id of the operation, which has begun or will."""
    breakdown = {"files": planned["count"], "directories": planned["directories"], "bytes": planned["bytes"]}
    session.confirm(verb, planned["count"] or planned["directories"], breakdown=breakdown)
    started = session.client.send(files.confirm_bulk(order, planned["plan_token"]))
    return str(started.operation_id)


def carry_out(session: Session, order: Order, *, verb: str) -> str | None:
    """Plan, ask, and wait for the end; returns why it came to nothing, or what it could not be done to."""
    planned = plan(session, order)
    operation_id = confirm(session, order, planned, verb=verb)
    try:
        failed = getattr(ended(wait_for(session, operation_id)), "failed", {})
    except ClientError as error:
        return error.message
    return "; ".join(str(reason) for reason in failed.values()) or None
