"""The first page shows people their own jobs."""

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import Login, accessibility_problems
from tests.infra.expectations import expect
from weyl.demo.main_job import User
from weyl.demo.processes import ComponentFailed


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
    expect(page.get_by_label("New failures")).to_contain_text("View all failures")
    page.get_by_label("Your jobs").get_by_role("link", name="Done").click()
    expect(page).to_have_url(re.compile("/jobs.f=Owner:eq:alice&f=Status:eq:Done"))
    expect(page.get_by_role("row").filter(has_text="at home")).to_be_visible()


def test_job_groups_show_how_far_they_are_and_lead_to_their_jobs(logged_in: Login, alice: User) -> None:
    (job_id,) = alice.submit('[ Executable = "/bin/true"; JobName = "in a group"; JobGroup = "scan-7"; ]', "group")
    alice.run("jobs", "wait", str(job_id))
    page = logged_in("/")
    row = page.get_by_label("Your newest job groups").get_by_role("row").filter(has_text="scan-7")
    expect(row).to_contain_text("100")
    row.get_by_role("link").click()
    expect(page.get_by_role("row").filter(has_text="in a group")).to_be_visible()
    page.goto("/job-groups")
    expect(page.get_by_role("row").filter(has_text="scan-7")).to_contain_text("alice")


def test_failures_of_others_are_named_with_a_capital(logged_in: Login, alice: User) -> None:
    (job_id,) = alice.submit('[ Executable = "/bin/false"; ]', "failed")
    with suppress(ComponentFailed):  # the command fails as the job does
        alice.run("jobs", "wait", str(job_id))
    page = logged_in("/jobs")

    def private(route: Route) -> None:
        """Answer as to somebody who may see the kind of failure, but none of the jobs."""
        found = route.fetch()
        clusters = [{**each, "example": ""} for each in found.json()["clusters"]]
        route.fulfill(response=found, json={**found.json(), "clusters": clusters})

    page.route("**/api/jobs/failures?*", private)
    page.goto("/")
    failed = page.get_by_label("New failures").get_by_role("listitem").first
    expect(failed).to_have_text(re.compile("^[A-Z]"))


def test_operators_see_how_their_vo_does_and_nobody_else_does(logged_in: Login, job: int) -> None:
    page = logged_in("/", user="ada", group="admin")
    trouble = page.get_by_label("Needs attention")
    for title in ("Banned and draining sites", "Unhealthy hosts", "Dead letters", "Queues waiting"):
        expect(trouble.get_by_label(title)).to_be_visible()
    day = page.get_by_label("The last 24 hours")
    for title in ("Running jobs", "Waiting jobs", "Running pilots", "Slots in use", "Failure rate"):
        figure = day.get_by_role("listitem").filter(has_text=title)
        expect(figure.get_by_role("img")).to_have_attribute("aria-label", re.compile(title))
        expect(figure.locator("strong")).to_have_text(re.compile(r"^[\d,]+( %)?$"))
    day.get_by_role("link", name="Running jobs").click()
    expect(page).to_have_url(re.compile("/jobs.f=Status:eq:Running"))
    user = logged_in("/")
    expect(user.get_by_label("Your newest jobs")).to_be_visible()
    done = user.get_by_role("listitem").filter(has_text="Done in the last 24 hours")
    expect(done.locator("strong")).to_have_text(re.compile("[1-9]"))
    for title in ("Needs attention", "The last 24 hours"):
        expect(user.get_by_label(title, exact=True)).to_have_count(0)
    # What the navigation leads to is not repeated.
    expect(user.locator("#main").get_by_role("link", name="Configuration")).to_have_count(0)


def test_related_pages_are_tabs_of_one_entry(logged_in: Login) -> None:
    page = logged_in("/sites", viewport={"width": 390, "height": 800})
    tabs = page.get_by_role("navigation", name="Sites").get_by_role("link")
    titles = ["Sites", "Computing elements", "Storage elements", "Storage access", "Transfer servers"]
    expect(tabs).to_have_text(titles)
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile("/ces$"))
    page.keyboard.press("h")
    expect(page).to_have_url(re.compile("/sites$"))
    # By the name of the tab, or of its entry; on a narrow screen the bar scrolls to the tab.
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find").fill("sites transfer")
    page.keyboard.press("Enter")
    expect(tabs.and_(page.locator("[aria-current=page]"))).to_have_text("Transfer servers")
    expect(tabs.last).to_be_in_viewport()
    expect(page.get_by_role("heading", name="Transfer servers")).to_have_count(1)


def test_help_leads_to_the_documentation_of_this_server(logged_in: Login) -> None:
    page = logged_in("/pilots")
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Help")
    expect(help_).to_contain_text("Previous and next tab of the page")
    help_.get_by_role("link", name="Glossary").click()
    expect(page).to_have_url(re.compile("/docs/user/glossary.html$"))
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Glossary"))
    assert accessibility_problems(page) == []
    page.get_by_role("link", name="Quick start").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
