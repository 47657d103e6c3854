"""What operators and administrators do in a browser: sites, pilots, hosts, queues, tasks, logins."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Login, row_of, store
from tests.infra.expectations import expect
from tests.infra.waiting import await_that
from weyl.demo.installation import SITE
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

LETTERS = (990_001, 990_002)
HOST = "wn66.bad.xx"
# A pilot that met a closed site comes back after a minute.
STARTS_WITHIN_S = 240.0
# A pilot with a job learns of it when it reports next, at the latest when the job ends.
ENDS_WITHIN_MS = 60_000


@pytest.fixture(scope="module")
def troubles(stack: Stack, alice: User) -> Iterator[None]:
    """A pilot that has run a job, two tasks that failed for good, and a worker node that breaks jobs."""
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; ]', "tried")
    letters = ", ".join(
        f"({number}, 'jobs.housekeeping', NULL, 0, NULL, 5, 'OSError: <b>disk full</b>', 'Traceback of {number}',"
        " '[]', now(), now())"
        for number in LETTERS
    )
    store(
        stack,
        "INSERT INTO task_dead_letters (id, task, vo, priority, payload, attempts, error, traceback, history,"
        f" enqueued_at, died_at) VALUES {letters} ON CONFLICT DO NOTHING",
        "INSERT INTO host_health (site, host, score, at, quick_failures, reason)"
        f" VALUES ('{SITE}', '{HOST}', 0.1, now(), 9, 'Quick failures in a row') ON CONFLICT DO NOTHING",
    )
    alice.run("jobs", "wait", str(job_id))
    yield
    store(stack, f"DELETE FROM host_health WHERE host = '{HOST}'")


@pytest.fixture
def given_back(logged_in: Login, stack: Stack) -> Iterator[None]:
    """The site, which takes jobs again after the test however that ends: other tests need it."""
    yield
    page = _operator(logged_in, "/sites")
    for path in ("/api/rss/status/release", "/api/rss/drain/release"):
        place = [{"kind": "site", "name": SITE}]
        assert page.request.post(path, data=place, headers={"Origin": stack.url}).ok


@pytest.fixture
def at_work(alice: User) -> Iterator[str]:
    """The page of the pilots that run a certain job now: one, until it is deleted."""
    (job_id,) = alice.submit('[ Executable = "/bin/sleep"; Arguments = "600"; ]', "long")
    await_that(
        lambda: alice.jobs([job_id])[0]["Status"] == "Running",
        "the job runs",
        timeout_s=STARTS_WITHIN_S,
        explain=lambda: alice.run("pilots", "submission"),
    )
    yield f"/pilots?f=CurrentJobID:eq:{job_id}"
    alice.run("jobs", "delete", str(job_id), "--yes")


def _operator(logged_in: Login, path: str) -> Page:
    return logged_in(path, user="max", group="operator")


def _keeper(logged_in: Login, path: str) -> Page:
    return logged_in(path, user="ada", group="services-admin")


def _act(page: Page, name: str) -> None:
    """Press a button of what is open or chosen; those that are needed less are in a menu."""
    shown = page.get_by_role("button", name=name, exact=True)
    more = page.get_by_role("button", name="More", exact=True)
    expect(more).to_be_visible()
    if not shown.is_visible():
        more.click()
        page.get_by_role("menuitem", name=name, exact=True).click()
    else:
        shown.click()


def _confirm(page: Page, name: str | re.Pattern[str]) -> None:
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_role("button", name=name).click()
    expect(dialogue).to_have_count(0)


def test_those_without_the_property_see_no_order_and_no_page_of_administrators(
    logged_in: Login, troubles: None
) -> None:
    page = logged_in(f"/sites/{SITE}")
    expect(page.get_by_role("heading", name=f"Site {SITE}")).to_be_visible()
    expect(page.get_by_role("tab", name="History")).to_be_visible()
    expect(page.get_by_role("button", name="Ban")).to_have_count(0)
    expect(page.get_by_role("link", name="Dead letters")).to_have_count(0)
    page.goto("/dead-letters")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()


def test_queues_are_shown_as_they_change_to_those_who_see_no_jobs(logged_in: Login, alice: User) -> None:
    page = _keeper(logged_in, "/task-queues")
    expect(page.get_by_role("button", name=re.compile("^live: "))).to_be_visible()
    (job_id,) = alice.submit('[ Executable = "/bin/true"; NumberOfProcessors = 99; ]', "live")
    queue = page.get_by_role("row").filter(has=page.get_by_role("cell", name=str(job_id), exact=True))
    expect(queue).to_be_visible()
    alice.run("jobs", "kill", str(job_id), "--yes")
    expect(queue).to_have_count(0)


def test_who_may_speak_for_every_vo_is_asked_and_others_are_not(logged_in: Login, troubles: None) -> None:
    page = _operator(logged_in, f"/sites/{SITE}")
    _act(page, "Ban")
    expect(page.get_by_role("dialog").get_by_label("Reason")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_label("Applies to")).to_have_count(0)
    page = logged_in(f"/sites/{SITE}", user="ada", group="services-admin")
    _act(page, "Ban")
    choices = page.get_by_role("dialog").get_by_label("Applies to").locator("option")
    expect(choices).to_have_text(["Your VO", "Every VO"])


def test_a_site_is_banned_with_a_reason_until_a_time_and_taken_back(
    logged_in: Login, troubles: None, given_back: None
) -> None:
    page = _operator(logged_in, f"/sites/{SITE}")
    _act(page, "Ban")
    dialogue = page.get_by_role("dialog")
    expect(dialogue).to_contain_text("can be lifted at any time, with Lift ban or weyl sites allow: by you, by every")
    expect(dialogue.get_by_label("I understand that this cannot be undone")).to_have_count(0)
    dialogue.get_by_role("button", name="Ban").click()
    expect(dialogue).to_contain_text("This field is required.")
    dialogue.get_by_label("Reason").fill("<b>Cooling</b> is being repaired")
    dialogue.get_by_label("Until").fill("2031-05-06T07:08")
    _confirm(page, re.compile("^Ban"))
    expect(page.get_by_text("Banned", exact=True).first).to_be_visible()
    expect(page.get_by_role("tabpanel")).to_contain_text("<b>Cooling</b> is being repaired")
    page.get_by_role("tab", name="Why this status").click()
    expect(page.get_by_role("row").filter(has_text="Cooling")).to_contain_text("max")
    page.goto("/sites")
    expect(page.get_by_role("row").filter(has_text=SITE)).to_contain_text("2031")
    page.goto(f"/sites/{SITE}?tab=history")
    _act(page, "Lift ban")
    _confirm(page, "Lift ban")
    expect(page.get_by_text("Active", exact=True).first).to_be_visible()


def test_a_site_drains_until_that_is_stopped(logged_in: Login, troubles: None, given_back: None) -> None:
    page = _operator(logged_in, "/sites")
    page.get_by_role("checkbox", name=f"Select {SITE}").check()
    chosen = page.get_by_label("Selected rows")
    chosen.get_by_role("button", name="Drain", exact=True).click()
    page.get_by_label("Reason").fill("A new kernel")
    _confirm(page, "Drain")
    page.goto(f"/sites/{SITE}")
    expect(page.get_by_role("tabpanel")).to_contain_text("Drainingyes")
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("A new kernel")
    page.get_by_role("tab", name="Overview").click()
    _act(page, "Stop draining")
    _confirm(page, "Stop draining")
    expect(page.get_by_role("tabpanel")).to_contain_text("Drainingno")


def test_a_pilot_shows_its_jobs_and_its_log_and_is_drained(logged_in: Login, at_work: str) -> None:
    page = _operator(logged_in, at_work)
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(page).to_have_url(re.compile("/pilots/[0-9a-f]{32}"))
    page.get_by_role("tab", name="Jobs").click()
    expect(page.get_by_role("tabpanel").get_by_role("row").nth(1)).to_contain_text("alice")
    page.get_by_role("tab", name="Log", exact=True).click()
    expect(page.get_by_role("tabpanel")).not_to_be_empty()
    _act(page, "Drain")
    _confirm(page, "Drain")
    expect(page.get_by_role("status").filter(has_text="Drain: done.")).to_be_visible()
    _act(page, "Stop draining")
    _confirm(page, "Stop draining")


def test_a_pilot_that_is_revoked_ends(logged_in: Login, at_work: str) -> None:
    page = _operator(logged_in, at_work)
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    _act(page, "Revoke")
    page.get_by_role("dialog").get_by_label("I understand that this cannot be undone").check()
    _confirm(page, re.compile("^Revoke"))
    expect(page.get_by_role("status").filter(has_text="Revoke: done.")).to_be_visible()
    expect(page.get_by_role("button", name="Revoke", exact=True)).to_have_count(0, timeout=ENDS_WITHIN_MS)


def test_a_host_that_breaks_jobs_is_found_and_its_pilots_are_drained(logged_in: Login, troubles: None) -> None:
    page = _operator(logged_in, "/hosts")
    row = page.get_by_role("row").filter(has_text=HOST)
    expect(row).to_contain_text("no jobs")
    row.get_by_text(HOST).click()
    expect(page.get_by_role("tabpanel")).to_contain_text("Quick failures in a row")
    _act(page, "Drain its pilots")
    _confirm(page, "Drain its pilots")
    expect(page.get_by_role("status").filter(has_text="Drain its pilots: done.")).to_be_visible()


def test_waiting_jobs_are_found_by_what_they_need_and_by_whose_turn_it_is(
    logged_in: Login, alice: User, troubles: None
) -> None:
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; NumberOfProcessors = 500; JobType = "Test"; ]', "queued")
    page = logged_in("/task-queues?f=owner:eq:alice&f=job_type:eq:Test", "ada", "jobs-admin")
    row = page.get_by_role("row").filter(has_text="Test")
    expect(row).to_contain_text("alice")
    row.get_by_text("Test").click()
    page.get_by_role("tab", name="Why?").click()
    expect(page.get_by_role("tabpanel")).to_contain_text(re.compile("core|processor", re.IGNORECASE))
    page.get_by_role("tab", name="Waiting jobs of this owner").click()
    expect(page.get_by_role("tabpanel").get_by_text(str(job_id), exact=True)).to_be_visible()
    page.goto("/shares")
    page.get_by_role("row").filter(has_text="user").first.get_by_text("user").click()
    page.get_by_role("tab", name="Waiting jobs").click()
    expect(page.get_by_role("tabpanel").get_by_text(str(job_id), exact=True)).to_be_visible()
    page.goto("/limits")
    expect(page.get_by_text("No limits.")).to_be_visible()
    alice.run("jobs", "kill", str(job_id), "--yes")


def test_the_queue_is_rebuilt(logged_in: Login, alice: User) -> None:
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; NumberOfProcessors = 500; JobType = "Hospital"; ]', "anew")
    page = _keeper(logged_in, "/task-queues?f=job_type:eq:Hospital")
    expect(row_of(page, job_id)).to_be_visible()
    page.get_by_role("button", name="Rebuild queue").click()
    _confirm(page, re.compile("^Rebuild queue"))
    expect(page.get_by_role("status").filter(has_text="Rebuild queue: done.")).to_be_visible()
    expect(row_of(page, job_id)).to_be_visible()
    alice.run("jobs", "kill", str(job_id), "--yes")


def test_what_failed_for_good_is_read_run_again_and_discarded(logged_in: Login, troubles: None) -> None:
    page = _keeper(logged_in, "/dead-letters")
    replayed, discarded = LETTERS
    expect(row_of(page, replayed)).to_contain_text("OSError: <b>disk full</b>")
    row_of(page, replayed).get_by_text("jobs.housekeeping").click()
    page.get_by_role("tab", name="Traceback").click()
    expect(page.get_by_role("tabpanel")).to_contain_text(f"Traceback of {replayed}")
    _act(page, "Retry")
    _confirm(page, "Retry")
    expect(row_of(page, replayed)).to_have_count(0)
    page.goto("/dead-letters")
    page.get_by_role("checkbox", name=f"Select {discarded}").check()
    page.get_by_label("Selected rows").get_by_role("button", name="Discard").click()
    page.get_by_label("I understand that this cannot be undone").check()
    _confirm(page, re.compile("^Discard"))
    expect(row_of(page, discarded)).to_have_count(0)


def test_a_task_is_run_now_and_what_it_gets_is_checked(logged_in: Login, troubles: None) -> None:
    page = _keeper(logged_in, "/tasks/jobs.housekeeping")
    _act(page, "Run now")
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_label("Payload").fill("nothing")
    dialogue.get_by_role("button", name="Run now").click()
    expect(dialogue).to_contain_text("Enter a JSON object")
    dialogue.get_by_label("Payload").fill("")
    _confirm(page, "Run now")
    expect(page.get_by_role("status").filter(has_text="Run now: done.")).to_be_visible()
    page.get_by_role("tab", name="Schedules").click()
    expect(page.get_by_role("tabpanel").get_by_role("row").nth(1)).to_contain_text("jobs.housekeeping")


def test_a_login_is_ended_from_another_browser(logged_in: Login) -> None:
    lost = logged_in("/jobs", fresh=True)
    page = logged_in("/browsers", fresh=True)
    page.get_by_role("columnheader", name="Logged in").get_by_role("button").click()
    page.get_by_role("columnheader", name="Logged in").get_by_role("button").click()
    others = page.get_by_role("row").filter(has=page.get_by_text("no", exact=True))
    others.first.get_by_role("checkbox").check()
    page.get_by_label("Selected rows").get_by_role("button", name="Log out").click()
    page.get_by_label("I understand that this cannot be undone").check()
    _confirm(page, re.compile("^Log out"))
    lost.reload()
    expect(lost.get_by_role("dialog", name="Your login has ended")).to_be_visible()
    page.goto("/logins")
    expect(page.get_by_role("row").nth(1)).to_contain_text("group:user")
