"""Whole lives on every system: the worker sends pilots, they match, jobs run to Done, and what goes wrong is told."""

from collections.abc import Iterator

import pytest

from tests.grid.installation import GridInstallation, installation_with
from tests.grid.site import GridSite

pytestmark = pytest.mark.timeout(600)
# The way of a job is the same on every system; what differs is in the contract, which runs over all of them.
SYSTEMS_OFTEN = ("slurm-rest",)


@pytest.fixture
def installation(site: GridSite) -> Iterator[GridInstallation]:
    """An installation that sends its pilots to the system of this test."""
    with installation_with(site) as running:
        yield running


def test_jobs_run_to_done_and_what_goes_wrong_is_told(installation: GridInstallation) -> None:
    ids = installation.submit("echo hello from $(id -un)", 4)
    installation.await_jobs(ids, "Done")
    outputs = installation.alice.directory / "outputs"
    installation.alice.run("jobs", "output", *map(str, ids), "-d", str(outputs))
    found = [path.read_text() for path in outputs.rglob("std.out")]
    assert len(found) == len(ids)
    assert all(text.startswith("hello from ") and "root" not in text for text in found)

    # The logs of pilots, as they sent them and as their computing element kept them.
    (first, *_) = installation.pilots()
    assert first["GridType"] == installation.site.element["Driver"]
    assert first["PilotJobReference"]
    stamp = first["PilotStamp"]
    installation.until(lambda: "pilot" in installation.alice.run("pilots", "logs", stamp), "no log of the pilot")
    if installation.site.shows_running_output:
        assert installation.alice.run("pilots", "logs", stamp, "--output")

    # A node that is lost: its job fails for that reason, not by a timer, and begins anew.
    lost = installation.submit("sleep 300")
    installation.await_jobs(lost, "Running")
    assert installation.kill_pilots() > 0

    def is_over() -> bool:
        installation.ask()
        return "Rescheduled" in installation.statuses(lost[0])

    installation.until(is_over, "the job of a lost node does not begin anew")
    installation.alice.run("jobs", "kill", str(lost[0]), "--yes")
    assert {pilot["Status"] for pilot in installation.pilots()} <= {"Failed", "Done", "Running", "Waiting", "Submitted"}

    # A pilot that is revoked is cancelled where it runs.
    held = installation.submit("sleep 300")
    installation.await_jobs(held, "Running")
    stamps = [pilot["PilotStamp"] for pilot in installation.pilots() if pilot["Status"] == "Running"]
    installation.revoke(stamps)

    def is_cancelled() -> bool:
        installation.ask()
        gone = {pilot["PilotStamp"] for pilot in installation.pilots() if pilot["Status"] in ("Deleted", "Failed")}
        return set(stamps) <= gone

    installation.until(is_cancelled, "revoked pilots are not cancelled")
    assert installation.alice.jobs(held)[0]["Status"] != "Done"
