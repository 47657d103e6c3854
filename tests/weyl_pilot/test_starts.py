"""A pilot writes down which payloads it starts before it starts them, and asks once more for what it was not told."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.disk import full, small_disk
from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.stand_in import SECRET, StandIn
from weyl_pilot.connection import Connections, Unreachable
from weyl_pilot.loop import Loop, Rules
from weyl_pilot.offer import Allocation, Node
from weyl_pilot.server import Server
from weyl_pilot.starts import STARTS, Starts, read_starts


def left(directory: Path) -> frozenset[int] | None:
    """Return what a pilot left in its directory."""
    path = directory / STARTS
    return read_starts(path.read_bytes() if path.exists() else None)


def test_what_is_noted_is_read_again(tmp_path: Path) -> None:
    assert left(tmp_path) is None
    starts = Starts(tmp_path)
    assert left(tmp_path) == frozenset()
    for job_id in (7, 12_345_678_901):
        starts.note(job_id)
    assert left(tmp_path) == starts.seal() == starts.seal() == {7, 12_345_678_901}
    with pytest.raises(OSError, match="The pilot ends"):
        starts.note(8)
    assert (tmp_path / STARTS).stat().st_mode & 0o777 == 0o600


def test_two_pilots_in_one_directory_leave_no_word(tmp_path: Path) -> None:
    for job_id in (7, 8):
        starts = Starts(tmp_path)
        starts.note(job_id)
        starts.seal()
    assert left(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, None),
        (b"", None),
        (b"weyl starts 1", None),
        (b"weyl starts 2\n7\n", None),
        (b"weyl starts 1\n7\nseven\n", None),
        (b"weyl starts 1\n7\n\xff\n", None),
        (b"weyl starts 1\n7\n-8\n", None),
        pytest.param(b"weyl starts 1\n7\n" + b"9" * 5000 + b"\n", None, id="5000 digits"),
        (b"weyl starts 1\n7\n" + b"9" * 20 + b"\n", None),
        (b"weyl starts 1\n7\n" + b"9" * 19 + b"\n", frozenset({7, 10**19 - 1})),
        (b"weyl starts 1\n", frozenset()),
        (b"weyl starts 1\n7\n8", frozenset({7})),
        (b"weyl starts 1\n7\n\n8\n", frozenset({7, 8})),
    ],
)
def test_half_a_line_is_no_start_and_a_broken_file_is_no_word(
    content: bytes | None, expected: frozenset[int] | None
) -> None:
    assert read_starts(content) == expected


def test_what_cannot_be_noted_raises_and_hides_no_later_start(work_dir: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    with small_disk(work_dir, size_mb=10) as disk:
        starts = Starts(disk)
        job_id = 1
        with full(disk), pytest.raises(OSError, match="No space left"):
            # What is left of the last block has room for some.
            while True:
                starts.note(job_id)
                job_id += 1
        starts.note(10_000_000)
        found = left(disk)
        assert found is not None
        assert found >= starts.seal() == {*range(1, job_id), 10_000_000}


def test_a_killed_pilot_leaves_word_of_the_payload_that_it_could_not_report(
    server: StandIn, start: Start, work_dir: Path
) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo out; sleep 60'")
    server.add(2, executable="/bin/nowhere")
    for each in server.jobs.values():
        each.document["token"] = f"job-token-{each.document['job_id']}"
    server.goes_down_after_match = True
    pilot = start()
    server.wait(lambda: not server.waiting)
    while 1 not in (left(work_dir / "work") or ()):
        assert pilot.poll() is None
    pilot.kill()
    pilot.wait(30)
    assert job.states == []
    assert left(work_dir / "work") == {1}


def test_a_pilot_that_ends_says_what_it_started(server: StandIn, start: Start) -> None:
    server.add(1, executable="/bin/true")
    server.add(2, executable="/bin/nowhere")
    finish(start())
    assert server.pilot["StartedJobs"] == [1]


class LosesTheFirstAnswer(Server):
    """A pilot's door to the server whose first match answer is lost on its way."""

    is_first = True

    def match(self, request: Mapping[str, Any], *, patience_s: float = 0) -> dict[str, Any]:
        """Ask, and hear nothing the first time."""
        answer = super().match(request, patience_s=patience_s)
        if self.is_first:
            self.is_first = False
            raise Unreachable("timed out")
        return answer


def test_a_question_whose_answer_was_lost_is_asked_again_by_its_id(server: StandIn) -> None:
    """The server may have bound jobs to it, and gives them to whoever repeats it."""
    door = LosesTheFirstAnswer(server.url, Connections())
    door.redeem(SECRET, stamp=None, host="here")
    node = Node("here", "m", (), (), 10.0, Allocation(cores=1, ram_mb=1000, scratch_mb=1000, slots=1))
    rules = Rules(ends_at=time.monotonic() + 86_400, empty_matches_max=2, long_poll_s=0, pause_first_s=0)
    Loop(door, node, rules=rules, make=lambda work: pytest.fail(f"job {work.job_id}")).run()
    door.connections.close()
    lost, repeated, following = (question["request_id"] for question in server.matches)
    assert lost == repeated != following
