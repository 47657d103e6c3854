"""Each page for each kind of person: it is there for those who may see it, complete, and for nobody else."""

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Response

from tests.browser.conftest import JOBS, PICTURES, Login, row_of, settle
from tests.infra.expectations import expect
from weyl.demo.installation import SITE
from weyl.demo.main_job import User

ROLES = {
    "user": ("alice", "user"),
    "operator": ("max", "operator"),
    "jobs-admin": ("ada", "jobs-admin"),
    "config-admin": ("ada", "config-admin"),
    "services-admin": ("ada", "services-admin"),
    "admin": ("ada", "admin"),
}
EVERYBODY = {"/", "/ces", "/ses", "/fts", "/pilots", "/submission", "/hosts", "/config", "/logins", "/browsers"}
EVERYBODY |= {"/storage-elements"}
OF_JOBS = {"/jobs", "/job-groups", "/operations", "/failures", "/accounting", "/sites"}
OF_DATA = {"/files", "/metadata-fields"}
OF_QUEUES = {"/task-queues", "/shares", "/limits"}
OF_SERVICES = {"/tasks", "/schedules", "/dead-letters"}
SEEN = {
    "user": EVERYBODY | OF_JOBS | OF_DATA | {"/submit"},
    "operator": EVERYBODY | OF_JOBS | OF_DATA | {"/submit"},
    "jobs-admin": EVERYBODY | OF_JOBS | OF_QUEUES,
    "config-admin": EVERYBODY,
    "services-admin": EVERYBODY | OF_QUEUES | OF_SERVICES | {"/accounting", "/sites"},
    "admin": EVERYBODY | OF_JOBS | OF_DATA | OF_QUEUES | OF_SERVICES | {"/submit"},
}
# Those whose the job is, and administrators of jobs, read all that there is about one.
READ_JOBS = ("user", "jobs-admin", "admin")
# Lists as they are with nothing filtered out: all the jobs there are.
WHOLE = {"/jobs": "/jobs?f=", "/pilots": "/pilots?f="}
SLOWEST = 5
# In the navigation; related pages are tabs of one entry.
ENTRIES_MAX = 12
# What each of them sees besides is in its token's permissions, which the tests of the rooms ask about.
OFTEN = ("user", "admin")
EVERY_ROLE = [pytest.param(role, marks=[] if role in OFTEN else [pytest.mark.long]) for role in ROLES]


@pytest.fixture(scope="module")
def taken() -> Iterator[dict[str, float]]:
    """Seconds that each page took, by role and address; printed and kept beside the pictures."""
    figures: dict[str, float] = {}
    yield figures
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "pages.json").write_text(json.dumps({"jobs": JOBS, "seconds": figures}, indent=1) + "\n")
    slowest = sorted(figures.items(), key=lambda each: -each[1])[:SLOWEST]
    print(f"With {JOBS:,} jobs of others the slowest of {len(figures)} pages:", *slowest, sep="\n")


@pytest.fixture(scope="module")
def job(alice: User) -> int:
    """A job that has run on a pilot, which is running still."""
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; JobGroup = "everybodys"; ]', "everybodys")
    alice.run("jobs", "wait", str(job_id))
    return job_id


class Refusals:
    """What pages have asked for in vain: a page asks for nothing that its reader may not see."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("response", self._note)

    def _note(self, answer: Response) -> None:
        if answer.status >= 400:
            self.found.append(f"{answer.status} {answer.request.method} {answer.url}")


def _addresses(links: Locator) -> set[str]:
    """Where links lead, all read in one moment: the menu grows while the views of the server arrive."""
    return set(links.evaluate_all("links => links.map(link => link.getAttribute('href'))"))


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_the_pages_of_a_role_are_there_and_no_others(
    logged_in: Login, job: int, taken: dict[str, float], role: str
) -> None:
    page = logged_in("/", *ROLES[role])
    refusals = Refusals(page)
    menu = page.get_by_role("navigation", name="Pages").get_by_role("link")
    expect(menu.filter(has_text="Configuration")).to_be_visible()
    settle(page)
    led_to = _addresses(menu)
    assert len(led_to) <= ENTRIES_MAX
    for path in sorted(set.union(*SEEN.values())):
        began = time.monotonic()
        page.goto(WHOLE.get(path, path))
        expect(page.locator("#main h1").first).to_be_visible()
        settle(page)
        if path in SEEN[role]:
            taken[f"{role} {path}"] = round(time.monotonic() - began, 2)
            expect(page.get_by_role("alert")).to_have_count(0)
            tabs = page.locator("#main > nav").get_by_role("link")
            led_to |= _addresses(tabs)
            if tabs.count():
                expect(tabs.and_(page.locator("[aria-current=page]"))).to_have_count(1)
            expect(menu.and_(page.locator("[aria-current]"))).to_have_count(1)
        nowhere = page.get_by_role("heading", name="Page not found")
        expect(nowhere).to_have_count(0 if path in SEEN[role] else 1)
    assert led_to == SEEN[role]
    assert refusals.found == []


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_every_tab_that_a_role_is_shown_has_something_to_say(logged_in: Login, job: int, role: str) -> None:
    page = logged_in("/pilots?f=", *ROLES[role])
    pilot = page.get_by_role("row").nth(1).get_by_role("link").first.get_attribute("href")
    refusals = Refusals(page)
    of_job = [f"/jobs/{job}"] if role in READ_JOBS else []
    of_site = [f"/sites/{SITE}"] if "/sites" in SEEN[role] else []
    for path in [*of_job, *of_site, str(pilot), *(["/tasks/pilots.plan"] if "/tasks" in SEEN[role] else [])]:
        page.goto(path)
        expect(page.get_by_role("tab", selected=True)).to_be_visible()
        for tab in page.get_by_role("tab").all():
            tab.click()
            settle(page)
            expect(page.get_by_role("tabpanel")).not_to_be_empty()
            expect(page.get_by_role("tabpanel").get_by_role("alert")).to_have_count(0)
            expect(page.get_by_text("Your group has no access to this.")).to_have_count(0)
    assert refusals.found == []


def test_what_is_inside_a_job_of_somebody_else_is_refused_in_words(logged_in: Login, job: int) -> None:
    page = logged_in(f"/jobs/{job}", *ROLES["operator"])
    expect(page.get_by_role("tabpanel")).to_contain_text("alice")
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("tabpanel").get_by_role("alert")).to_contain_text("not yours")


def test_administrators_of_jobs_look_after_the_jobs_of_others(logged_in: Login, alice: User) -> None:
    stays = '[ Executable = "/bin/echo"; JobGroup = "looked-after"; NumberOfProcessors = 500; Parameters = 3; ]'
    ids = alice.submit(stays, "looked-after")
    page = logged_in("/jobs?f=JobGroup:eq:looked-after&cols=JobID,Status,Owner", *ROLES["jobs-admin"])
    expect(page.get_by_role("row").filter(has_text="alice")).to_have_count(3)
    page.get_by_role("checkbox", name="Select all loaded rows").click()
    page.get_by_label("Selected rows").get_by_role("button", name="Kill", exact=True).click()
    dialogue = page.get_by_role("dialog")
    # Whose they are stands in the preview.
    expect(dialogue).to_contain_text("alice")
    dialogue.get_by_role("button", name="Kill 3").click()
    expect(page.get_by_label("Running operations")).to_contain_text("done: 3")
    page.goto(f"/jobs/{ids[0]}?tab=history")
    expect(page.get_by_role("tabpanel")).to_contain_text("Killed")
    # Another user sees them and gives no orders about them.
    other = logged_in(f"/jobs?f=JobID:eq:{ids[1]}", "bob", "user")
    row_of(other, ids[1]).get_by_role("checkbox").check()
    other.get_by_label("Selected rows").get_by_role("button", name="Delete", exact=True).click()
    dialogue = other.get_by_role("dialog")
    expect(dialogue).to_contain_text("This affects 0 jobs.")


@pytest.mark.skipif(not JOBS, reason="takes jobs of others")
def test_very_many_jobs_are_deleted_after_their_number_was_typed(logged_in: Login) -> None:
    page = logged_in("/jobs?f=JobGroup:eq:group0&cols=JobID,Status,Owner", *ROLES["jobs-admin"])
    page.get_by_role("checkbox", name="Select all loaded rows").click()
    chosen = page.get_by_label("Selected rows")
    chosen.get_by_role("button", name="Select all").click()
    expect(chosen).to_contain_text("matching")
    chosen.get_by_role("button", name="Delete", exact=True).click()
    dialogue = page.get_by_role("dialog", name="Delete all matching")
    number = f"{min(JOBS, 5_000):,}"
    expect(dialogue).to_contain_text(f"This affects {number} jobs.")
    order = dialogue.get_by_role("button", name=f"Delete {number}")
    expect(order).to_be_disabled()
    dialogue.get_by_label(f"Type {number} to confirm").fill(number)
    order.click()
    expect(page.get_by_label("Running operations")).to_contain_text(f"done: {number}", timeout=60_000)


def test_administrators_end_the_login_of_somebody_else(logged_in: Login) -> None:
    theirs = logged_in("/jobs", "bob", "user", fresh=True)
    session = theirs.evaluate("async () => (await (await fetch('/api/auth/web/me')).json()).session_id")
    page = logged_in(f"/browsers?f=session_id:eq:{session}&cols=session_id,user,group", *ROLES["admin"])
    row = page.get_by_role("row").filter(has_text=session)
    expect(row).to_contain_text("bob")
    row.get_by_role("checkbox").check()
    page.get_by_label("Selected rows").get_by_role("button", name="Log out").click()
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_label("I understand that this cannot be undone").check()
    dialogue.get_by_role("button", name="Log out").click()
    expect(dialogue).to_have_count(0)
    theirs.reload()
    expect(theirs.get_by_role("dialog", name="Your login has ended")).to_be_visible()
