"""Failures that are alike: what they are, where and since when, and what people say of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from weyl.config.models import Config
from weyl.descriptions.overrides import Overrides
from weyl.failures import queries
from weyl.failures.clusters import TOP, Asked, clusters_of, window_of
from weyl.failures.cures import cure_of
from weyl.failures.errors import FailureNotFound
from weyl.failures.exits import meaning_of
from weyl.failures.models import (
    EarlierRun,
    Elsewhere,
    FailureCluster,
    FailureExplained,
    Failures,
    HostHistory,
    NoteOrder,
)
from weyl.failures.policy import Annotator
from weyl.jobs.permits import JobScope, Readable
from weyl.jobs.retries import ErrorClass, FailedRun, error_class_of, why_not
from weyl.jobs.states import OUTPUTS_LOST
from weyl.kit.db import Tx
from weyl.kit.errors import BadRequest
from weyl.task_queues.health import Health, standing_of

KEPT_DAYS = 90
SINCE_DEFAULT = timedelta(days=1)


async def clusters(tx: Tx, scope: JobScope, asked: Asked, *, now: datetime) -> Failures:
    """Return the most frequent kinds of failures, or one kind, since a time, by default of the last day."""
    since = asked.since or now - SINCE_DEFAULT
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    if since > now:
        raise BadRequest("`since` lies in the future: give a time that has been")
    window = window_of(max(since, now - timedelta(days=KEPT_DAYS)), now)
    tallies = await queries.select_tallies(tx, scope, window, asked)
    keys = sorted({(each.vo, each.signature) for each in tallies})
    said = await queries.select_said(tx, keys) if keys else {}
    shown = {key: _shown(row, scope) for key, row in said.items()}
    return Failures(
        since=window.start,
        until=window.end,
        bucket_s=int(window.bucket.total_seconds()),
        clusters=[_with_cure(each) for each in clusters_of(tallies, shown, window, by=asked.by)],
    )


def _with_cure(cluster: Mapping[str, Any]) -> FailureCluster:
    known = cure_of(cluster["text"])
    cured = {"cause": None, "cure": None} if known is None else {"cause": known.cause, "cure": known.cure}
    return FailureCluster.model_validate({**cluster, **cured})


async def explain(
    tx: Tx, permit: Readable, job_id: int, *, scope: JobScope | None, config: Config, now: datetime
) -> FailureExplained | None:
    """Return what is known of the failure of a job: where else it is seen, its exit code, its host, why it stays.

    `scope` is what the reader sees of other jobs; None: of none. A job that has not failed has no failure.
    """
    row = await queries.select_failed_job(tx, permit.one(job_id))
    if row is None:
        return None
    name, key = row.signature, (row.vo, row.signature)
    elsewhere = note = None
    if scope is not None:
        said = _shown((await queries.select_said(tx, [key]))[key], scope)
        since = now - SINCE_DEFAULT
        places = await queries.select_places(tx, row.vo, name, since=since, owner=scope.owner)
        elsewhere, note = _elsewhere(places, said), said["note"]
    error_class, exit_code = _read_class(row), _whole(row.exit_code)
    known = cure_of(row.text, exit_code=exit_code, is_workflow=row.is_workflow)
    return FailureExplained(
        signature=name,
        text=row.text,
        minor_status=row.minor_status,
        application_status=None if row.application_status in ("", "Unknown") else row.application_status,
        elsewhere=elsewhere,
        error_class=error_class,
        exit_code=exit_code,
        exit_meaning=None if exit_code is None else meaning_of(exit_code, is_workflow=row.is_workflow).cause,
        cause=known.cause if known else None,
        cure=known.cure if known else None,
        cure_action=known.action if known else None,
        host=_host(row, now),
        retry=_why_not(row, error_class, exit_code, config),
        reruns=row.reruns,
        earlier=[EarlierRun.model_validate(each) for each in row.earlier or ()],
        note=note,
    )


def _elsewhere(places: Sequence[tuple[str, str, int]], said: Mapping[str, Any]) -> Elsewhere:
    sites: Counter[str] = Counter()
    users: Counter[str] = Counter()
    for site, owner, count in places:
        sites[site] += count
        users[owner] += count
    first = said.get("first_seen")
    return Elsewhere(
        count=sites.total(), sites=dict(sites.most_common(TOP)), users=dict(users.most_common(TOP)), first_seen=first
    )


def _read_class(row: queries.FailedJob) -> ErrorClass | None:
    """Return the class that the wrapper has named; jobs that the server has failed have none to name it."""
    named = error_class_of(row.error_class) if isinstance(row.error_class, str) else None
    if row.minor_status == OUTPUTS_LOST[0]:
        return ErrorClass.OUTPUT_UPLOAD
    return ErrorClass.PILOT if named is None and row.minor_status.startswith("Job stalled") else named


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _host(row: queries.FailedJob, now: datetime) -> HostHistory | None:
    if not row.host:
        return None
    score = None if row.score is None or row.at is None else Health(row.score, row.at).now(now)
    standing = None if score is None else standing_of(score).value
    return HostHistory(site=row.site, host=row.host, score=score, standing=standing, reason=row.reason or None)


def _why_not(row: queries.FailedJob, error_class: ErrorClass | None, exit_code: int | None, config: Config) -> str:
    operations = config.operations.get(row.vo)
    if error_class is None or operations is None:
        return "The cause is not known, so it was not retried"
    run = FailedRun(
        error_class,
        job_type=row.job_type,
        counter=row.reschedule_counter,
        overrides=Overrides.read(row.overrides),
        site=row.site,
        host=row.host,
        memory_mb=row.ram_mb or 0,
        exit_code=exit_code,
    )
    reschedulings_max = operations.services.job_scheduling.max_rescheduling
    return why_not(run, operations.matching.retry, reschedulings_max=reschedulings_max)


def _shown(row: queries.Said, scope: JobScope) -> dict[str, Any]:
    """Leave out what another user's job said, for those who see their own only."""
    note = None
    if row.note is not None:
        note = {"note": row.note, "link": row.link, "author": row.author, "at": row.at}
    hidden = {} if scope.owner is None else {"example": "", "job_id": None, "first_seen": None}
    return {**row._asdict(), **hidden, "note": note}


async def annotate(tx: Tx, permit: Annotator, name: str, order: NoteOrder, *, now: datetime) -> None:
    """Say something of a kind of failure, for everybody in the VO; 404 if the VO has none of it."""
    known = await queries.select_said(tx, [(permit.vo, name)])
    if known[permit.vo, name].text is None:
        raise FailureNotFound(f"Your VO has no failures with the signature {name}")
    if not order.note:
        await queries.delete_note(tx, permit.vo, name)
        return
    values = {"vo": permit.vo, "signature": name, "note": order.note, "link": order.link}
    await queries.upsert_note(tx, {**values, "author": permit.author, "at": now})
