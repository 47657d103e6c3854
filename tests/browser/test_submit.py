"""Jobs are described, checked while they are written, and submitted in a browser."""

import re

from playwright.sync_api import Page

from tests.browser.conftest import Login
from tests.infra.expectations import expect

EDITOR = "Job description in JDL"
THREE = '[ Executable = "/bin/echo"; Arguments = "%s"; Parameters = {"a", "b", "c"}; Site = "LCG.Nowhere.xx"; ]'


def _write(page: Page, text: str, editor: str = EDITOR) -> None:
    page.get_by_label(editor, exact=True).fill(text)


def test_a_broken_description_is_not_submitted_and_says_where_it_breaks(logged_in: Login) -> None:
    page = logged_in("/submit")
    _write(page, '[\n  Executable = "/bin/echo";\n  Arguments = ;\n]')
    expect(page.get_by_role("alert")).to_contain_text("line 3")
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Go to line 3").click()
    expect(page.get_by_label(EDITOR, exact=True)).to_be_focused()
    page.get_by_text("JSON", exact=True).click()
    _write(page, '{\n  "executable": "/bin/echo"\n  "arguments": 1\n}', "Job description in JSON")
    expect(page.get_by_role("button", name="Go to line 3")).to_be_visible()


def test_what_was_written_is_there_after_a_reload(logged_in: Login) -> None:
    page = logged_in("/submit")
    _write(page, "[ not finished")
    page.reload()
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value("[ not finished")


def test_a_parametric_description_is_previewed_and_submitted_by_keyboard(logged_in: Login) -> None:
    page = logged_in("/submit")
    _write(page, THREE)
    outlook = page.get_by_label("Preview")
    expect(outlook).to_contain_text("Valid: 3 jobs")
    expect(outlook).to_contain_text("Warnings")
    outlook.get_by_text("Job 2", exact=True).click()
    expect(outlook).to_contain_text('"b"')
    page.get_by_label(EDITOR, exact=True).press("Control+Enter")
    expect(page.get_by_role("status").filter(has_text="3 jobs submitted")).to_be_visible()
    page.get_by_role("link", name="View jobs").click()
    expect(page).to_have_url(re.compile("/jobs.f=JobID:gt:"))
    expect(page.get_by_role("row").filter(has_text="LCG.Nowhere.xx")).to_have_count(3)
