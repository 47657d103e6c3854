"""Job groups over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from weyl.config.routes import CurrentConfig
from weyl.jobs.models.search import GroupSearch, JobGroupRow
from weyl.jobs.routes.search import scope_of
from weyl.jobs.service import groups as service
from weyl.kit.http import PART, CurrentSearches, CurrentUser, Now, page_response
from weyl.kit.search import PER_PAGE_MAX

router = APIRouter(prefix="/api/jobs/groups", tags=["jobs"])


@router.post("/search", operation_id="jobs_search_groups", response_model=list[JobGroupRow], responses=PART)
async def search(
    user: CurrentUser,
    config: CurrentConfig,
    searches: CurrentSearches,
    now: Now,
    asked: GroupSearch | None = None,
    page: Annotated[int, Query(ge=1)] = 1,
    per_page: Annotated[int, Query(ge=1, le=PER_PAGE_MAX)] = 100,
) -> Response:
    """List job groups with how far each is, one page at a time; the group of the newest job comes first."""
    asked = asked or GroupSearch()
    scope = scope_of(user, config)
    async with searches.connection(user.subject, is_scan=service.may_scan(asked.search)) as tx:
        found = await service.search(tx, asked.search, scope=scope, page=page, per_page=per_page, now=now)
    return page_response(found.rows, page=page, per_page=per_page, total=found.total, unit="groups")
