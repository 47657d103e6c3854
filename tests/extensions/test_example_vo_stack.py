"""The example in a whole running installation: a job through its computing element, its task in a worker, its route."""

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import httpx2
import pytest
from playwright.sync_api import sync_playwright
from tests.browser.conftest import ARGUMENTS, CHROMIUM, accessibility_problems, fill_the_forms
from tests.extensions.tutorial import block, files, install, path_of, programs, seen, steps, write
from tests.infra.directories import write_passwords
from tests.infra.expectations import expect
from tests.infra.stack import ConfiguredFiles, login
from tests.infra.waiting import await_that
from tools import web

from weyl.config.administration import Document
from weyl.demo.installation import CE, SITE, document
from weyl.demo.stack import Stack, remove_directory
from weyl.kit.db import libpq_dsn

pytestmark = [pytest.mark.xdist_group("example_vo"), pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Reader:
    """Somebody who follows the page, in an installation with the package; a manager of campaigns."""

    stack: Stack
    home: Path
    environ: dict[str, str]

    def see(self, command: str) -> str:
        """Run a command in a terminal; returns what it shows."""
        return seen(command, cwd=self.home, environ=self.environ)


def _document(idp_url: str, *, directory: Path) -> Document:
    made = document(idp_url, directory)
    made["Resources"]["Sites"][SITE]["CEs"][CE]["Driver"] = "nice"
    made["Registry"]["hep"]["Groups"]["admin"]["Properties"].append("CampaignManager")
    made["Operations"]["hep"] = {"CWL": {"PerJobType": {"User": {"Commands": ["campaign_report"]}}}}
    return {**made, "Extensions": {"example_vo": {"Campaigns": ["MC25", "MC26"], "KeptDays": 60}}}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """Build and install the package as the page says, and start everything with it."""
    directory = Path(tempfile.mkdtemp(prefix="weyl-x-"))
    directory.chmod(0o755)
    package, target, home = directory / "package", directory / "target", directory / "reader"
    home.mkdir()
    write_passwords(directory / "stack" / "secrets" / "passwords.json")
    try:
        for path, text in files():
            write(package, path, text)
        install(package, target)
        stack_files = ConfiguredFiles(
            directory / "stack",
            partial(_document, directory=directory),
            settings={"PYTHONPATH": path_of(target)},
        )
        with Stack(stack_files, say=print) as stack:
            credentials = login(stack, "ada", vo="hep", group="admin")
            environ = {
                "PATH": programs(directory / "bin"),
                "PYTHONPATH": path_of(target),
                "HOME": str(home),
                "WEYL_URL": stack.url,
                "WEYL_CREDENTIALS_PATH": str(credentials),
                "WEYL_DATABASE_URL": stack.environment["WEYL_DATABASE_URL"],
            }
            for path, text in files():
                write(home / "example_vo", path, text)
            write(home, "campaign.jdl", block("jdl"))
            write(home, "default.yml", "DIRAC: {}\nRegistry: {}\n" + block("yaml"))
            yield Reader(stack, home, environ)
    finally:
        remove_directory(directory)


def _is_as_told(shown: str, told: str) -> bool:
    """Compare what a command printed with the page, where `…` stands for anything."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    lines = "\n".join(line.rstrip() for line in plain.strip().splitlines())
    pattern = re.escape(told.strip()).replace("…", ".*")
    return re.fullmatch(pattern, lines, re.DOTALL) is not None


@pytest.mark.parametrize("chapter", ["1.", "11.", "12.", "13."])
def test_whoever_follows_the_page_sees_what_it_says(reader: Reader, chapter: str) -> None:
    for step in steps(chapter):
        if step.command.startswith("pip "):
            continue  # the reader's environment is ours: the package is beside it
        shown = reader.see(step.command)
        assert _is_as_told(shown, step.output), f"$ {step.command}\n{shown}\n-- but the page says --\n{step.output}"


async def test_a_worker_runs_the_task_that_was_asked_for(reader: Reader) -> None:
    def notes() -> list[str]:
        listed = json.loads(reader.see("weyl campaigns list -o json"))
        return [row["Latest"] for row in listed if row["Latest"]]

    reader.see("weyl campaigns note MC25 'To be forgotten'")
    assert "To be forgotten" in notes()
    connection = await asyncpg.connect(libpq_dsn(reader.environ["WEYL_DATABASE_URL"]))
    try:
        await connection.execute("UPDATE example_vo_notes SET at = at - interval '61 days' WHERE campaign = 'MC25'")
    finally:
        await connection.close()
    asked = reader.see("weyl tasks run example_vo.forget_notes")
    assert "will run as task" in asked
    await_that(lambda: "To be forgotten" not in notes(), "the worker ran the task")


def test_the_replaced_route_is_for_those_who_may_see_it_as_the_one_before(reader: Reader) -> None:
    path = reader.stack.url + "/api/rss/site"
    refused = httpx2.get(path)
    assert (refused.status_code, refused.headers.get("X-Example-View")) == (401, None)
    token = reader.see("weyl token").strip()
    answer = httpx2.get(path, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["X-Example-View"]) == (200, "hep")
    assert answer.json() == {SITE: {"all": {"allowed": True, "warnings": None}}}


def test_a_view_of_one_file_is_a_page_with_its_list_its_action_and_a_tab_on_jobs(reader: Reader) -> None:
    try:
        web.build()
    except web.NotPossible as problem:
        pytest.skip(f"The page is NOT tested in a browser: {problem}")
    if not Path(CHROMIUM).exists():
        pytest.skip("The page is NOT tested in a browser: as root, apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_context(base_url=reader.stack.url).new_page()
        page.goto("/")
        fill_the_forms(page, "ada", "admin")
        page.get_by_role("link", name="Jobs", exact=True).first.click()
        page.get_by_role("navigation", name="Jobs").get_by_role("link", name="Campaigns", exact=True).click()
        page.get_by_role("link", name="MC26").click()
        page.get_by_role("button", name="Add a note").click()
        page.get_by_role("textbox", name="Note").fill("Written <i>in a browser</i>")
        page.get_by_role("dialog").get_by_role("button", name="Add a note").click()
        expect(page.get_by_role("tabpanel")).to_contain_text("Written <i>in a browser</i>")
        assert accessibility_problems(page) == []
        page.goto("/jobs/1?tab=campaign")
        expect(page.get_by_role("tab", name="Campaign")).to_be_visible()
        browser.close()
