"""What the job log proves afterwards: how many jobs ran behind each limit at any moment, and what was matched twice."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text

from weyl.kit.db import Database
from weyl.task_queues.gates import DIMENSIONS, Rule

ACTIVE = ("Matched", "Running", "Stalled", "Completing")

Where = Callable[[str], tuple[str, str]]
"""Returns the site and the computing element of a pilot by its stamp."""

_LOG = text(
    "SELECT h.at, h.job_id, h.status, h.source = 'Matcher' AS is_match, j.job_type, j.owner_group, j.owner,"
    " p.pilot_stamp FROM job_history h JOIN jobs j USING (job_id)"
    " LEFT JOIN job_pilots p ON h.source = 'Matcher' AND p.job_id = h.job_id AND p.at = h.at"
    " ORDER BY h.history_id"
)
_RUNNING = text(
    "SELECT site, coalesce(ce, '') AS ce, job_type, owner_group, owner, CAST(allocated ->> 'cores' AS integer) AS cores"
    " FROM jobs WHERE status IN ('Matched', 'Running', 'Stalled', 'Completing')"
)
_OUT_OF_QUEUE = text(
    "SELECT job_id FROM jobs j WHERE status = 'Waiting' AND NOT EXISTS"
    " (SELECT FROM queue q WHERE q.job_id = j.job_id AND q.class_id = ANY(j.class_ids))"
)


@dataclass(slots=True)
class Proof:
    """What was found; the lists are empty if all is right."""

    matches: int = 0
    attempts_most: int = 0
    peaks: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By gate, the most that ran there at once, and the limit."""
    exceeded: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    """Jobs that came to run without a match, which no limit could keep out."""


@dataclass(slots=True)
class _Run:
    """One attempt of a job, from its match on, with the gates that it went through and their limits."""

    began: datetime
    gates: list[tuple[str, int]]
    ended: datetime | None = None


async def prove(db: Database, rules: Iterable[Rule], where: Where) -> Proof:
    """Read the runs of each job in the order in which they were written, then go through all of them in time.

    A match is dated after its gates were locked and an end before it is committed, so that the log never shows more at
    once than there was. Of one job the lines are in order, as its row is locked when they are written, but for reports
    that nobody answered: sent again, they are dated before the end of which they tell.
    """
    async with db.read() as tx:
        lines = (await tx.execute(_LOG)).all()
    limited = [rule for rule in rules if rule.max_jobs is not None]
    proof = Proof()
    runs: dict[int, list[_Run]] = {}
    for line in lines:
        mine = runs.setdefault(line.job_id, [])
        is_running = bool(mine) and mine[-1].ended is None
        if line.is_match:
            if is_running:
                proof.twice.append(_told(lines, line.job_id))
            elif mine and mine[-1].ended is not None:
                mine[-1].ended = min(mine[-1].ended, line.at)
            values = dict(zip(DIMENSIONS, (*where(line.pilot_stamp), *line[4:7]), strict=True))
            mine.append(
                _Run(line.at, [(rule.key(values), rule.max_jobs or 0) for rule in limited if rule.applies(values)])
            )
        elif line.status not in ACTIVE:
            if is_running:
                mine[-1].ended = line.at
        elif not is_running and not (mine and mine[-1].ended is not None and line.at <= mine[-1].ended):
            proof.unmatched.append(_told(lines, line.job_id))
    proof.matches = sum(map(len, runs.values()))
    proof.attempts_most = max(map(len, runs.values()), default=0)
    _walk(proof, [run for each in runs.values() for run in each])
    return proof


def _walk(proof: Proof, runs: Sequence[_Run]) -> None:
    """Count what runs behind each gate from change to change; what ends at a moment makes room for what begins."""
    changes = [(run.began, 1, run.gates) for run in runs]
    changes += [(max(run.began, run.ended), -1, run.gates) for run in runs if run.ended is not None]
    counts: Counter[str] = Counter()
    for at, change, gates in sorted(changes, key=lambda each: each[:2]):
        for key, most in gates:
            counts[key] += change
            proof.peaks[key] = max(counts[key], proof.peaks.get(key, (0, 0))[0]), most
            if change > 0 and counts[key] > most:
                proof.exceeded.append(f"{key}: {counts[key]} of {most} at {at}")


def _told(lines: Iterable[Any], job_id: int) -> str:
    mine = [f"{each.at:%H:%M:%S.%f} {each.status}" for each in lines if each.job_id == job_id]
    return f"job {job_id}: {', '.join(mine)}"


async def exceeded_now(db: Database, rules: Iterable[Rule]) -> list[str]:
    """Name the limits that what is committed at this moment exceeds, jobs and cores."""
    async with db.read() as tx:
        running: list[Any] = list((await tx.execute(_RUNNING)).all())
    found = []
    for rule in rules:
        jobs: dict[str, int] = {}
        cores: dict[str, int] = {}
        for job in running:
            values = dict(zip(DIMENSIONS, job[:5], strict=True))
            if rule.applies(values):
                key = rule.key(values)
                jobs[key] = jobs.get(key, 0) + 1
                cores[key] = cores.get(key, 0) + job.cores
        for counted, most in ((jobs, rule.max_jobs), (cores, rule.max_cores)):
            found += [
                f"{key}: {count} of {most}" for key, count in counted.items() if most is not None and count > most
            ]
    return found


async def out_of_queue(db: Database) -> list[int]:
    """Return the jobs that wait without a row in the queue: nobody would ever find them."""
    async with db.read() as tx:
        return list((await tx.execute(_OUT_OF_QUEUE)).scalars())
