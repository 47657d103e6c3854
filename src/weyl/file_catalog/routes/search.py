"""Searches for files and sums of them over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from weyl.config.routes import CurrentConfig
from weyl.file_catalog.models.search import QUERY_BYTES_MAX, FileSearch, FileSummary
from weyl.file_catalog.routes.admission import CurrentMember
from weyl.file_catalog.service import search as service
from weyl.file_catalog.service.search import Page, Searcher, Told
from weyl.kit.errors import BadRequest
from weyl.kit.http import PART, CurrentPage, CurrentSearches, CurrentUser, User, json_response
from weyl.kit.paging import Count, next_link
from weyl.kit.searching import SearchDesk

router = APIRouter(prefix="/api/files", tags=["files"])

PATH = "/api/files/search"
_UNCOUNTED = "counting took too long, so there is no total"

_TOLD: dict[str, Any] = {
    "Weyl-Warning": {"description": "Conditions that no index serves", "schema": {"type": "string"}},
    "Weyl-Incomplete": {"description": "Not all files were looked at", "schema": {"type": "string"}},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "All that match", "headers": _TOLD},
    206: {**PART[206], "headers": {**PART[206]["headers"], **_TOLD}},
}


async def current_searcher(member: CurrentMember, config: CurrentConfig) -> Searcher:
    """Return for whom a search runs, and how long a page may take."""
    return service.searcher_of(member, config)


CurrentSearcher = Annotated[Searcher, Depends(current_searcher)]


@router.post(
    "/search",
    operation_id="files_search",
    response_model=list[dict[str, Any]],
    responses=_ANSWERS,
    max_body_size=QUERY_BYTES_MAX,
)
async def search(
    asked: FileSearch,
    user: CurrentUser,
    searcher: CurrentSearcher,
    *,
    searches: CurrentSearches,
    page: CurrentPage,
) -> Response:
    """Find files by directory, metadata and what every file has; one page at a time, in a bounded time.

    `Link` leads to the next page. Where the time of a page is over it is short, maybe empty, says so in the header
    `Weyl-Incomplete`, and `Link` goes on behind what was looked at. `Prefer: count=exact` tells the number of all.
    """
    async with searches.connection(user.subject, is_scan=service.needs_place(asked)) as tx:
        found = await service.search(tx, searcher, asked, page)
    total = found.listed.total
    warnings = list(found.told.warnings)
    if found.part.is_counted and total is None:
        total = await _total(searches, user, searcher, asked, found)
        warnings += [_UNCOUNTED] if total is None else []
    return _answer(found, total, Told(warnings, found.told.is_incomplete))


async def _total(searches: SearchDesk, user: User, searcher: Searcher, asked: FileSearch, found: Page) -> int | None:
    """Return how many files match in all; None if that cannot be told in time: the page is not lost for it."""
    rows = len(found.listed.rows)
    if found.listed.following is None and found.part.cursor is None and (rows or not found.part.first):
        return found.part.first + rows
    how = found.part.count or Count.NONE
    try:
        async with searches.connection(user.subject, is_scan=how is Count.EXACT) as tx:
            return await service.count(tx, searcher, asked, how)
    except BadRequest:
        return None


def _answer(found: Page, total: int | None, told: Told) -> Response:
    listed, part = found.listed, found.part
    headers = {**told_headers(told), "Preference-Applied": f"count={(part.count or Count.NONE).value}"}
    if listed.following is not None:
        headers["Link"] = next_link(PATH, listed.following, {"per_page": part.size})
    shown = "*" if total is None else total
    if not listed.rows:
        is_behind = part.cursor is None and part.first > 0 and listed.following is None
        bounds = {"Content-Range": f"files */{shown}"} if is_behind else {}
        return json_response([], status=416 if is_behind else 200, headers={**headers, **bounds})
    if not part.first and listed.following is None:
        return json_response(listed.rows, headers=headers)
    last = part.first + len(listed.rows) - 1
    return json_response(
        listed.rows, status=206, headers={**headers, "Content-Range": f"files {part.first}-{last}/{shown}"}
    )


def told_headers(told: Told) -> dict[str, str]:
    """Return the headers that say what must be told beside an answer."""
    headers = {"Weyl-Warning": "; ".join(told.warnings)} if told.warnings else {}
    return {**headers, "Weyl-Incomplete": "true"} if told.is_incomplete else headers


@router.post(
    "/summary", operation_id="files_summary", response_model=list[dict[str, Any]], max_body_size=QUERY_BYTES_MAX
)
async def summary(
    asked: FileSummary, user: CurrentUser, searcher: CurrentSearcher, *, searches: CurrentSearches
) -> Response:
    """Count files and add up their sizes, and those of all their replicas, by at most three parameters.

    At most 100,000 files are looked at; if there are more, the header `Weyl-Incomplete` says so.
    """
    async with searches.connection(user.subject, is_scan=True) as tx:
        sums, told = await service.summarise(tx, searcher, asked)
    return json_response(sums, headers=told_headers(told))
