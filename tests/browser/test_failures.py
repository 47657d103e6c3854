"""Failures that are alike are found in a browser, and from them their jobs."""

import re
from contextlib import suppress

import pytest

from tests.browser.conftest import Login, accessibility_problems, row_of
from tests.infra.expectations import expect
from weyl.demo.main_job import User
from weyl.demo.processes import ComponentFailed

TEXT = "Exited With Status 1"
# The jobs of others fail in ways that are known; what is new is found however rare it is.
NEW = "/failures?new=1"


@pytest.fixture(scope="module")
def failed(alice: User) -> int:
    """A job that has failed."""
    (job_id,) = alice.submit('[ Executable = "/bin/false"; JobGroup = "failing"; ]', "failing")
    with suppress(ComponentFailed):  # the command fails as the job does
        alice.run("jobs", "wait", str(job_id))
    assert alice.jobs([job_id])[0]["Status"] == "Failed"
    return job_id


def test_a_kind_of_failure_leads_to_its_jobs(logged_in: Login, failed: int) -> None:
    page = logged_in(NEW)
    page.get_by_label("Kinds of failures").get_by_role("link", name=re.compile(f"{TEXT}$")).click()
    expect(page).to_have_url(re.compile("/jobs.f=FailureSignature:eq:[0-9a-f]{16}"))
    expect(row_of(page, failed)).to_be_visible()


def test_a_job_leads_to_failures_like_its_own(logged_in: Login, failed: int) -> None:
    page = logged_in(f"/jobs?f=JobID:eq:{failed}")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Kind of failure").click()
    page.get_by_role("button", name="Apply").click()
    row_of(page, failed).get_by_role("link", name=re.compile("^[0-9a-f]{16}$")).click()
    expect(page).to_have_url(re.compile("/failures/[0-9a-f]{16}"))
    expect(page.get_by_label("Kinds of failures").get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="Show all failures").click()
    expect(page).to_have_url(re.compile("/failures$"))


def test_what_is_chosen_is_in_the_address(logged_in: Login, failed: int) -> None:
    page = logged_in("/failures")
    page.get_by_label(re.compile("^Last")).select_option("7 days")
    page.get_by_text("By owner").click()
    page.get_by_label("Only new").check()
    expect(page).to_have_url(re.compile("since=-7d.*by=owner.*new=1"))
    page.reload()
    # Those of others: which kinds are new, and whose come first, is a matter of when the jobs of others were loaded.
    owners = page.get_by_label("Failures by owner")
    expect(owners.get_by_role("columnheader", name=re.compile("^user")).first).to_be_visible()


def test_administrators_keep_a_note_that_others_read(logged_in: Login, failed: int) -> None:
    page = logged_in(NEW, user="ada", group="jobs-admin")
    kinds = page.get_by_label("Kinds of failures").get_by_role("row")
    kinds.filter(has=page.get_by_role("link", name=re.compile(f"{TEXT}$"))).get_by_role(
        "button", name="note on"
    ).click()
    page.get_by_label("Note", exact=True).fill("<b>Known</b>, being mended")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("<b>Known</b>, being mended")).to_be_visible()
    others = logged_in(NEW)
    expect(others.get_by_text("<b>Known</b>, being mended")).to_be_visible()
    expect(others.get_by_role("button", name="note on")).to_have_count(0)


def test_a_failed_job_says_why_and_leads_to_the_same_failure(logged_in: Login, failed: int) -> None:
    page = logged_in(f"/jobs/{failed}?tab=why", viewport={"width": 390, "height": 800})
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("It failed: Application Finished With Errors: Exited With Status 1.")
    expect(panel.get_by_label("What you can do")).to_contain_text(f"weyl jobs logs --stderr {failed}")
    for condition in ("Exit code", "Worker node", "Retry"):
        expect(panel.get_by_text(condition, exact=True)).to_be_visible()
    for words in ("{", "class"):
        expect(panel).not_to_contain_text(words)
    assert accessibility_problems(page) == []
    panel.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile("/failures/[0-9a-f]{16}"))
    expect(page.get_by_label("Kinds of failures")).to_contain_text("Read the last lines of its error output")


def test_a_held_and_a_killed_job_say_why(logged_in: Login, alice: User) -> None:
    (job_id,) = alice.submit('[ Executable = "/bin/true"; Site = "DIRAC.Nowhere.org"; ]', "held")
    page = logged_in(f"/jobs/{job_id}?tab=why", color_scheme="dark")
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("It is looked at again as soon as the site DIRAC.Nowhere.org can be used")
    assert accessibility_problems(page) == []
    alice.run("jobs", "kill", str(job_id), "--yes")
    page.reload()
    expect(panel).to_contain_text("alice killed it")


@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_the_page_of_failures(logged_in: Login, failed: int, width: int) -> None:
    page = logged_in(NEW, color_scheme="dark", viewport={"width": width, "height": 800})
    expect(page.get_by_label("Kinds of failures")).to_contain_text(TEXT)
    expect(page.get_by_label("Failures by site")).to_contain_text(TEXT)
    assert accessibility_problems(page) == []
