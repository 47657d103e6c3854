"""Accounting over HTTP: sums of what was used, and the records themselves."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from weyl.accounting import queries, service
from weyl.accounting.models import (
    Activity,
    JobReport,
    JobSeries,
    JobSums,
    PilotReport,
    PilotSeries,
    PilotSums,
    Series,
)
from weyl.accounting.policy import may_see_activity, may_see_jobs, may_see_pilots
from weyl.accounting.series import JOB_VALUES, PILOT_VALUES
from weyl.kit.http import JSON, CurrentDatabase, CurrentUser, Now, ReadTx

router = APIRouter(prefix="/api/accounting", tags=["accounting"])

CSV = "text/csv; charset=utf-8"
Form = Annotated[Literal["json", "csv"], Query(alias="format")]
_CSV_TOO: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
_CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "The records", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.post("/jobs/report", operation_id="accounting_report_jobs")
async def report_jobs(asked: JobReport, user: CurrentUser, tx: ReadTx) -> list[JobSums]:
    """Sum up the jobs that ended in a period: your own, or, for those who watch over it, all of your VO."""
    return await service.report_jobs(tx, may_see_jobs(user), asked)


@router.post("/pilots/report", operation_id="accounting_report_pilots")
async def report_pilots(asked: PilotReport, user: CurrentUser, tx: ReadTx) -> list[PilotSums]:
    """Sum up the pilots of your VO that ended in a period."""
    return await service.report_pilots(tx, may_see_pilots(user), asked)


@router.get("/activity", operation_id="accounting_get_activity")
async def get_activity(user: CurrentUser, tx: ReadTx, now: Now) -> Activity:
    """Answer with the last day of your VO: jobs that ran, waited and failed, pilots, and cores in use."""
    return await service.activity(tx, may_see_activity(user), now=now)


def _plotted(plotted: Series, form: str) -> Response:
    if form == "csv":
        return Response(service.series_csv(plotted), media_type=CSV)
    return Response(plotted.model_dump_json(), media_type=JSON)


@router.post("/jobs/series", operation_id="accounting_plot_jobs", response_model=Series, responses=_CSV_TOO)
async def plot_jobs(asked: JobSeries, user: CurrentUser, tx: ReadTx, form: Form = "json") -> Response:
    """Answer with a value of jobs that ended over time, for a plot: your own, or those of your VO."""
    scope = may_see_jobs(user)
    return _plotted(await service.plot(tx, scope, queries.JOBS, JOB_VALUES, asked), form)


@router.post("/pilots/series", operation_id="accounting_plot_pilots", response_model=Series, responses=_CSV_TOO)
async def plot_pilots(asked: PilotSeries, user: CurrentUser, tx: ReadTx, form: Form = "json") -> Response:
    """Answer with a value of the pilots of your VO that ended over time, for a plot."""
    scope = may_see_pilots(user)
    return _plotted(await service.plot(tx, scope, queries.PILOTS, PILOT_VALUES, asked), form)


@router.get(
    "/jobs/records", operation_id="accounting_export_jobs", response_class=StreamingResponse, responses=_CSV_ANSWER
)
async def export_jobs(start: datetime, end: datetime, user: CurrentUser, db: CurrentDatabase) -> Response:
    """Stream a record for each run of a job that ended in a period, as CSV."""
    scope, period = may_see_jobs(user), service.period_of(start, end)
    return StreamingResponse(service.export(db, scope, queries.JOBS, period=period), media_type=CSV)


@router.get(
    "/pilots/records", operation_id="accounting_export_pilots", response_class=StreamingResponse, responses=_CSV_ANSWER
)
async def export_pilots(start: datetime, end: datetime, user: CurrentUser, db: CurrentDatabase) -> Response:
    """Stream a record for each pilot that ended in a period, as CSV."""
    scope, period = may_see_pilots(user), service.period_of(start, end)
    return StreamingResponse(service.export(db, scope, queries.PILOTS, period=period), media_type=CSV)
