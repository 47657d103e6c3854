"""What was used is plotted in a browser, and taken home as a picture and as numbers."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Login, accessibility_problems
from tests.infra.expectations import expect
from weyl.demo.installation import SITE
from weyl.demo.main_job import User


@pytest.fixture(scope="module")
def done(alice: User) -> int:
    """A job that has ended, and so was counted."""
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; JobGroup = "plotted"; ]', "plotted")
    alice.run("jobs", "wait", str(job_id))
    return job_id


def _plot(page: Page) -> Any:
    return page.get_by_role("img", name="Ended jobs by")


def test_a_plot_is_built_and_its_address_shows_it_again(logged_in: Login, done: int) -> None:
    page = logged_in("/accounting")
    page.get_by_label("Split by").select_option("Status")
    page.get_by_label(re.compile("^Last")).select_option("7 days")
    page.get_by_label("Step").select_option("day")
    expect(page).to_have_url(re.compile("by=status.*range=-7d.*bucket=day"))
    expect(page.get_by_label("The numbers of the plot").get_by_role("row", name="Done")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Ended jobs by status, last 7 days")).to_be_visible()


def test_statuses_have_the_colours_that_they_have_in_lists(logged_in: Login, done: int) -> None:
    page = logged_in("/accounting?by=status&as=stack")
    marker = page.locator(".u-legend .u-series").filter(has_text="Done").locator(".u-marker")
    expect(marker).to_have_css("border-top-color", "rgb(90, 171, 111)")


def test_a_plot_is_of_free_dates_and_narrowed_by_its_legend(logged_in: Login, done: int) -> None:
    page = logged_in("/accounting")
    page.get_by_label(re.compile("^Last")).select_option("custom dates")
    page.get_by_label("From", exact=True).fill("2026-01-01")
    expect(page).to_have_url(re.compile("from=2026-01-01.*to=20"))
    page.locator(".u-legend .u-series").filter(has_text=SITE).click()
    expect(page).to_have_url(re.compile(f"only_site={re.escape(SITE)}"))
    page.get_by_label("Split by").select_option("Owner")
    page.get_by_label("The numbers of the plot").get_by_role("button", name="alice").click()
    expect(page.get_by_role("heading", name=f"of {SITE} of alice by owner, 2026-01-01 to")).to_be_visible()
    page.get_by_role("button", name=f"Remove filter {SITE}").click()
    expect(page).not_to_have_url(re.compile("only_site"))
    page.reload()
    expect(page.get_by_label("From", exact=True)).to_have_value("2026-01-01")


def test_a_plot_is_taken_home(logged_in: Login, done: int) -> None:
    page = logged_in("/accounting")
    expect(_plot(page)).to_be_visible()
    with page.expect_download() as numbers:
        page.get_by_role("button", name="CSV").click()
    assert SITE in numbers.value.path().read_text().splitlines()[0].split(",")
    with page.expect_download() as picture:
        page.get_by_role("button", name="PNG").click()
    assert picture.value.suggested_filename == "ended-jobs-by-site-last-30-days.png"
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")


def test_pilots_are_for_those_who_watch_over_the_vo(logged_in: Login, done: int) -> None:
    page = logged_in("/accounting?of=pilots")
    expect(_plot(page)).to_be_visible()
    expect(page.get_by_label("Of", exact=True)).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_the_plots(logged_in: Login, done: int, width: int) -> None:
    page = logged_in("/accounting", color_scheme="dark", viewport={"width": width, "height": 800})
    expect(_plot(page)).to_be_visible()
    assert accessibility_problems(page) == []
