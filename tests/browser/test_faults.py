"""What goes wrong is said in words, and nothing that was typed is lost."""

import re
import signal

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Complaints, Login, fill_the_forms, row_of, store
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

EDITOR = "Job description in JDL"
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
        expect(page.get_by_role("alert").or_(page.get_by_text("Nothing matches.")).first).to_be_visible()
    page.goto("/jobs?f=JobName:eq:" + "z" * 10_000)
    expect(page.get_by_role("alert").or_(page.get_by_text("Nothing matches.")).first).to_be_visible()
    expect(page.get_by_role("button", name="All", exact=True)).to_be_visible()


def test_a_login_that_has_ended_loses_nothing_that_was_typed(logged_in: Login) -> None:
    page = logged_in("/submit", fresh=True)
    text = '[ Executable = "/bin/echo"; JobName = "typed before"; ]'
    page.get_by_label(EDITOR, exact=True).fill(text)
    expect(page.get_by_label("What it would become")).to_contain_text("1 job")
    page.context.clear_cookies()
    page.get_by_role("button", name="Submit", exact=True).click()
    ended = page.get_by_role("dialog", name="Your login has ended")
    expect(ended).to_be_visible()
    # In another tab, as the dialogue says.
    with page.expect_popup() as other:
        ended.get_by_role("link", name="another tab").click()
    again = other.value
    fill_the_forms(again, "alice", "user")
    ended.get_by_role("button", name="I have logged in, go on").click()
    expect(page.get_by_role("status").filter(has_text="You are logged in again.")).to_be_visible()
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value(text)
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="1 job submitted")).to_be_visible()


def test_what_was_written_comes_back_after_a_new_login_where_one_is(logged_in: Login) -> None:
    page = logged_in("/submit", fresh=True)
    page.get_by_label(EDITOR, exact=True).fill("[ half of a description")
    page.context.clear_cookies()
    page.goto("/submit")
    expect(page.get_by_role("dialog", name="Your login has ended")).to_be_visible()
    fill_the_forms(page, "alice", "user")
    expect(page.get_by_label(EDITOR, exact=True)).to_have_value("[ half of a description")


def test_a_server_that_starts_again_is_waited_for(
    logged_in: Login, stack: Stack, job: int, complaints: Complaints
) -> None:
    page = logged_in(f"/jobs?f=JobID:eq:{job}")
    expect(row_of(page, job)).to_be_visible()
    page.get_by_label("Filter", exact=True).fill("Status = typed")
    # The supervisor keeps the socket open and would start it again before a page sees anything: so none is asked.
    page.route("**/api/**", lambda route: route.fulfill(status=503, body="starting"))
    page.get_by_role("button", name="Refresh (r)").click()
    expect(page.get_by_role("alert").filter(has_text="The server does not answer")).to_be_visible()
    expect(row_of(page, job)).to_be_visible()
    process = stack.program("server").process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    process.wait()
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_text("The server does not answer")).to_have_count(0)
    expect(page.get_by_label("Filter", exact=True)).to_have_value("Status = typed")
    page.get_by_role("button", name="Refresh (r)").click()
    expect(row_of(page, job)).to_be_visible()
    complaints.found = [each for each in complaints.found if not each.startswith("503 ")]


def test_a_job_that_is_removed_while_it_is_open_is_said_to_be_gone(logged_in: Login, alice: User, stack: Stack) -> None:
    (job_id,) = alice.submit('[ Executable = "/bin/echo"; NumberOfProcessors = 500; ]', "removed")
    page = logged_in(f"/jobs/{job_id}")
    expect(page.get_by_role("tabpanel")).to_contain_text("Waiting")
    store(stack, f"DELETE FROM jobs WHERE job_id = {job_id}")
    page.get_by_role("tab", name="Parameters").click()
    expect(page.get_by_role("alert").filter(has_text=re.compile("deleted|does not exist")).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("alert").filter(has_text=re.compile("deleted|does not exist")).first).to_be_visible()


def test_a_permission_that_is_lost_is_said(logged_in: Login) -> None:
    page = logged_in("/sites", user="ada", group="admin")
    page.get_by_role("checkbox", name="Choose DIRAC.Laptop.org").check()
    page.get_by_label("Chosen rows").get_by_role("button", name="Ban").click()
    page.get_by_label("Reason").fill("A long reason that nobody wants to write twice")
    page.get_by_label("I know that this cannot be undone").check()
    told = {"detail": "Sites are banned by holders of Operator", "status": 403}
    page.route("**/api/rss/status", lambda route: route.fulfill(status=403, json=told))
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Ban")).click()
    expect(page.get_by_role("alert")).to_contain_text("Sites are banned by holders of Operator")
    expect(page.get_by_label("Reason")).to_have_value("A long reason that nobody wants to write twice")


def test_what_takes_long_is_said_in_words_and_comes_in_the_end(logged_in: Login, job: int) -> None:
    page = logged_in("/submit")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/jobs/search*", hold)
    page.goto(f"/jobs?f=JobID:eq:{job}")
    expect(page.get_by_text("It takes longer than usual.")).to_be_visible()
    expect(page.locator(".slow")).to_have_css("opacity", "1")
    for route in held:
        route.continue_()
    expect(row_of(page, job)).to_be_visible()
