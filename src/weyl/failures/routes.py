"""Failures that are alike over HTTP, and what people say of them."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from weyl.config.routes import CurrentConfig
from weyl.failures import service
from weyl.failures.clusters import Asked
from weyl.failures.models import Failures, NoteOrder
from weyl.failures.policy import may_annotate
from weyl.jobs.routes.search import scope_of
from weyl.kit.http import CurrentUser, Now, ReadTx, WriteTx

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

Signature = Annotated[str, Path(max_length=16, pattern="^[0-9a-f]{16}$", description="As a cluster has it")]


@router.get("/failures", operation_id="jobs_get_failures")
async def get_failures(
    user: CurrentUser,
    config: CurrentConfig,
    tx: ReadTx,
    *,
    since: Annotated[
        datetime | None,
        Query(
            description="By default a day ago; more than ten days ago: from that day's start in UTC; 90 days are kept"
        ),
    ] = None,
    by: Annotated[Literal["site", "owner"], Query(description="What `split` tells apart")] = "site",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    signature: Annotated[
        str | None, Query(max_length=16, pattern="^[0-9a-f]{16}$", description="Only failures of this kind")
    ] = None,
    new: Annotated[
        bool, Query(description="Only kinds of which there were none in a time as long, just before")
    ] = False,
    now: Now,
) -> Failures:
    """Answer with the most frequent kinds of failures since a time: how many, where, whose, and whether it is new."""
    scope = scope_of(user, config)
    asked = Asked(since=since, by=by, limit=limit, signature=signature, only_new=new)
    return await service.clusters(tx, scope, asked, now=now)


@router.put("/failures/{signature}/note", operation_id="jobs_annotate_failure", status_code=204)
async def annotate_failure(
    signature: Signature, order: NoteOrder, user: CurrentUser, tx: WriteTx, now: Now
) -> Response:
    """Say what is known of a kind of failure, to everybody in your VO; an empty note takes back what was said."""
    await service.annotate(tx, may_annotate(user), signature, order, now=now)
    return Response(status_code=204)
