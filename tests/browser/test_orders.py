"""What owners do with their jobs in a browser: orders about many, exports, saved lists, files, all by keyboard."""

import re
import tarfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page

from tests.browser.conftest import Login, row_of
from tests.infra.expectations import expect
from weyl.demo.main_job import User

NUMBERS = count(1)
STAYS = '[ Executable = "/bin/echo"; JobName = "{name}"; JobGroup = "{group}"; NumberOfProcessors = 500; {more} ]'


def _submit(alice: User, group: str, name: str = "ordered", more: str = "") -> list[int]:
    return alice.submit(STAYS.format(name=name, group=group, more=more), group)


def _choose_all(page: Page, jobs: int, order: str) -> Locator:
    """Choose all jobs of a list and ask what an order would do to them; returns the dialogue."""
    expect(page.get_by_role("row")).to_have_count(jobs + 1)
    page.get_by_role("checkbox", name="Select all loaded rows").click()
    chosen = page.get_by_label("Selected rows")
    expect(chosen).to_contain_text(f"{jobs} jobs selected")
    chosen.get_by_role("button", name=order, exact=True).click()
    dialogue = page.get_by_role("dialog")
    # What asks for nothing shows at once what it would do.
    if order == "Reschedule":
        dialogue.get_by_role("button", name="Preview").click()
    return dialogue


def test_many_jobs_are_killed_after_a_look_at_them_and_are_followed_to_the_end(logged_in: Login, alice: User) -> None:
    ids = _submit(alice, "killed", more="Parameters = 3;")
    page = logged_in("/jobs?f=JobGroup:eq:killed")
    dialogue = _choose_all(page, 3, "Kill")
    expect(dialogue).to_contain_text("This affects 3 jobs.")
    for job_id in ids:
        expect(dialogue.get_by_text(str(job_id), exact=True)).to_be_visible()
    dialogue.get_by_role("button", name="Kill 3").click()
    progress = page.get_by_label("Running operations")
    expect(progress).to_contain_text(re.compile("starts in|of 3|done: 3"))
    expect(progress).to_contain_text("done: 3")
    expect(page.get_by_role("row").filter(has_text="Killed")).to_have_count(3)
    # It is found again after the page was left.
    page.goto("/operations")
    expect(page.get_by_role("button", name=re.compile("^live: "))).to_be_visible()
    order = page.get_by_role("row").filter(has_text="jobs.kill").first
    expect(order).to_contain_text("100 %")
    order.get_by_role("link", name="jobs.kill").click()
    expect(page).to_have_url(re.compile("/operations/[0-9a-f-]{36}$"))
    page.get_by_role("tab", name="Errors").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("No data.")


def test_an_order_is_taken_back_while_there_is_time(logged_in: Login, alice: User) -> None:
    (job_id,) = _submit(alice, "spared")
    page = logged_in(f"/jobs?f=JobID:eq:{job_id}")
    row_of(page, job_id).get_by_role("checkbox").check()
    page.get_by_label("Selected rows").get_by_role("button", name="Kill", exact=True).click()
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_role("button", name="Kill 1").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Running operations")).to_contain_text("cancelled")
    page.reload()
    expect(row_of(page, job_id)).not_to_contain_text("Killed")


def test_jobs_are_rescheduled_and_deleted(logged_in: Login, alice: User) -> None:
    _submit(alice, "again", more="Parameters = 2;")
    page = logged_in("/jobs?f=JobGroup:eq:again&cols=JobID,Status,RescheduleCounter")
    dialogue = _choose_all(page, 2, "Reschedule")
    expect(dialogue).to_contain_text("This affects 2 jobs.")
    dialogue.get_by_role("button", name="Reschedule").click()
    orders = page.get_by_label("Running operations")
    expect(orders).to_contain_text("Reschedule 2 jobs")
    expect(orders).to_contain_text("done: 2")
    orders.get_by_role("button", name="Close").click()
    dialogue = _choose_all(page, 2, "Delete")
    dialogue.get_by_role("button", name="Delete 2").click()
    expect(orders).to_contain_text("done: 2")
    page.reload()
    expect(page.get_by_role("row").filter(has_text="Waiting")).to_have_count(0)


def test_a_list_is_exported_and_spreadsheets_take_no_text_for_a_formula(
    logged_in: Login, alice: User, tmp_path: Path
) -> None:
    ids = _submit(alice, "taken-home", name="=1+1", more="Parameters = 2;")
    page = logged_in("/jobs?f=JobGroup:eq:taken-home&cols=JobID,JobName&sort=JobID")
    # A dialogue of the system, which no test can answer, is what would come first.
    page.evaluate("delete window.showSaveFilePicker")
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "jobs.csv"
    download.value.save_as(tmp_path / "jobs.csv")
    lines = (tmp_path / "jobs.csv").read_text().split()
    assert lines[0] == "JobID,JobName"
    assert set(lines[1:]) == {f"{job_id},'=1+1" for job_id in ids}


def test_a_list_is_saved_and_shared_under_a_name(logged_in: Login) -> None:
    title = f"What <i>failed</i> {next(NUMBERS)}"
    page = logged_in("/jobs?f=Status:eq:Failed&cols=JobID,Site")
    page.get_by_role("button", name="Saved views").click()
    page.get_by_label("Save this view as").fill(title)
    page.get_by_label("Share with the VO").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name=title, exact=True)).to_be_visible()
    others = logged_in("/sites", user="ada", group="admin")
    others.get_by_role("button", name="Saved views").click()
    dialogue = others.get_by_role("dialog")
    expect(dialogue.get_by_role("listitem").filter(has_text=title)).to_contain_text("by alice")
    dialogue.get_by_role("button", name=title, exact=True).click()
    expect(others).to_have_url(re.compile("/jobs.f=Status:eq:Failed&cols=JobID,Site$"))
    page.get_by_role("button", name=f"Delete {title}").click()
    expect(page.get_by_role("button", name=title, exact=True)).to_have_count(0)


def test_the_output_of_a_job_is_taken_home(logged_in: Login, alice: User, tmp_path: Path) -> None:
    (job_id,) = alice.submit(
        '[ Executable = "/bin/echo"; Arguments = "kept"; StdOutput = "out.txt"; OutputSandbox = {"out.txt"}; ]', "kept"
    )
    alice.run("jobs", "wait", str(job_id))
    page = logged_in(f"/jobs/{job_id}?tab=sandboxes")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "output")
    with tarfile.open(tmp_path / "output") as archive:
        out = archive.extractfile("out.txt")
        assert out is not None
        assert out.read() == b"kept\n"


def test_from_the_login_to_a_kill_by_keyboard_alone(open_context: Callable[..., BrowserContext], alice: User) -> None:
    (job_id,) = _submit(alice, "by-keyboard")
    page = open_context().new_page()
    page.goto("/jobs?f=JobGroup:eq:by-keyboard")
    _tab_to(page, page.get_by_role("combobox", name="Group"))
    page.keyboard.type("user")
    _tab_to(page, page.get_by_role("button", name="Log in"))
    page.keyboard.press("Enter")
    for field in ("#login", "#password"):
        _tab_to(page, page.locator(field))
        page.keyboard.type("alice")
    page.keyboard.press("Enter")
    consent = page.get_by_role("button", name="Allow")
    page.locator(".shell").or_(consent).first.wait_for()
    if consent.is_visible():
        _tab_to(page, consent)
        page.keyboard.press("Enter")
    expect(row_of(page, job_id)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Job {job_id}")).to_be_focused()
    _tab_to(page, page.get_by_label(f"Jobs: {job_id}").get_by_role("button", name="Kill"))
    page.keyboard.press("Enter")
    dialogue = page.get_by_role("dialog", name=f"Kill {job_id}")
    expect(dialogue).to_contain_text("This affects 1 job.")
    _tab_to(page, dialogue.get_by_role("button", name="Kill 1"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Running operations")).to_contain_text("done: 1")
    expect(row_of(page, job_id)).to_contain_text("Killed")


def _tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the keyboard."""
    expect(wanted).to_be_enabled()
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"The keyboard does not reach {wanted}")
