"""The list of jobs and the page of one, as their owner uses them."""

import re

import pytest

from tests.browser.conftest import Login, accessibility_problems, row_of
from tests.browser.test_every_page import look
from tests.infra.expectations import expect
from weyl.demo.main_job import User

NAME = "<script>alert(1)</script>"
JDL = '[ Executable = "/bin/echo"; JobName = "{name}"; JobGroup = "shown"; Site = "LCG.Nowhere.xx"; ]'


@pytest.fixture(scope="module")
def job(alice: User) -> int:
    """A job that stays where it is, with a name that would do harm if it were markup."""
    (job_id,) = alice.submit(JDL.format(name=NAME), "shown")
    return job_id


def test_a_stranger_is_asked_to_log_in_and_comes_back_to_the_same_address(logged_in: Login, job: int) -> None:
    page = logged_in(f"/jobs?f=JobID:eq:{job}&cols=JobID,JobName", fresh=True)
    expect(page).to_have_url(re.compile(rf"/jobs\?f=JobID:eq:{job}&cols=JobID,JobName$"))
    expect(row_of(page, job)).to_contain_text(NAME)


def test_a_filter_is_kept_in_the_address_and_said_in_words_where_it_cannot_be_read(logged_in: Login, job: int) -> None:
    page = logged_in("/jobs?f=")
    field = page.get_by_label("Filter", exact=True)
    field.fill("JobGroup = shown or Status")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("expected `and`")
    expect(field).to_have_value("JobGroup = shown or Status")
    field.fill("JobGroup = shown")
    field.press("Enter")
    expect(page).to_have_url(re.compile("f=JobGroup:eq:shown"))
    page.reload()
    expect(row_of(page, job)).to_be_visible()


def test_a_filter_is_completed_by_keyboard(logged_in: Login, job: int) -> None:
    page = logged_in("/jobs?f=")
    field = page.get_by_label("Filter", exact=True)
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(page.get_by_role("row").nth(1)).to_be_visible()
    page.keyboard.press("f")
    expect(field).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(options.first).to_contain_text("JobID")
    page.keyboard.type("stat")
    expect(options.first).to_contain_text("Status")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(options).to_have_text([re.compile("^= is"), re.compile("^!="), re.compile("^in"), re.compile("^not in")])
    page.keyboard.type("in (ru")
    expect(options).to_have_text([re.compile("Running")])
    assert accessibility_problems(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type(", Done) and Site = site4")
    # What only the server knows.
    expect(options.first).to_contain_text("LCG.Site4")
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    expect(field).to_have_value("Status in (Running, Done) and Site = site4")
    page.keyboard.type("*")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"f=Status:in:Running,Done&f=Site:eq:site4"))


def test_a_filter_that_is_misspelt_is_said_to_be(logged_in: Login, job: int) -> None:
    page = logged_in("/jobs?f=")
    field = page.get_by_label("Filter", exact=True)
    field.fill("Status = Runing")
    field.press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("There is no status “Runing”. Did you mean Running?")
    assert look(page, "jobs-misspelt") == []
    alert.get_by_role("button", name="Use Status = Running").click()
    expect(page).to_have_url(re.compile("f=Status:eq:Running"))
    field.fill("jobgrop == shown")
    field.press("Enter")
    expect(alert).to_contain_text("expected `and`")
    field.fill("jobgrop = shown")
    field.press("Enter")
    expect(alert).to_contain_text("There is no column jobgrop. Did you mean JobGroup?")


def test_a_list_is_free_of_noise_and_fits_the_screen(logged_in: Login, job: int) -> None:
    page = logged_in("/jobs?f=", user="ada", group="admin")
    table = page.get_by_role("table", name="Jobs")
    expect(row_of(page, job)).to_be_visible()
    # The headings of what changes most are on a screen of 1,280 pixels without scrolling.
    for name in ("Run time", "Last update"):
        box = table.get_by_role("columnheader", name=name).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1280
    assert {"Unknown", "00000000"}.isdisjoint(table.inner_text().split("\n"))
    cell = row_of(page, job).locator("time")
    expect(cell).to_have_text(re.compile(r"^(now|\d+ (s|min) ago)$"))
    expect(cell).to_have_attribute("title", re.compile(r"^\d\d:\d\d:\d\d, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))


def test_a_journey_by_keyboard_alone(logged_in: Login, job: int) -> None:
    page = logged_in(f"/jobs?f=JobID:eq:{job}")
    expect(row_of(page, job)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 job selected")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Job {job}")).to_be_visible()
    expect(page).to_have_url(re.compile(f"sel={job}"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name=f"Job {job}")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Find")).to_be_focused()
    page.keyboard.type(str(job))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/jobs/{job}$"))


def test_a_warm_list_takes_three_requests_until_its_rows_are_there(logged_in: Login, job: int) -> None:
    page = logged_in("/jobs?f=")
    expect(row_of(page, job)).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(row_of(page, job)).to_be_visible()
    first = [url for url in asked if "/assets/" not in url and not url.endswith("icon.svg")]
    until_rows = first[: next(i for i, url in enumerate(first) if "/search" in url) + 1]
    assert len(until_rows) <= 3, asked


def test_logging_out_ends_the_login(logged_in: Login) -> None:
    page = logged_in("/jobs", fresh=True)
    page.get_by_role("button", name="alice hep").click()
    page.get_by_role("menuitem", name="Log out").click()
    expect(page).to_have_url(re.compile("/login$"))
    page.goto("/jobs")
    expect(page).to_have_url(re.compile("/login"))
