"""Searches and summaries of jobs over HTTP."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from fastapi import APIRouter, Response

from weyl.config.models import Config
from weyl.config.routes import CurrentConfig
from weyl.jobs.permits import JobScope
from weyl.jobs.policy import may_search
from weyl.jobs.service import search as service
from weyl.jobs.states import STATUSES
from weyl.kit.http import PART, CurrentPage, CurrentSearches, CurrentUser, User, json_response, list_response
from weyl.kit.paging import Count
from weyl.kit.search import SearchParams, SearchSpec, SummaryParams, unknown_values

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

REMARKS_MAX = 3


def scope_of(user: User, config: Config) -> JobScope:
    """Return which jobs a person sees in lists: those of the VO, or their own where the VO says so."""
    operations = config.operations.get(user.vo)
    return may_search(user, global_jobs_info=operations is None or operations.services.job_monitoring.global_jobs_info)


@router.post("/search", operation_id="jobs_search", response_model=list[dict[str, Any]], responses=PART)
async def search(
    user: CurrentUser,
    config: CurrentConfig,
    searches: CurrentSearches,
    asked: CurrentPage,
    params: SearchParams | None = None,
) -> Response:
    """Find jobs by any of their columns; one page at a time."""
    scope = scope_of(user, config)
    params = params or SearchParams()
    part = asked.part(service.order_of(params), distinct=params.distinct)
    is_scan = part.count is Count.EXACT or service.search_may_scan(params)
    async with searches.connection(user.subject, is_scan=is_scan) as tx:
        found = await service.search(tx, params, scope=scope, part=part)
    return _with_remarks(list_response(found, part, path="/api/jobs/search", unit="jobs"), params.search)


@router.post("/summary", operation_id="jobs_summary")
async def summary(user: CurrentUser, config: CurrentConfig, searches: CurrentSearches, params: SummaryParams) -> Any:
    """Count jobs by any of their columns."""
    scope = scope_of(user, config)
    async with searches.connection(user.subject, is_scan=service.summary_may_scan(params)) as tx:
        counts = await service.summarise(tx, params, scope=scope)
    return _with_remarks(json_response(counts), params.search)


def _with_remarks(response: Response, search: Sequence[SearchSpec]) -> Response:
    """Say of a filter for a status that there is not why nothing matches: the contract answers it like any other."""
    remarks = [f"{fault} {hint}" for fault, hint in islice(unknown_values(search, {"Status": STATUSES}), REMARKS_MAX)]
    if remarks:
        response.headers["Weyl-Warning"] = " ".join(remarks)
    return response
