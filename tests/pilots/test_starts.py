"""A pilot dies with jobs: what it wrote down of their starts decides which of them wait again for nothing."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from tests.matcher.conftest import (
    Submit,
    submit,  # noqa: F401  a fixture
)
from tests.pilots.test_submission import (
    KEY,
    until_ended,
    yard,  # noqa: F401  a fixture
)

from weyl.kit.db import Database
from weyl.pilots.compute_elements.local import LocalComputeElement
from weyl.pilots.service import submission
from weyl.pilots.service.yard import Yard

# What is sent instead of a pilot: it writes down what it started, and dies once it has jobs.
PROGRAM = """
import os, signal, time
HEAD = "weyl starts 1\\n"
with open("starts.txt", "w") as starts:
    starts.write({content})
while not os.path.exists("has-jobs"):
    time.sleep(0.02)
os.kill({victim}, signal.SIGKILL)
"""
ALONE, WITH_ITS_LAUNCHER = "os.getpid()", "-os.getsid(0)"


class NoCarrier(LocalComputeElement):
    """A local element that fetches no files, as those of HTCondor, ARC and Kubernetes."""

    carry = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("content", "victim", "driver", "lost"),
    [
        ("HEAD + '1\\n'", ALONE, LocalComputeElement, [1, 0]),
        ("HEAD", ALONE, LocalComputeElement, [0, 0]),
        ("''", ALONE, LocalComputeElement, [1, 1]),
        ("HEAD + '9\\n' * 600_000", ALONE, LocalComputeElement, [1, 1]),
        # A payload can write the file where it runs as the user of its pilot; Python reads no number that long.
        ("HEAD + '1\\n' + '9' * 5_000 + '\\n'", ALONE, LocalComputeElement, [1, 1]),
        # Nobody saw the pilot itself end: it may still run, and start what it had not started.
        ("HEAD + '1\\n'", WITH_ITS_LAUNCHER, LocalComputeElement, [1, 1]),
        ("HEAD + '1\\n'", ALONE, NoCarrier, [1, 1]),
    ],
)
async def test_only_a_job_that_certainly_did_not_start_costs_no_retry(
    yard: Yard,  # noqa: F811
    db: Database,
    submit: Submit,  # noqa: F811
    content: str,
    victim: str,
    driver: type[LocalComputeElement],
    lost: list[int],
) -> None:
    assert await submit(2) == [1, 2]
    yard.archive.write_text(PROGRAM.format(content=content, victim=victim))
    own = replace(yard, drivers={"local": driver})
    await submission.submit(own, KEY, 1)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilots SET spoke_at = now(), status = 'Running'"))
        await tx.execute(text("UPDATE jobs SET status = 'Matched', pilot_stamp = (SELECT pilot_stamp FROM pilots)"))
        await tx.execute(text("DELETE FROM queue"))
        [handle] = (await tx.execute(text("SELECT handle FROM pilots"))).scalars()
    [work] = yard.directory.rglob(f"{handle.partition(':')[0]}/work")
    (work / "has-jobs").touch()
    await until_ended(own, db)
    async with db.read() as tx:
        rows = (await tx.execute(text("SELECT status, overrides FROM jobs ORDER BY job_id"))).all()
    assert [row.status for row in rows] == ["Received"] * 2
    assert [((row.overrides or {}).get("retries") or {}).get("host", 0) for row in rows] == lost
