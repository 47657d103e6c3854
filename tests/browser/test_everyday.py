"""Twelve everyday tasks in a browser, each in as many steps as `docs/user/everyday.md` says that it takes."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.conftest import Login, begin_change, commit_change, row_of
from tests.infra.expectations import expect
from tests.infra.waiting import await_that
from weyl.demo.main_job import User
from weyl.demo.processes import ComponentFailed

# A minute of clicks that the other journeys make one by one; the same tasks are typed in the quick suite.
pytestmark = pytest.mark.long

TOLD = (Path(__file__).resolve().parents[2] / "docs" / "user" / "everyday.md").read_text()
# Nothing runs there: what becomes of it is nobody else's trouble.
PLACE = "LCG.Small.org"
COUNT = """[
  JobGroup = "count"; Executable = "count.sh"; Arguments = "%s"; InputSandbox = {"count.sh"};
  Parameters = 200; ParameterStart = 1; ParameterStep = 1; NumberOfProcessors = 500;
]"""
PICKS = """[
  JobGroup = "picks"; Executable = "/bin/sh"; Arguments = "-c 'echo picked >picked.txt; test %s != 3'";
  Parameters = 3; ParameterStart = 1; ParameterStep = 1; OutputSandbox = {"picked.txt"};
]"""
GREET = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: echo
inputs:
  greeting: {type: string, inputBinding: {position: 1}}
  times: {type: int, inputBinding: {position: 2}}
outputs: {said: {type: stdout}}
stdout: said.txt
"""
LIMIT = '    Matching: {Limits: [{Owner: "*", Count: 500}]}'


class Steps:
    """Counts what somebody does on a page: clicks, and entries into a field."""

    def __init__(self) -> None:
        self.taken = 0

    def click(self, what: Locator) -> None:
        """Click on something."""
        self.taken += 1
        what.click()

    def enter(self, where: Locator, what: str) -> None:
        """Type a text, or put it in place of another."""
        self.taken += 1
        where.fill(what)

    def ask(self, page: Page, query: str) -> None:
        """Type a filter, and the key that ends it."""
        field = page.get_by_label("Filter", exact=True)
        self.enter(field, query)
        field.press("Enter")

    def choose(self, where: Locator, option: str) -> None:
        """Choose one of several."""
        self.taken += 1
        where.select_option(option)

    def choose_files(self, page: Page, files: list[Path]) -> None:
        """Press the button, and choose files in the window that opens."""
        with page.expect_file_chooser() as chooser:
            self.click(page.get_by_role("button", name="Choose files"))
        self.taken += 1
        chooser.value.set_files(files)


def told(task: str) -> list[int]:
    """Return the numbers of steps on the pages that the documentation tells of a task."""
    [line] = re.findall(
        rf"^## {re.escape(task)}\n.*?^\| command line[^|]*\| page ([^|]*)\|$", TOLD, re.DOTALL | re.MULTILINE
    )
    return [int(number) for number in re.findall(r"(\d+) (?:steps?|more)\b", line)]


@pytest.fixture(scope="module")
def picks(alice: User) -> list[int]:
    """Three jobs, of which one fails, that run while the first journeys are made."""
    return alice.submit(PICKS, "picks")


@pytest.fixture(scope="module")
def count(alice: User) -> Iterator[None]:
    """The jobs that wait for good are of no use to others."""
    yield
    alice.run("jobs", "kill", "--job-group", "count", "--yes")


def _row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def _chosen(page: Page, button: str) -> Locator:
    return page.get_by_label("Selected rows").get_by_role("button", name=button)


def _in_dialogue(page: Page, button: str) -> Locator:
    return page.get_by_role("dialog").get_by_role("button", name=button)


def _select_all(page: Page) -> Locator:
    return page.get_by_role("checkbox", name="Select all loaded rows")


def test_submit_200_jobs_with_an_input_file(logged_in: Login, picks: list[int], count: None, tmp_path: Path) -> None:
    files = [tmp_path / "count.sh", tmp_path / "lines.txt"]
    files[0].write_text('#!/bin/sh\nwc -l <lines.txt >"count-$1.txt"\n')
    files[1].write_text("one\ntwo\n")
    page, steps = logged_in("/submit"), Steps()
    steps.choose_files(page, files)
    steps.enter(page.get_by_label("Job description in JDL", exact=True), COUNT)
    steps.click(page.get_by_role("button", name="Submit", exact=True))
    expect(page.get_by_role("status").filter(has_text="200 jobs submitted")).to_be_visible()
    assert [steps.taken] == told("Submit 200 jobs with an input file")


def test_watch_a_group_to_its_end(logged_in: Login, picks: list[int]) -> None:
    page, steps = logged_in("/job-groups"), Steps()
    steps.click(_row(page, "picks").get_by_text("picks"))
    jobs = page.get_by_role("tabpanel").get_by_role("row")
    # Two end well and one does not, which is seen without a reload.
    expect(jobs.filter(has_text="Done")).to_have_count(2)
    expect(jobs.filter(has_text="Failed")).to_have_count(1)
    expect(_row(page, "picks").first).to_contain_text("100")
    assert [steps.taken] == told("Watch a group to its end")


def test_fetch_outputs(logged_in: Login, alice: User, picks: list[int]) -> None:
    alice.run("jobs", "wait", str(picks[0]))
    page, steps = logged_in(f"/jobs?f=JobID:eq:{picks[0]}"), Steps()
    steps.click(row_of(page, picks[0]).get_by_text("Done"))
    steps.click(page.get_by_role("tab", name="Sandboxes"))
    with page.expect_download() as download:
        steps.click(page.get_by_role("listitem").filter(has_text="Output").get_by_role("button", name="Download"))
    assert download.value.path().stat().st_size > 0
    assert [steps.taken] == told("Fetch outputs into folders")


def test_find_out_why_jobs_wait(logged_in: Login, count: None) -> None:
    page, steps = logged_in("/jobs"), Steps()
    steps.ask(page, "JobGroup = count")
    expect(page.get_by_text("200 jobs", exact=True)).to_be_visible()
    rows = page.get_by_role("table", name="Jobs").get_by_role("row")
    panel = page.get_by_role("tabpanel")
    steps.click(rows.nth(1).get_by_text("Waiting"))
    steps.click(page.get_by_role("tab", name="Why?"))
    expect(panel).to_contain_text("offers cores")
    # The next ones show why at once.
    steps.click(rows.nth(2).get_by_text("Waiting"))
    expect(panel).to_contain_text("offers cores")
    steps.click(rows.nth(3).get_by_text("Waiting"))
    expect(panel).to_contain_text("offers cores")
    assert [steps.taken] == told("Find out why jobs wait")


def test_kill_by_filter_and_take_it_back(logged_in: Login, count: None) -> None:
    page, steps = logged_in("/jobs"), Steps()
    steps.ask(page, "JobGroup = count")
    expect(page.get_by_text("200 jobs", exact=True)).to_be_visible()
    steps.click(_select_all(page))
    # A hundred are loaded so far.
    steps.click(page.get_by_role("button", name="Select all 200 matching"))
    steps.click(_chosen(page, "Kill"))
    expect(page.get_by_role("dialog")).to_contain_text("This affects 200 jobs.")
    steps.click(_in_dialogue(page, "Kill 200"))
    ordered = steps.taken
    steps.click(page.get_by_role("button", name="Undo"))
    expect(page.get_by_label("Running operations")).to_contain_text("cancelled")
    assert [ordered, steps.taken - ordered] == told("Kill by filter, and take it back")
    expect(_row(page, "Killed")).to_have_count(0)


def test_find_out_what_failed_and_its_cure(logged_in: Login, alice: User, picks: list[int]) -> None:
    with suppress(ComponentFailed):  # the command fails as the job does
        alice.run("jobs", "wait", *map(str, picks))
    page, steps = logged_in("/failures"), Steps()
    kind = page.get_by_label("Kinds of failures").get_by_role("row").filter(has_text="Exited With Status 1")
    expect(kind.first).to_contain_text("Read the last lines of its error output")
    steps.click(kind.get_by_role("link", name=re.compile("Exited With Status 1$")))
    expect(row_of(page, picks[2])).to_be_visible()
    assert [steps.taken] == told("Find out what failed, and its cure")


def test_resubmit_the_failed(logged_in: Login, picks: list[int]) -> None:
    page, steps = logged_in("/jobs"), Steps()
    steps.ask(page, "JobGroup = picks and Status = Failed")
    expect(row_of(page, picks[2])).to_be_visible()
    steps.click(_select_all(page))
    steps.click(_chosen(page, "Reschedule"))
    steps.click(_in_dialogue(page, "Preview"))
    expect(page.get_by_role("dialog")).to_contain_text("This affects 1 job.")
    steps.click(_in_dialogue(page, "Reschedule"))
    expect(page.get_by_label("Running operations")).to_contain_text("done: 1")
    assert [steps.taken] == told("Resubmit the failed")


def test_submit_a_cwl_document_and_read_its_outputs(logged_in: Login) -> None:
    page, steps = logged_in("/submit"), Steps()
    steps.click(page.get_by_text("CWL", exact=True))
    steps.enter(page.get_by_label("Workflow in CWL", exact=True), GREET)
    steps.enter(page.locator("input[name=greeting]"), "hello")
    steps.enter(page.locator("input[name=times]"), "3")
    steps.click(page.get_by_role("button", name="Submit", exact=True))
    steps.click(page.get_by_role("link", name="View job"))
    steps.click(page.get_by_role("tab", name="Outputs"))
    said = page.get_by_role("tabpanel").get_by_role("listitem").filter(has_text="said.txt")
    expect(said).to_be_visible()
    with page.expect_download() as download:
        steps.click(page.get_by_role("button", name="Download said.txt"))
    assert download.value.path().read_text() == "hello 3\n"
    assert [steps.taken] == told("Submit a CWL document, and read its outputs")


@pytest.fixture
def samples(logged_in: Login, alice: User) -> Iterator[list[str]]:
    """Two files with metadata, for the length of a test: others count those of alice."""
    manager = logged_in("/", user="ada", group="files-admin")
    field = {"name": "Sample", "type": "text", "on": "both"}
    origin = {"Origin": re.sub(r"(//[^/]+)/.*", r"\1", manager.url)}
    assert manager.request.post("/api/files/fields", data=field, headers=origin).status in (201, 409)
    names = ["count-1.txt", "count-2.txt"]
    for name in names:
        (alice.directory / name).write_text(f"{name}\n")
    alice.run("data", "put", *names, "samples/", "--meta", "Sample=counts")
    yield names
    alice.run("data", "rm", *(f"samples/{name}" for name in names), "--yes")
    alice.run("data", "rmdir", "samples")


def test_find_files_by_metadata_and_send_jobs_over_them(logged_in: Login, samples: list[str]) -> None:
    page, steps = logged_in("/submit"), Steps()
    editor = page.get_by_label("Job description in JDL", exact=True)
    editor.fill("[ not finished")
    page.goto("/files")
    steps.ask(page, "Sample = counts")
    expect(page.get_by_role("table", name="Files").get_by_role("row")).to_have_count(len(samples) + 1)
    steps.click(_select_all(page))
    steps.click(_chosen(page, "Submit jobs"))
    expect(editor).to_have_value(re.compile(r'Parameters = \{\s+"/hep/.*/samples/count-\d.txt",'))
    steps.enter(editor, editor.input_value().replace('"-l"', '"-lh"'))
    steps.click(page.get_by_role("button", name="Submit", exact=True))
    expect(page.get_by_role("status").filter(has_text="2 jobs submitted")).to_be_visible()
    assert [steps.taken] == told("Find files by metadata, and send jobs over them")
    # What had been written there before is not lost.
    page.get_by_role("button", name="Restore my text").click()
    expect(editor).to_have_value("[ not finished")


@pytest.fixture
def configured(logged_in: Login) -> Iterator[Page]:
    """The page of the configuration, which has one site more for the length of a test."""
    page = logged_in("/config?tab=edit", user="ada", group="config-admin")
    before = begin_change(page)
    commit_change(page, before.replace("\n  Sites:\n", f"\n  Sites:\n    {PLACE}: {{CEs: {{}}}}\n", 1), "A small site")
    expect(page.get_by_role("button", name="A small site")).to_be_visible()
    yield page
    page.goto("/config?tab=edit")
    begin_change(page)
    commit_change(page, before, "As it was")
    expect(page.get_by_role("button", name="As it was")).to_be_visible()


def test_ban_a_site_for_two_hours(logged_in: Login, configured: Page) -> None:
    page, steps = logged_in("/sites", user="max", group="operator"), Steps()
    steps.click(_row(page, PLACE).get_by_text(PLACE))
    steps.click(page.get_by_role("button", name="Ban", exact=True))
    steps.enter(page.get_by_role("dialog").get_by_label("Reason"), "power cut")
    steps.click(_in_dialogue(page, "2 hours"))
    steps.click(_in_dialogue(page, "Ban"))
    expect(page.get_by_role("tabpanel")).to_contain_text("power cut")
    claims = page.request.get("/api/rss/why", params={"kind": "site", "name": PLACE}).json()["claims"]
    [until] = [datetime.fromisoformat(each["expires_at"]) for each in claims if each["reason"] == "power cut"]
    assert abs(until - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=3)
    banned = steps.taken
    steps.click(page.get_by_role("button", name="Lift ban", exact=True))
    steps.click(_in_dialogue(page, "Lift ban"))
    expect(page.get_by_role("tabpanel")).not_to_contain_text("power cut")
    assert [banned, steps.taken - banned] == told("Ban a site for two hours")


def test_see_who_used_what_last_week(logged_in: Login, alice: User, picks: list[int]) -> None:
    alice.run("jobs", "wait", str(picks[0]))
    page, steps = logged_in("/accounting", user="max", group="operator"), Steps()
    steps.choose(page.get_by_label("Split by"), "Owner")
    steps.choose(page.get_by_label(re.compile("^Last")), "7 days")
    expect(page.get_by_label("The numbers of the plot").get_by_role("row", name="alice")).to_be_visible()
    assert [steps.taken] == told("See who used what last week")


def test_change_a_limit(logged_in: Login) -> None:
    page, steps = logged_in("/config", user="ada", group="config-admin"), Steps()
    steps.click(page.get_by_role("tab", name="Edit"))
    text = begin_change(page)
    field = page.get_by_label("The configuration as YAML", exact=True)
    steps.enter(field, text.replace("  Defaults:\n", f"  Defaults:\n{LIMIT}\n", 1))
    steps.click(page.get_by_role("button", name="Review changes"))
    expect(page.get_by_label("What would change")).to_contain_text("+    Matching")
    steps.enter(page.get_by_label("Reason for the change"), "At most 500 jobs of each owner")
    steps.click(page.get_by_role("button", name="Commit changes"))
    expect(page.get_by_role("button", name="At most 500 jobs of each owner")).to_be_visible()
    assert [steps.taken] == told("Change a limit")
    limits = logged_in("/", user="ada", group="admin")
    # The matcher takes it up a moment after the commit; the page of limits does not change by itself.
    await_that(lambda: limits.request.get("/api/matcher/limits").json(), "the new limit")
    limits.goto("/limits")
    expect(_row(limits, "500").first).to_be_visible()
    page.goto("/config?tab=edit")
    begin_change(page)
    commit_change(page, text, "As it was before")
    expect(page.get_by_role("button", name="As it was before")).to_be_visible()
