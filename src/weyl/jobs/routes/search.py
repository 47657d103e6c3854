"""Searches and summaries of jobs over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from weyl.config.models import Config
from weyl.config.routes import CurrentConfig
from weyl.jobs.permits import Scope
from weyl.jobs.policy import may_search
from weyl.jobs.service import search as service
from weyl.kit.http import CurrentSearches, CurrentUser, User, json_response, page_response
from weyl.kit.search import PER_PAGE_MAX, SearchParams, SummaryParams

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

_PART: dict[int | str, dict[str, Any]] = {
    206: {
        "description": "A part of the matching jobs",
        "model": list[dict[str, Any]],
        "headers": {"Content-Range": {"description": "Which part", "schema": {"type": "string"}}},
    }
}


def _scope(user: User, config: Config) -> Scope:
    operations = config.operations.get(user.vo)
    return may_search(user, global_jobs_info=operations is None or operations.services.job_monitoring.global_jobs_info)


@router.post("/search", operation_id="jobs_search", response_model=list[dict[str, Any]], responses=_PART)
async def search(
    user: CurrentUser,
    config: CurrentConfig,
    searches: CurrentSearches,
    params: SearchParams | None = None,
    page: Annotated[int, Query(ge=1)] = 1,
    per_page: Annotated[int, Query(ge=1, le=PER_PAGE_MAX)] = 100,
) -> Response:
    """Find jobs by any of their columns; one page at a time."""
    scope = _scope(user, config)
    params = params or SearchParams()
    async with searches.connection(user.subject, is_scan=service.search_may_scan(params)) as tx:
        found = await service.search(tx, params, scope=scope, page=page, per_page=per_page)
    return page_response(found.rows, page=page, per_page=per_page, total=found.total, unit="jobs")


@router.post("/summary", operation_id="jobs_summary")
async def summary(user: CurrentUser, config: CurrentConfig, searches: CurrentSearches, params: SummaryParams) -> Any:
    """Count jobs by any of their columns."""
    scope = _scope(user, config)
    async with searches.connection(user.subject, is_scan=service.summary_may_scan(params)) as tx:
        counts = await service.summarise(tx, params, scope=scope)
    return json_response(counts)
