"""What goes wrong is said in words, and nothing that was typed is lost."""

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Login, fill_the_forms, row_of, store
from tests.faults.proxy import FaultProxy
from tests.infra.expectations import expect
from tests.infra.waiting import await_that
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

EDITOR = "Job description in JDL"
ENDED_WITHIN_S = 30
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(scope="module")
def job(alice: User) -> int:
    """A job that has run and whose every text is a script."""
    (job_id,) = alice.submit(
        f'[ Executable = "/bin/echo"; Arguments = "\'{SCRIPT}\'"; JobName = "{SCRIPT}"; JobGroup = "{SCRIPT[:20]}";'
        ' StdOutput = "out"; StdError = "err"; OutputSandbox = {"out"}; ]',
        "scripts",
    )
    alice.run("jobs", "wait", str(job_id))
    return job_id


@pytest.fixture
def link(stack: Stack) -> Iterator[FaultProxy]:
    """The network between a browser and the server; on the same host, because logins hold for all ports of it."""
    host, _, port = stack.url.removeprefix("http://").partition(":")
    with FaultProxy((host, int(port)), host=host) as proxy:
        yield proxy


def _session_of(page: Page) -> str:
    return str(page.evaluate("async () => (await (await fetch('/api/auth/web/me')).json()).session_id"))


def _wait_until_refused(page: Page) -> None:
    """Wait until the server knows that a login has ended: it remembers for seconds who is logged in."""
    me = "/api/auth/web/me"
    await_that(lambda: page.context.request.get(me).status == 401, "the login ends", timeout_s=ENDED_WITHIN_S)


def test_scripts_stay_text_wherever_a_job_shows_them(logged_in: Login, job: int) -> None:
    page = logged_in(f"/jobs?f=JobID:eq:{job}&cols=JobID,JobName,JobGroup&by=JobGroup")
    page.on("dialog", lambda dialog: pytest.fail(f"A script ran: {dialog.message}"))
    expect(row_of(page, job)).to_contain_text(SCRIPT)
    for tab in ("overview", "description", "output", "parameters", "requirements"):
        page.goto(f"/jobs/{job}?tab={tab}")
        expect(page.get_by_role("tab", selected=True)).to_be_visible()
        expect(page.locator(".waiting")).to_have_count(0)
        if tab in ("overview", "description"):
            expect(page.get_by_role("tabpanel")).to_contain_text("onerror=alert(1)>")
        assert page.locator("#main img, #main script").count() == 0


def test_a_filter_of_ten_thousand_characters_is_answered_in_words_and_stays(logged_in: Login) -> None:
    page = logged_in("/jobs?f=")
    field = page.get_by_label("Filter", exact=True)
    for text in ("x = " + "y" * 10_000, "JobName = " + "y" * 10_000):
        field.fill(text)
        field.press("Enter")
        expect(page.get_by_role("alert").or_(page.get_by_text("No matches.")).first).to_be_visible()
    page.goto("/jobs?f=JobName:eq:" + "z" * 10_000)
    expect(page.get_by_role("alert").or_(page.get_by_text("No matches.")).first).to_be_visible()
    expect(page.get_by_role("button", name="All", exact=True)).to_be_visible()


def test_a_login_that_somebody_ends_loses_nothing_that_was_typed(logged_in: Login, alice: User) -> None:
    page = logged_in("/submit", fresh=True)
    text = '[ Executable = "/bin/echo"; JobName = "typed before"; ]'
    page.get_by_label(EDITOR, exact=True).fill(text)
    expect(page.get_by_label("Preview")).to_contain_text("1 job")
    alice.run("logins", "revoke", _session_of(page), "--yes")
    page.get_by_role("button", name="Submit", exact=True).click()
    ended = page.get_by_role("dialog", name="Your login has ended")
    expect(ended).to_be_visible()
    # In another tab, as the dialogue says.
    with page.expect_popup() as other:
        ended.get_by_role("link", name="another tab").click()
    again = other.value
    fill_the_forms(again, "alice", "user")
    ended.get_by_role("button", name="I have logged in").click()
    expect(page.get_by_role("status").filter(has_text="You are logged in again.")).to_be_visible()
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value(text)
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="1 job submitted")).to_be_visible()


def test_somebody_else_who_logs_in_over_an_ended_login_gets_a_page_of_their_own(
    logged_in: Login, alice: User, job: int
) -> None:
    page = logged_in("/jobs?cols=JobID,Owner", fresh=True)
    expect(row_of(page, job)).to_contain_text("alice")
    alice.run("logins", "revoke", _session_of(page), "--yes")
    _wait_until_refused(page)
    page.get_by_role("button", name="Refresh").click()
    ended = page.get_by_role("dialog", name="Your login has ended")
    with page.expect_popup() as other:
        ended.get_by_role("link", name="another tab").click()
    again = other.value
    fill_the_forms(again, "max", "user")
    page.evaluate("window.isOld = true")
    ended.get_by_role("button", name="I have logged in").click()
    expect(page.get_by_role("button", name="max hep · user")).to_be_visible()
    assert page.evaluate("window.isOld === undefined")
    expect(row_of(page, job)).to_have_count(0)


def test_what_was_written_comes_back_after_a_new_login_where_the_old_one_ran_out(
    logged_in: Login, stack: Stack
) -> None:
    page = logged_in("/submit", fresh=True)
    page.get_by_label(EDITOR, exact=True).fill("[ half of a description")
    store(stack, f"UPDATE browser_sessions SET expires_at = now() WHERE session_id = '{_session_of(page)}'")
    _wait_until_refused(page)
    page.goto("/submit")
    expect(page.get_by_role("dialog", name="Your login has ended")).to_be_visible()
    fill_the_forms(page, "alice", "user")
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value("[ half of a description")


def test_a_server_that_is_away_and_starts_again_is_waited_for(
    logged_in: Login, stack: Stack, job: int, link: FaultProxy
) -> None:
    page = logged_in("/")
    page.goto(f"{link.url}/jobs?f=JobID:eq:{job}")
    expect(row_of(page, job)).to_be_visible()
    page.get_by_label("Filter", exact=True).fill("Status = typed")
    process = stack.program("server").process
    assert process is not None
    # Our supervisor keeps the socket open, so that a page would wait and see nothing: the host goes away with it.
    with link.fault("reset"):
        process.send_signal(signal.SIGTERM)
        process.wait()
        page.get_by_role("button", name="Refresh (r)").click()
        away = page.get_by_role("alert").filter(has_text="The server does not answer")
        expect(away).to_be_visible()
        away.get_by_role("button", name="Try now").click()
        expect(away).to_be_visible()
        expect(row_of(page, job)).to_be_visible()
    expect(away).to_have_count(0)
    expect(page.get_by_label("Filter", exact=True)).to_have_value("Status = typed")
    page.get_by_role("button", name="Refresh (r)").click()
    expect(row_of(page, job)).to_be_visible()


def test_a_server_that_is_started_again_on_its_socket_is_not_missed(logged_in: Login, stack: Stack, job: int) -> None:
    page = logged_in(f"/jobs?f=JobID:eq:{job}")
    expect(row_of(page, job)).to_be_visible()
    process = stack.program("server").process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    process.wait()
    page.get_by_label("Filter", exact=True).fill(f"JobID = {job} and Status in (Done, Failed)")
    page.get_by_label("Filter", exact=True).press("Enter")
    expect(page).to_have_url(re.compile("f=Status:in:Done,Failed"))
    expect(row_of(page, job)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_job_that_is_removed_while_it_is_open_is_said_to_be_gone(logged_in: Login, alice: User, stack: Stack) -> None:
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; NumberOfProcessors = 500; ]', "removed")
    page = logged_in(f"/jobs/{job_id}")
    expect(page.get_by_role("tabpanel")).to_contain_text("Waiting")
    store(stack, f"DELETE FROM jobs WHERE job_id = {job_id}")
    page.get_by_role("tab", name="Parameters").click()
    expect(page.get_by_role("alert").filter(has_text=re.compile("deleted|does not exist")).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("alert").filter(has_text=re.compile("deleted|does not exist")).first).to_be_visible()


def test_what_takes_long_is_said_in_words_and_comes_in_the_end(logged_in: Login, job: int, link: FaultProxy) -> None:
    page = logged_in("/")
    page.goto(f"{link.url}/submit")
    expect(page.get_by_label(EDITOR, exact=True)).to_be_visible()
    # Of the page that was asked for: the check of the description on this one may be on its way, too.
    said = page.get_by_role("status").get_by_text("This is taking longer than usual.")
    with link.fault("black hole"):
        page.get_by_role("link", name="Accounting", exact=True).click()
        expect(said).to_be_visible()
        expect(said).to_have_css("opacity", "1")
    expect(page.get_by_role("heading", name="Accounting", exact=True)).to_be_visible()
    expect(page.get_by_text("This is taking longer than usual.")).to_have_count(0)


def test_every_answer_may_be_slow(logged_in: Login, job: int, link: FaultProxy) -> None:
    page = logged_in("/")
    page.goto(f"{link.url}/jobs?f=JobID:eq:{job}")
    expect(row_of(page, job)).to_be_visible()
    with link.fault("delay"):
        page.get_by_role("button", name="Refresh (r)").click()
        expect(row_of(page, job)).to_be_visible()
        row_of(page, job).get_by_role("link", name=str(job)).click()
        for tab in ("History", "Parameters", "JDL"):
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_role("tabpanel").locator(".waiting")).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)
