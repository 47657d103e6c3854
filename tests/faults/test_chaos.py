"""Parts are killed at random while jobs start, run and end: what started is recorded, and nothing starts twice.

Errors of hosts are not retried here. Each payload writes a line into a file outside the system when it starts.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.executions import Executions
from tests.faults.installation import FaultyStack, Member, await_that
from tests.faults.test_kill import ended
from weyl.jobs.starts import MAY_HAVE_STARTED
from weyl.pilots.service.registry import NOT_RUNNING
from weyl_pilot.starts import STARTS, read_starts

pytestmark = [pytest.mark.xdist_group("fault-chaos")]

RUNS_ONCE = True
UNREPORTED = "unreported"
"""The pilot is killed after a payload that began and ended while the database was away."""
VICTIMS = ("pilot", "worker", "server", "postgresql", UNREPORTED)
SEED = 12


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """The file with a line for each payload that started."""
    file = tmp_path / "starts"
    file.touch()
    return file


@pytest.fixture
def executions(starts: Path) -> Iterator[Executions]:
    """The payloads of one test."""
    with Executions(starts) as counting:
        yield counting


@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(60, 5, marks=pytest.mark.timeout(600)),
        pytest.param(300, 20, marks=[pytest.mark.long, pytest.mark.timeout(2400)]),
    ],
)
def test_what_started_is_recorded_and_nothing_starts_twice(
    stack: FaultyStack, alice: Member, executions: Executions, starts: Path, jobs: int, kills: int
) -> None:
    name = f"chaos{jobs}"
    sizes = [jobs // (kills + 1) + (number < jobs % (kills + 1)) for number in range(kills + 1)]
    batches = [f"{name}b{number}" for number in range(kills + 1)]
    ids = alice.submit(executions.jdl(batches[0], jobs=sizes[0]), batches[0])
    # What is killed here starts again in this thread: the kernel ends programs with the thread that started them.
    with ThreadPoolExecutor(1) as pool:
        for number, victim in enumerate(deck(kills), start=1):
            half = sum(sizes[:number]) - sizes[number - 1] // 2
            await_that(partial(have_begun, executions, name, half), f"{half} payloads begun", explain=stack.pilots)
            batch = executions.jdl(batches[number], jobs=sizes[number])
            submission = pool.submit(alice.submit, batch, batches[number])
            strike(stack, executions, victim)
            ids += submission.result()
    await_that(lambda: ended(alice, ids), "every job over", timeout_s=400, explain=lambda: unfinished(alice, ids))

    found = {job["JobID"]: job for job in alice.jobs(ids)}
    assert len(found) == len(set(ids)) == jobs == sum(alice.count(batch) for batch in batches)
    lines = Counter(starts.read_text().split())
    assert [payload for payload, times in lines.items() if times > 1] == []
    assert {job["RescheduleCounter"] for job in found.values()} == {0}
    check_record(found, lines, noted_starts(stack, found))


def check_record(found: Mapping[int, dict[str, Any]], lines: Counter[str], noted: Counter[int]) -> None:
    """Compare what the server recorded with what payloads and pilots wrote down."""
    done = {job_id for job_id, job in found.items() if job["Status"] == "Done"}
    lost = {job_id for job_id, job in found.items() if job["MinorStatus"] in (NOT_RUNNING, MAY_HAVE_STARTED)}
    assert done | lost == found.keys(), [job for job_id, job in found.items() if job_id not in done | lost]
    started = {job_id for job_id, job in found.items() if job["JobName"] in lines}
    print(f"{len(found)} jobs: {len(started)} started, {len(done)} Done, {len(lost)} lost with their pilots")
    assert noted == dict.fromkeys(done | lost, 1)
    # Only a payload that died with its pilot before its first line has left none.
    assert done <= started <= done | lost


def deck(kills: int) -> list[str]:
    """Return the victims in an order by chance, each as often as the others."""
    chance = random.Random(SEED)
    rounds = [chance.sample(VICTIMS, len(VICTIMS)) for _ in range(-(-kills // len(VICTIMS)))]
    return [victim for each in rounds for victim in each][:kills]


def strike(stack: FaultyStack, executions: Executions, victim: str) -> None:
    """Kill one part now, or the pilot as soon as it has a payload that it could not report."""
    if victim == UNREPORTED:
        kill_with_an_unreported_end(stack, executions)
    else:
        stack.kill(victim)


def kill_with_an_unreported_end(stack: FaultyStack, executions: Executions) -> None:
    """Take the database away when a payload begins, and kill the pilot when it has ended."""
    begun: list[str] = []

    def cut_off(word: str, payload: str) -> None:
        if word == "begin" and not begun:
            begun.append(payload)
            stack.postgres_link.play("reset")

    # Each answer half a second late: the report of the start is far from committed when the payload has begun.
    with stack.postgres_link.fault("delay"):
        executions.on_word = cut_off
        await_that(lambda: bool(begun) and begun[0] in executions.counts("end", begun[0]), "an unreported end")
        executions.on_word = None
        stack.kill("pilot")


def have_begun(executions: Executions, name: str, count: int) -> bool:
    """Tell whether so many payloads have begun."""
    return len(executions.counts("begin", name)) >= count


def unfinished(member: Member, ids: list[int]) -> list[dict[str, Any]]:
    """Return the jobs that have not ended."""
    return [job for job in member.jobs(ids) if job["Status"] not in ("Done", "Failed", "Killed")]


def noted_starts(stack: FaultyStack, found: Mapping[int, object]) -> Counter[int]:
    """Count in how many pilots' files each of these jobs stands."""
    noted: Counter[int] = Counter()
    for file in stack.files.pilots.rglob(STARTS):
        noted.update(job_id for job_id in read_starts(file.read_bytes()) or () if job_id in found)
    return noted
