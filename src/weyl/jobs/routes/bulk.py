"""Orders about many jobs over HTTP: a plan first, then, with its token, an operation in the background."""

from typing import Any

from fastapi import APIRouter, Request, Response

from weyl.auth.keys import KEYS
from weyl.auth.plans import LIFETIME_S, Plan, digest_of, open_plan, seal
from weyl.config.models import Config
from weyl.config.routes import CurrentConfig
from weyl.jobs.errors import BadOrder
from weyl.jobs.models.bulk import BulkOrder, BulkPlan
from weyl.jobs.permits import Orderer
from weyl.jobs.policy import may_order
from weyl.jobs.service import bulk as service
from weyl.kit.bounds import IDS_BYTES_MAX
from weyl.kit.http import CurrentDatabase, CurrentSearches, CurrentUser, Now, User, json_response
from weyl.kit.ids import uuid7
from weyl.kit.openapi import refusals
from weyl.tasks import operations
from weyl.tasks.models import OperationStarted

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "The plan was confirmed, and is an operation now", "model": OperationStarted},
    **refusals(429),
}


@router.post(
    "/bulk", operation_id="jobs_bulk", response_model=BulkPlan, responses=_ANSWERS, max_body_size=IDS_BYTES_MAX
)
async def order_jobs(
    order: BulkOrder,
    request: Request,
    user: CurrentUser,
    *,
    config: CurrentConfig,
    searches: CurrentSearches,
    db: CurrentDatabase,
    now: Now,
) -> Response:
    """Say what an action would do to many jobs; the same call with the `plan_token` of that answer does it.

    The jobs are those of `ids` (up to 100,000) or of `search` (any number). The operation begins after `undo_s`
    seconds, until which it can be cancelled (`DELETE /api/operations/{id}`); jobs that are submitted after the plan are
    never touched.
    """
    orderer = _orderer(user, order, config)
    digest = digest_of(service.checked(order).subject())
    keys = KEYS.of(request)
    if order.plan_token is not None:
        plan = open_plan(keys, user, order.plan_token, digest=digest)
        who = (user.subject, user.preferred_username)
        ordered = service.confirmed(
            order, orderer, operation_id=plan.operation_id, who=who, bound=plan.bound, total=plan.total
        )
        async with db.transaction() as tx:
            started = await operations.begin(tx, service.BULK, ordered, undo_s=order.undo_s, now=now)
        return json_response(started.model_dump(), status=202)
    if not order.dry_run:
        raise BadOrder("Plan first: send this with `dry_run`, then again with the `plan_token` of the answer")
    async with searches.connection(user.subject, is_scan=service.plan_may_scan(order)) as tx:
        planned = await service.plan(tx, orderer, order)
    sealed = Plan(uuid7(), digest, planned.bound, planned.count)
    token = seal(keys, user, sealed, now=now.timestamp())
    shown = {name: getattr(planned, name) for name in _SHOWN}
    return json_response({**shown, "plan_token": token, "expires_in": LIFETIME_S, "undo_s": order.undo_s})


_SHOWN = ("count", "by", "sample", "not_allowed", "not_possible", "missing")


def _orderer(user: User, order: BulkOrder, config: Config) -> Orderer:
    settings = config.operations.get(user.vo)
    is_seen = settings is None or settings.services.job_monitoring.global_jobs_info
    return may_order(user, order.action, global_jobs_info=is_seen)
