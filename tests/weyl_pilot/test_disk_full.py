"""A worker node whose disk is full takes no jobs it could not run, and loses no report of those it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.disk import full, small_disk
from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.stand_in import StandIn

pytestmark = pytest.mark.system


@pytest.fixture
def disk(work_dir: Path) -> Iterator[Path]:
    """The disk of the pilot's own directory; its mode lets other users pass."""
    (work_dir / "work").mkdir(mode=0o755)
    with small_disk(work_dir / "work", size_mb=700) as mounted:
        yield mounted


def test_a_pilot_without_any_room_says_so_and_takes_no_job_with_it(server: StandIn, disk: Path, start: Start) -> None:
    job = server.add(1, executable="/bin/true")
    with full(disk):
        pilot = start()
        _, log = pilot.communicate(timeout=60)
        assert pilot.returncode == 1
        assert "No space left on device" in log
    assert job.states == []
    finish(start())
    assert job.last("Status") == "Done"


def test_no_job_is_asked_for_until_there_is_room(server: StandIn, disk: Path, start: Start) -> None:
    job = server.add(1, executable="/bin/true")
    with full(disk, but_mb=550):
        pilot = start()
        assert pilot.stderr is not None
        for line in pilot.stderr:
            if "no job is asked for" in line:
                break
        assert job.states == []
    finish(pilot)
    assert (job.last("Status"), job.last("MinorStatus")) == ("Done", "Execution Complete")


def test_a_pilot_that_never_has_room_does_not_say_that_nothing_waits(server: StandIn, disk: Path, start: Start) -> None:
    job = server.add(1, executable="/bin/true")
    with full(disk, but_mb=550):
        log = finish(start("--idle-s", "1"))
    assert log.count("no job is asked for") == 1
    assert "no job in 1 s, the last for `scratch`" in log
    assert job.states == []


def test_a_payload_that_fills_the_disk_is_stopped_and_the_next_one_runs(
    server: StandIn, disk: Path, start: Start
) -> None:
    script = "-c 'echo begun; cat /dev/zero > big; sleep 60'"
    greedy = server.add(1, executable="/bin/sh", arguments=script)
    modest = server.add(2, executable="/bin/sh", arguments="-c 'echo hello'", output_sandbox=["std.out"])
    finish(start("--slots", "1", "--cores", "1"))
    assert greedy.last("Status") == "Failed"
    assert "Job has insufficient disk space to continue" in greedy.minors()
    assert server.output(1)["std.out"] == b"begun\n"
    assert modest.last("Status") == "Done"
    assert server.output(2) == {"std.out": b"hello\n"}
