"""Orders about very many files over HTTP: a plan first, then, with its token, an operation in the background."""

from typing import Any

from fastapi import APIRouter, Request, Response

from weyl.auth.keys import KEYS
from weyl.auth.plans import LIFETIME_S, Plan, digest_of, open_plan, seal
from weyl.config.routes import CurrentConfig
from weyl.file_catalog.errors import BadFileOrder
from weyl.file_catalog.models.bulk import FileOrder, FilePlan
from weyl.file_catalog.models.files import FILES_BYTES_MAX
from weyl.file_catalog.routes.admission import CurrentMember
from weyl.file_catalog.service import orders as service
from weyl.kit.http import CurrentDatabase, CurrentSearches, CurrentUser, Now, json_response
from weyl.kit.ids import uuid7
from weyl.kit.openapi import refusals
from weyl.tasks import operations
from weyl.tasks.models import OperationStarted

router = APIRouter(prefix="/api/files", tags=["files"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "The plan was confirmed, and is an operation now", "model": OperationStarted},
    **refusals(400, 429),
}


@router.post(
    "/bulk", operation_id="files_bulk", response_model=FilePlan, responses=_ANSWERS, max_body_size=FILES_BYTES_MAX
)
async def order_files(
    order: FileOrder,
    request: Request,
    user: CurrentUser,
    member: CurrentMember,
    *,
    config: CurrentConfig,
    searches: CurrentSearches,
    db: CurrentDatabase,
    now: Now,
) -> Response:
    """Say what an action would do to files: those named, all below directories, or all that match a query.

    The same call with its `plan_token` does it.

    The operation begins after `undo_s` seconds, until which it can be cancelled (`DELETE /api/operations/{id}`); files
    that are registered after the plan are never touched. Rights are looked at again for each file.
    """
    digest = digest_of(order.subject())
    keys = KEYS.of(request)
    if order.plan_token is not None:
        confirmed = open_plan(keys, user, order.plan_token, digest=digest)
        async with db.transaction() as tx:
            # What matches a query is looked for when its turn comes.
            named = order.query is None
            planned = (
                await service.plan(tx, member, order, config=config) if named else service.matching(confirmed.total)
            )
            ordered = service.confirmed(
                order,
                member,
                planned,
                operation_id=confirmed.operation_id,
                bound=confirmed.bound,
                subject=user.subject,
            )
            started = await operations.begin(tx, service.BULK, ordered, undo_s=order.undo_s, now=now)
        return json_response(started.model_dump(), status=202)
    if not order.dry_run:
        raise BadFileOrder("Plan first: send this with `dry_run`, then again with the `plan_token` of the answer")
    async with searches.connection(user.subject, is_scan=order.query is not None) as tx:
        planned = await service.plan(tx, member, order, config=config)
    token = seal(keys, user, Plan(uuid7(), digest, planned.bound, planned.count), now=now.timestamp())
    return json_response(
        {
            "count": planned.count,
            "bytes": planned.bytes,
            "directories": len(planned.dir_ids),
            "sample": planned.sample,
            "failed": planned.failed,
            "plan_token": token,
            "expires_in": LIFETIME_S,
            "undo_s": order.undo_s,
        }
    )
