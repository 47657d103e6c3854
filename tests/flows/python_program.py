"""A program of a scientist, with what it expects; run by `test_golden` against a whole system."""

import asyncio
import os
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

import weyl
from weyl import aio

LOCAL = """
class Odd(ValueError):
    pass

def checked(number):
    if number == 3:
        raise Odd(f"{number} is odd")
    return number * 10
"""


def die() -> None:
    """End the process that would leave the answers."""
    os._exit(9)


def commands() -> None:
    """Jobs of a command: one set for a key, waited for, fetched, explained, ended."""
    words = "/bin/sh -c 'echo seed {seed} $0 > {seed}.txt; test {seed} != 2'"
    jobs = weyl.submit(words, seed=range(1, 4), tag="x", output="*.txt", group="python", key="python-1")
    assert weyl.submit(words, seed=range(1, 4), tag="x", output="*.txt", group="python", key="python-1") == jobs
    ended = [job.id for job in jobs.as_completed(timeout=300)]
    assert sorted(ended) == jobs.ids
    assert jobs.wait(timeout=60).status() == {"Done": 2, "Failed": 1}
    assert jobs.failed().ids == [jobs.ids[1]]
    files = jobs.fetch("fetched")
    assert Path("fetched", str(jobs.ids[0]), "1.txt").read_text() == "seed 1 x\n"
    assert Path("fetched", str(jobs.ids[0]), "1.txt") in files[jobs.ids[0]]
    assert jobs[2].outputs()["3.txt"] == len("seed 3 x\n")
    assert "exit code 1" in str(jobs[1].why()).lower() or "Status 1" in str(jobs[1].why())
    assert weyl.Jobs.of_group("python") == jobs
    assert weyl.Jobs.where("JobGroup = python and Status = Failed").ids == jobs.failed().ids
    long = weyl.submit("sleep 300")
    with pytest.raises(weyl.WaitTimeout):
        long.wait(timeout=1)
    assert long.kill() == long.ids
    assert long.kill() == []


def calls() -> None:
    """Functions in jobs: what comes back, what is given up, what is lost; and a Python that no node has."""
    Path("beside.py").write_text(LOCAL)
    sys.path.insert(0, str(Path.cwd()))
    import beside  # type: ignore[import-not-found]

    found = weyl.map(beside.checked, range(6), chunksize=3)
    with pytest.raises(weyl.MapFailed) as failed:
        found.results()
    cause = failed.value.errors.pop(3)
    assert failed.value.errors == {}
    assert isinstance(cause, beside.Odd)
    assert "in checked" in str(cause.__cause__)
    values = [each if isinstance(each, int) else None for each in found.results(errors="return")]
    assert values == [0, 10, 20, None, 40, 50]
    with weyl.Executor() as pool:
        lost, slow, good = pool.submit(die), pool.submit(time.sleep, 300), pool.submit(pow, 2, 10)
        with pytest.raises(weyl.JobLost) as caught:
            lost.result()
        assert weyl.Job(caught.value.job_id).status() == "Failed"
        assert good.result() == 1024
        assert slow.cancel()
        with pytest.raises(CancelledError):
            slow.result()
    assert pool.jobs.status() == {"Done": 1, "Failed": 1, "Killed": 1}
    Path("none.jdl").write_text('Executable = "/bin/true"; Tags = {"hostfeat:python-3.30"};')
    waiting = weyl.submit("none.jdl")
    deadline = time.monotonic() + 120
    while waiting.statuses()[waiting.ids[0]] != "Waiting" and time.monotonic() < deadline:
        time.sleep(1)
    assert "hostfeat:python-3.30" in str(waiting[0].why())
    waiting.kill()


async def others() -> None:
    """The same with an event loop: what is given up in time goes on without it."""
    slow = await aio.submit("sleep 300")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await slow.wait()
    assert await slow.kill() == slow.ids
    with weyl.Executor() as pool:
        assert await asyncio.get_running_loop().run_in_executor(pool, pow, 3, 3) == 27
    Path("with-a-loop.txt").write_text("loop")
    [name] = await aio.data.put("with-a-loop.txt", "aio/")
    assert await aio.data.find("Size = 4", under="aio") == [name]
    assert [entry["name"] for entry in await aio.data.ls("aio")] == ["with-a-loop.txt"]
    [path] = await aio.data.get(name, "copies")
    assert path.read_text() == "loop"
    with pytest.raises(weyl.ClientError):
        await aio.data.get("aio/none", "copies")


if __name__ == "__main__":
    commands()
    calls()
    asyncio.run(others())
