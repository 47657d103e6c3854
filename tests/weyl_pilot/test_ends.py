"""A job whose wrapper fails still ends: it is reported, and all that it took is given back."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from weyl_pilot.bundle import REPORTS, Journal
from weyl_pilot.isolation import Walls
from weyl_pilot.loop import Loop, Rules
from weyl_pilot.offer import Allocation, Node
from weyl_pilot.outcome import Outcome
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.server import Server
from weyl_pilot.shares import Shares
from weyl_pilot.spool import Spool
from weyl_pilot.starts import Starts
from weyl_pilot.uids import Lease, Uids
from weyl_pilot.uploads import Uploads
from weyl_pilot.watchdog import Watchdog
from weyl_pilot.work import Work
from weyl_pilot.wrapper import Shop, Wrapper

UID = 69_990


class BrokenSandboxes(Sandboxes):
    """Sandboxes with a bug."""

    def upload(self, job_id: int, packed: Spool, *, patience_s: float) -> str:
        """Raise what nobody expects."""
        raise RuntimeError("an upload with a bug")


class BrokenGroup:
    """A control group that cannot be ended."""

    def close(self) -> None:
        """Raise what the kernel may answer."""
        raise OSError("the group is busy")


def shop(directory: Path, server: Server | None = None) -> Shop:
    """Return a pilot's shop with one GPU and sandboxes that break."""
    door = server or Journal(directory, directory / "bundle.json")
    return Shop(
        server=door,
        sandboxes=BrokenSandboxes(door, directory),
        uploads=Uploads(door, ends_at=float("inf")),
        walls=Walls(level="clean", pilot_dir=directory),
        watchdog=Watchdog(60),
        starts=Starts(directory),
        jobs_dir=directory / "jobs",
        spool=directory,
        facts={},
        shares=Shares(gpus=("0",)),
    )


@pytest.mark.parametrize(
    ("arguments", "minor", "error_class"),
    [
        ("-c 'echo out'", "Exception During Execution", "host"),
        ("-c 'echo out; exit 3'", "Application Finished With Errors", "payload"),
    ],
)
def test_an_error_at_the_end_of_a_job_is_reported_and_gives_everything_back(
    tmp_path: Path, arguments: str, minor: str, error_class: str
) -> None:
    own = shop(tmp_path)
    work = Work(job_id=7, executable="/bin/sh", arguments=arguments, output_sandbox=("std.out",), gpus=1)
    wrapper = Wrapper(work, own)
    outcome = wrapper.run()
    assert (outcome.minor, outcome.error_class) == (minor, error_class)
    assert wrapper.outbox.join(60)
    said = [json.loads(line) for line in (tmp_path / REPORTS).read_text().splitlines()]
    last = [update for line in said for _, update in sorted(line.get("status", {}).items())][-1]
    assert (last["Status"], last["MinorStatus"], last["ErrorClass"]) == ("Failed", minor, error_class)
    assert not (tmp_path / "jobs" / "7").exists()
    assert own.shares.take(work, tmp_path / "jobs" / "8").gpus == ("0",)


def test_the_user_of_a_payload_is_given_back_also_if_its_control_group_cannot_be(tmp_path: Path) -> None:
    shares = Shares(uids=Uids([UID], [str(tmp_path)]))
    work = Work(job_id=7, executable="true")
    share = shares.take(work, tmp_path / "jobs" / "7")
    share.group = BrokenGroup()  # type: ignore[assignment]
    with pytest.raises(OSError, match="busy"):
        shares.give_back(7, tmp_path / "jobs" / "7")
    lease = shares.take(work, tmp_path / "jobs" / "7").lease
    assert isinstance(lease, Lease)
    assert lease.uid == UID


class BreaksAtItsEnd(Wrapper):
    """A job of which even the end fails."""

    def run(self) -> Outcome:
        """Raise what nobody expects."""
        self.outbox.close()
        raise RuntimeError("an end with a bug")


class GivesTwoJobs(Journal):
    """A door to nowhere, from which two jobs come, one by one."""

    job_ids: tuple[int, ...] = (1, 2)

    def match(self, request: Mapping[str, Any], *, patience_s: float = 0) -> dict[str, Any]:
        """Give the next."""
        given, self.job_ids = self.job_ids[:1], self.job_ids[1:]
        return {"jobs": [{"job_id": job_id, "work": {"executable": "true"}} for job_id in given]}


def test_a_pilot_goes_on_after_a_job_of_which_even_the_end_fails(tmp_path: Path) -> None:
    door = GivesTwoJobs(tmp_path, tmp_path / "bundle.json")
    own = shop(tmp_path, door)
    node = Node("here", "m", (), (), 10.0, Allocation(cores=1, ram_mb=1000, scratch_mb=1000, slots=1))
    rules = Rules(ends_at=time.monotonic() + 86_400, empty_matches_max=1, long_poll_s=0, pause_first_s=0)
    loop = Loop(door, node, rules=rules, make=lambda work: BreaksAtItsEnd(work, own))
    assert loop.run() == (True, "no job in 1 requests, the last for `queue`; 2 jobs")
