"""Each page and each tab can be used by everybody: light and dark, wide and narrow; pictures go to build/browser."""

import json

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PICTURES, Login, accessibility_problems, settle, store
from tests.infra.expectations import expect
from weyl.demo.installation import SITE
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
# The rules that hang on colours: all that can be wrong with a page in the dark that is right in the light.
COLOURS = ("color-contrast", "link-in-text-block")
PAGES = {
    "home": "/",
    "submit": "/submit",
    "jobs": "/jobs?f=",
    "operations": "/operations",
    "failures": "/failures",
    "accounting": "/accounting",
    "task-queues": "/task-queues",
    "shares": "/shares",
    "limits": "/limits",
    "sites": "/sites",
    "site": f"/sites/{SITE}",
    "ces": "/ces",
    "ses": "/ses",
    "fts": "/fts",
    "pilots": "/pilots?f=",
    "submission": "/submission",
    "hosts": f"/hosts?sel={SITE}|wn13.sick.xx",
    "config": "/config",
    "tasks": "/tasks",
    "schedules": "/schedules",
    "dead-letters": "/dead-letters",
    "logins": "/logins",
    "browsers": "/browsers",
    "nowhere": "/nowhere",
}
TABS = ("overview", "history", "parameters", "requirements", "output", "errors", "sandboxes", "description")


@pytest.fixture(scope="module")
def job(alice: User, stack: Stack) -> int:
    """A job that has run, one that waits for good, a worker node that breaks jobs, and a task that failed for good."""
    (job_id,) = alice.submit(
        '[ Executable = "/bin/echo"; Arguments = "\\\\<b\\\\>"; JobGroup = "seen"; StdOutput = "out.txt";'
        ' OutputSandbox = {"out.txt"}; ]',
        "seen",
    )
    alice.submit('[ Executable = "/bin/echo"; JobGroup = "seen"; NumberOfProcessors = 500; ]', "unseen")
    store(
        stack,
        "INSERT INTO host_health (site, host, score, at, quick_failures, reason)"
        f" VALUES ('{SITE}', 'wn13.sick.xx', 0.1, now(), 9, 'Quick failures in a row') ON CONFLICT DO NOTHING",
        "INSERT INTO task_dead_letters"
        " (id, task, vo, priority, payload, attempts, error, traceback, history, enqueued_at, died_at)"
        " VALUES (999001, 'pilots.plan', 'hep', 0, '{}', 5, 'ConnectError: <b>no route</b>', 'Traceback: line 1',"
        """ '[{"at": "2026-01-01T00:00:00Z", "error": "ConnectError"}]', now(), now()) ON CONFLICT DO NOTHING""",
    )
    alice.run("jobs", "wait", str(job_id))
    return job_id


def look(page: Page, name: str) -> list[str]:
    """Keep a picture of a page in both widths and schemes; returns what is wrong with it."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    wrong = []
    for width, size in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
            settle(page)
            page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", animations="disabled")
            where = f"{name}, {width}, {scheme}"
            rules = COLOURS if scheme == "dark" else ()
            wrong += [f"{where}: {json.dumps(each)}" for each in accessibility_problems(page, rules)]
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                wrong.append(f"{where}: wider than the screen")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    return wrong


def test_everybody_can_use_each_page(logged_in: Login, job: int) -> None:
    page = logged_in("/", user="ada", group="admin")
    wrong: list[str] = []
    for name, path in PAGES.items():
        page.goto(path)
        expect(page.locator("#main > *").first).to_be_visible()
        wrong += look(page, name)
    assert wrong == []


def test_everybody_can_use_each_tab_of_a_job(logged_in: Login, job: int) -> None:
    page = logged_in("/jobs")
    wrong: list[str] = []
    for tab in TABS:
        page.goto(f"/jobs/{job}?tab={tab}")
        expect(page.get_by_role("tab", selected=True)).to_be_visible()
        wrong += look(page, f"job-{tab}")
    assert wrong == []
