"""The first page shows people their own jobs."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Login
from weyl.demo.main_job import User


@pytest.fixture(scope="module")
def job(alice: User) -> int:
    """A job that has ended."""
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; JobName = "at home"; ]', "home")
    alice.run("jobs", "wait", str(job_id))
    return job_id


def test_the_newest_jobs_and_their_counts_lead_to_the_jobs(logged_in: Login, job: int) -> None:
    page = logged_in("/")
    expect(page.get_by_label("Your newest jobs").get_by_role("row").filter(has_text="at home")).to_contain_text(
        str(job)
    )
    expect(page.get_by_label("Since your last visit")).to_contain_text("All failures")
    page.get_by_label("Your jobs").get_by_role("link", name="Done").click()
    expect(page).to_have_url(re.compile("/jobs.f=Owner:eq:alice&f=Status:eq:Done"))
    expect(page.get_by_role("row").filter(has_text="at home")).to_be_visible()


def test_operators_see_what_needs_their_eye_and_nobody_else_does(logged_in: Login, job: int) -> None:
    page = logged_in("/", user="ada", group="admin")
    trouble = page.get_by_label("What needs your eye")
    for title in ("Closed and draining sites", "Hosts that break their jobs", "Dead letters", "Queues that wait"):
        expect(trouble.get_by_label(title)).to_be_visible()
    user = logged_in("/")
    expect(user.get_by_label("Your newest jobs")).to_be_visible()
    expect(user.get_by_label("What needs your eye")).to_have_count(0)
