"""What the job log proves afterwards: how many jobs ran behind each limit at any moment, and what was matched twice."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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
    " ORDER BY h.at, h.history_id"
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


async def prove(db: Database, rules: Iterable[Rule], where: Where) -> Proof:
    """Walk through the log in the order of its times.

    A match is dated after its gates were locked and an end before it is committed, so that the log never shows more at
    once than there was.
    """
    async with db.read() as tx:
        lines = (await tx.execute(_LOG)).all()
    limited = [rule for rule in rules if rule.max_jobs is not None]
    proof, counts = Proof(), {}
    active: dict[int, list[str]] = {}
    attempts: dict[int, int] = {}
    for line in lines:
        if line.is_match:
            if line.job_id in active:
                proof.twice.append(_told(lines, line.job_id))
                continue
            values = dict(zip(DIMENSIONS, (*where(line.pilot_stamp), *line[4:7]), strict=True))
            gates = [(rule.key(values), rule.max_jobs or 0) for rule in limited if rule.applies(values)]
            active[line.job_id] = [key for key, _ in gates]
            attempts[line.job_id] = attempts.get(line.job_id, 0) + 1
            proof.matches += 1
            for key, most in gates:
                counts[key] = counts.get(key, 0) + 1
                proof.peaks[key] = max(counts[key], proof.peaks.get(key, (0, 0))[0]), most
                if counts[key] > most:
                    proof.exceeded.append(f"{key}: {counts[key]} of {most} at {line.at}")
        elif line.status not in ACTIVE:
            for key in active.pop(line.job_id, ()):
                counts[key] -= 1
        elif line.job_id not in active:
            proof.unmatched.append(_told(lines, line.job_id))
    proof.attempts_most = max(attempts.values(), default=0)
    return proof


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
