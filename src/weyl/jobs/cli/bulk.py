"""What is done to very many jobs: planned and confirmed as one operation of the server, and waited for."""

from weyl.client.command import Session
from weyl.client.results import Ids, Result
from weyl.jobs.calls import changes
from weyl.jobs.models.bulk import BulkOrder, BulkPlan
from weyl.tasks.cli import ended, wait_for

# Up to so many jobs are changed directly, and each answered for.
DIRECT_MAX = 1_000


def plan(session: Session, order: BulkOrder) -> BulkPlan:
    """Ask what an order would do."""
    return session.client.send(changes.plan_bulk(order))


def carry_out(session: Session, order: BulkOrder, planned: BulkPlan, *, is_asked: bool, waits: bool) -> Result:
    """Confirm a plan, after the question if there is one to ask, and follow the operation to its end."""
    if is_asked:
        session.confirm(str(order.action), planned.count, breakdown=_breakdown(planned))
    for count, what in (
        (planned.not_allowed, "are not yours to change"),
        (planned.not_possible, "have a status that does not allow it"),
        (planned.missing, "do not exist, or are not yours to see"),
    ):
        if count:
            session.say(f"{count:,} of the jobs {what}.")
    started = session.client.send(changes.confirm_bulk(order, planned.plan_token))
    operation_id = str(started.operation_id)
    if not waits:
        sentence = f"The operation begins in {order.undo_s} s; follow it with: weyl operations wait {operation_id}"
        document = started.model_dump(mode="json")
        return Ids([operation_id], sentence, id_column="operation_id", unit="operations", document=document)
    return ended(wait_for(session, operation_id))


def _breakdown(planned: BulkPlan) -> dict[str, int]:
    parts = dict(planned.by["Status"])
    owners = planned.by["Owner"]
    return parts if len(owners) < 2 else {**parts, **{f"of {owner}": count for owner, count in owners.items()}}
