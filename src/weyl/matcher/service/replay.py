"""Answers to questions that another server process, or this one before a restart, has answered already."""

from datetime import datetime, timedelta

from weyl.jobs.queries.checks import select_documents
from weyl.kit.db import Database
from weyl.kit.json import Document
from weyl.matcher.errors import RequestRepeated
from weyl.matcher.models import TOKENS_INLINE_MAX, Allocated, MatchAnswer, MatchedJob, Miss, PayloadLimits
from weyl.matcher.planning import Attempt
from weyl.matcher.queries import claims as queries
from weyl.matcher.service.answers import RETRY_BUSY_S, JobTokens, identity, work_of
from weyl.matcher.work_forms import WorkForms
from weyl.task_queues.queries.classes import select_classes

UNHEARD = "Matched"
"""The status of a job whose pilot has not spoken for it yet: what has moved on is not handed out again."""


class Replay:
    """Puts an earlier answer together again from what was kept of it."""

    def __init__(self, db: Database, tokens: JobTokens) -> None:
        self._db = db
        self._tokens = tokens

    async def knows(self, attempt: Attempt) -> bool:
        """Say whether a question was answered before; one that gets jobs now is told by its claim."""
        if attempt.request_id is None:
            return False
        async with self._db.read() as tx:
            return await queries.has_request(tx, stamp=attempt.stamp, request_id=attempt.request_id)

    async def answer(self, stamp: str, request_id: str, now: datetime, kept_for: timedelta) -> MatchAnswer:
        """Return the jobs of the earlier answer that are still the pilot's and not started."""
        async with self._db.transaction() as tx:
            kept = await queries.select_request(tx, stamp=stamp, request_id=request_id, since=now - kept_for)
            if kept is None:
                raise RequestRepeated(f"The request {request_id} was answered too long ago: ask with a new request_id")
            rows = await queries.select_bound(tx, stamp=stamp, job_ids=[job["job_id"] for job in kept])
            unheard = {row.job_id: row for row in rows if row.status == UNHEARD}
            documents = await select_documents(tx, sorted({row.description_id for row in unheard.values()}))
            classes = await select_classes(tx, sorted({job["class_id"] for job in kept}))
        forms = {row.description_id: WorkForms(documents.get(row.description_id, {})) for row in unheard.values()}
        made = (
            self._job(job, unheard[job["job_id"]], forms, stamp=stamp, now=now)
            for job in kept
            if job["job_id"] in unheard
        )
        jobs = [job for job in made if job is not None]
        if len(jobs) > TOKENS_INLINE_MAX:
            jobs = [job.model_copy(update={"token": None}) for job in jobs]
        miss = None if jobs else Miss(condition="busy", retry_after_s=RETRY_BUSY_S)
        return MatchAnswer(jobs=jobs, classes=classes if jobs else {}, miss=miss, action="continue")

    def _job(
        self, kept: Document, row: queries.BoundJob, forms: dict[int, WorkForms], *, stamp: str, now: datetime
    ) -> MatchedJob | None:
        work = work_of(row, forms[row.description_id])
        if work is None:
            return None
        return MatchedJob(
            job_id=row.job_id,
            class_id=kept["class_id"],
            allocated=Allocated.model_validate(kept["allocated"]),
            limits=PayloadLimits.model_validate(kept["limits"]),
            work=work,
            token=self._tokens.token(identity(row, stamp), now).access_token,
        )
