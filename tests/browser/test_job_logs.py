"""What jobs have written, on their pages: all of it once they have ended, and plain words where it is not there."""

import json
from pathlib import Path

import pytest

from tests.browser.conftest import Login, accessibility_problems, store
from tests.browser.test_every_page import look
from tests.infra.expectations import expect
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

LINES = 40
SCRIPT = f"seq 1 {LINES}; echo that went wrong >&2; exit 3"
LONG = 300_000
JDL = """[ Executable = "/bin/sh"; Arguments = "-c '{script}'"; StdOutput = "run.log"; StdError = "run.err"; ]"""


@pytest.fixture(scope="module")
def failed(alice: User) -> int:
    """A job that has failed, with forty lines of output."""
    (job_id,) = alice.submit(JDL.format(script=SCRIPT), "failing")
    return job_id


@pytest.fixture(scope="module")
def long(alice: User) -> int:
    """A job that has written two megabytes, and nothing to its standard error."""
    (job_id,) = alice.submit(JDL.format(script=f"seq 1 {LONG}"), "long")
    return job_id


def test_a_failed_job_shows_all_that_it_wrote(logged_in: Login, alice: User, failed: int) -> None:
    alice.run("jobs", "wait", str(failed), "--for", "Failed", "--timeout", "3m")
    page = logged_in(f"/jobs/{failed}?tab=output")
    log = page.get_by_role("region", name="Output")
    expect(log).to_contain_text(str(LINES))
    expect(page.get_by_text(f"{LINES} lines", exact=True)).to_be_visible()
    assert log.inner_text().split() == [str(number) for number in range(1, LINES + 1)]
    assert look(page, "job-failed-output") == []
    page.get_by_role("tab", name="Error output").click()
    expect(page.get_by_role("region", name="Error output")).to_contain_text("that went wrong")


def test_of_a_long_log_the_end_is_shown_and_all_of_it_saved(
    logged_in: Login, alice: User, long: int, tmp_path: Path
) -> None:
    alice.run("jobs", "wait", str(long), "--for", "Done", "--timeout", "3m")
    page = logged_in(f"/jobs/{long}?tab=output")
    size = sum(len(str(number)) + 1 for number in range(1, LONG + 1))
    expect(page.get_by_text(f"The last 1.0 MB of {size / 1e6:.1f} MB.")).to_be_visible()
    expect(page.get_by_role("region", name="Output")).to_contain_text(str(LONG))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    download.value.save_as(tmp_path / "log")
    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(1, LONG + 1)]
    assert accessibility_problems(page) == []
    # Streams to which nothing was written do not travel.
    page.get_by_role("tab", name="Error output").click()
    expect(page.get_by_text("Nothing was written.")).to_be_visible()


def test_a_workflow_shows_what_its_tools_printed(logged_in: Login, alice: User) -> None:
    text = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: [echo, said aloud]\ninputs: []\n"
    ids = []
    for name, outputs in (("aloud", "outputs: []\n"), ("kept", "stdout: said.txt\noutputs: {said: {type: stdout}}\n")):
        file = alice.directory / f"{name}.cwl"
        file.write_text(text + outputs)
        ids.append(alice.run("jobs", "submit", "cwl", str(file), "-q").strip())
    alice.run("jobs", "wait", *ids, "--for", "Done", "--timeout", "3m")
    page = logged_in(f"/jobs/{ids[0]}?tab=output")
    expect(page.get_by_role("region", name="Output")).to_contain_text("said aloud")
    page.goto(f"/jobs/{ids[1]}?tab=output")
    expect(page.get_by_text("Files that the tools of the workflow wrote are among its outputs.")).to_be_visible()


def test_it_is_said_why_there_is_no_output(logged_in: Login, stack: Stack, alice: User, failed: int) -> None:
    alice.run("jobs", "wait", str(failed), "--for", "Failed", "--timeout", "3m")
    # A sandbox that the cleaner has removed.
    mine = f"sandbox_id IN (SELECT sandbox_id FROM sandbox_jobs WHERE job_id = {failed} AND kind = 'Output')"
    last = json.dumps("the last that was heard\n")
    store(
        stack,
        f"UPDATE sandboxes SET sweeping_at = now() WHERE {mine}",
        f"INSERT INTO job_parameters VALUES ({failed}, 'StandardOutput', '{last}') "
        "ON CONFLICT (job_id, name) DO UPDATE SET value = excluded.value",
    )
    page = logged_in(f"/jobs/{failed}?tab=output")
    expect(page.get_by_text("The output sandbox is no longer stored.")).to_be_visible()
    expect(page.get_by_text("These are the last lines sent while it ran")).to_be_visible()
    expect(page.get_by_role("region", name="Output")).to_contain_text("the last that was heard")
    assert look(page, "job-gone-output") == []
    alice.run("jobs", "sandbox", "unassign", str(failed), "--yes")
    page.goto(f"/jobs/{failed}?tab=errors")
    expect(page.get_by_text("No output sandbox was uploaded. Nothing was sent while it ran.")).to_be_visible()
