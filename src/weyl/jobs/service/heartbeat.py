"""Heartbeats: signs of life are stored, stalled jobs live again, and waiting commands are handed out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from weyl.jobs.models.heartbeat import HeartbeatData
from weyl.jobs.permits import Managed
from weyl.jobs.queries import commands as command_queries
from weyl.jobs.queries import heartbeat as queries
from weyl.jobs.queries import status as status_queries
from weyl.jobs.queries.commands import Command
from weyl.jobs.states import Change, Report, merge, not_late
from weyl.kit import json
from weyl.kit.db import Tx

SOURCE = "Heartbeat"
# A heartbeat of a job in one of these proves that it runs.
AWAKENED = frozenset({"Matched", "Stalled"})
STANDARD_OUTPUT, STANDARD_ERROR = "StandardOutput", "StandardError"


@dataclass(frozen=True, slots=True)
class HeartbeatRequest:
    """The signs of life that one caller brings."""

    permit: Managed
    data: Mapping[int, HeartbeatData]
    now: datetime


async def add_heartbeats(tx: Tx, requests: Sequence[HeartbeatRequest]) -> list[list[Command]]:
    """Store the heartbeats of several callers and give each the commands that wait for its runs, once."""
    now = max(request.now for request in requests)
    beats = [
        (job_id, stamp, request.data[job_id])
        for request in requests
        for job_id, stamp in request.permit.current().items()
        if job_id in request.data
    ]
    if beats:
        rows = await status_queries.lock_jobs(tx, {job_id for job_id, _, _ in beats})
        # A run that was given up since it was admitted is no sign of life of the next.
        current = [
            (job_id, data) for job_id, stamp, data in beats if job_id in rows and rows[job_id].pilot_stamp == stamp
        ]
        await _note_life(tx, {job_id: rows[job_id] for job_id, _ in current}, now)
        await _store(tx, current, now)
    return await _deliver(tx, requests, now)


async def _note_life(tx: Tx, rows: Mapping[int, status_queries.Locked], now: datetime) -> None:
    awakened = {job_id: row for job_id, row in rows.items() if row.status in AWAKENED}
    others = [job_id for job_id in rows if job_id not in awakened]
    if others:
        await status_queries.update_heart_beat_times(tx, others, now)
    if awakened:
        changes = await _running(tx, awakened, now)
        await status_queries.update_jobs(tx, changes)
        await status_queries.insert_history(
            tx, [(job_id, record) for job_id, change in changes.items() for record in change.history]
        )


async def _running(tx: Tx, rows: Mapping[int, status_queries.Locked], now: datetime) -> dict[int, Change]:
    states = await status_queries.select_states(tx, rows)
    changes = {}
    for job_id, state in states.items():
        changes[job_id] = merge(state, not_late(state, [Report(now, status="Running", source=SOURCE)]), now)
        changes[job_id].heart_beat_time = now
    return changes


async def _store(tx: Tx, beats: Sequence[tuple[int, HeartbeatData]], now: datetime) -> None:
    figures = [(job_id, data.model_dump(include=set(queries.FIGURES), exclude_none=True)) for job_id, data in beats]
    measured = [(job_id, values) for job_id, values in figures if values]
    if measured:
        await queries.insert_heartbeats(tx, measured, now)
    await queries.upsert_parameters(
        tx,
        (
            (job_id, name, json.dumps_text(value))
            for job_id, data in beats
            for name, value in ((STANDARD_OUTPUT, data.standard_output), (STANDARD_ERROR, data.standard_error))
            if value is not None
        ),
    )


async def _deliver(tx: Tx, requests: Sequence[HeartbeatRequest], now: datetime) -> list[list[Command]]:
    """Hand out commands; of two callers that speak for different runs of one job, the second gets its own next time."""
    answers: list[list[Command]] = [[] for _ in requests]
    takers: dict[int, int] = {}
    runs: dict[int, str | None] = {}
    for index, request in enumerate(requests):
        for job_id in request.data:
            stamp = request.permit.runs.get(job_id)
            if job_id in request.permit.runs and runs.setdefault(job_id, stamp) == stamp:
                takers.setdefault(job_id, index)
    if runs:
        for command in await command_queries.deliver(tx, runs, now):
            answers[takers[command["job_id"]]].append(command)
    return answers
