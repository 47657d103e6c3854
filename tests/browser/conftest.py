"""Chromium in front of a whole running system: who is logged in, and what the pages complain of."""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright
from playwright.sync_api import expect as playwright_expect
from sqlalchemy import text
from tools import web

from tests.infra import pace
from tests.infra.directories import stack_directory
from tests.infra.expectations import expect, expect_gone
from tests.infra.many_jobs import load
from weyl.config.administration import Document
from weyl.demo.idp import USERS
from weyl.demo.installation import SITE, InstallationFiles, document
from weyl.demo.main_job import User
from weyl.demo.stack import Stack
from weyl.kit.db import Database

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "build" / "browser"
# Its build without windows is the same engine, and takes a third less of the processor.
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium-headless-shell"
# `--no-sandbox` because tests may run as root; the rest keeps the browser from talking to anybody but us.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = int(60_000 * pace.factor())
playwright_expect.set_options(timeout=WAIT_MS)
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")
CONFIGURATION = "The configuration as YAML"

# How many jobs of others there are beside those of the journeys: `make journeys` wants a million.
JOBS = int(os.environ.get("WEYL_BROWSER_JOBS", "2000"))
# The demo's administrators may do everything; here each kind has a group, so that a page cannot borrow from another.
GROUPS = {
    "operator": ("max", ["NormalUser", "Operator"]),
    "jobs-admin": ("ada", ["JobAdministrator"]),
    "config-admin": ("ada", ["CSAdministrator"]),
    "services-admin": ("ada", ["ServiceAdministrator"]),
    "files-admin": ("ada", ["NormalUser", "FileCatalogManagement", "ProductionManagement"]),
}
# Storage of which only the catalogue knows.
ELEMENTS = {"DISK-A": {"Sites": [SITE]}, "DISK-B": {}, "TAPE": {"Medium": "tape"}}

Login = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the journeys in one process: they share a system and a browser."""
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("browser"))
            # The first one waits until the jobs of others are loaded.
            item.add_marker(pytest.mark.timeout(300 + JOBS // 1_000))


@pytest.fixture(scope="session")
def pages() -> None:
    """The built pages."""
    try:
        web.build()
    except web.NotPossible as problem:
        pytest.skip(f"The pages are NOT tested in a browser: {problem}")


class LoadedStack(Stack):
    """The demo's stack, whose worker finds jobs of others when it starts."""

    def _launch(self, name: str, arguments: list[str], *sockets: socket.socket) -> None:
        if name == "worker" and JOBS:
            taken = asyncio.run(load(self.environment["WEYL_DATABASE_URL"], JOBS, vo="hep"))
            print(f"{JOBS:,} jobs are loaded: {taken}")
        super()._launch(name, arguments, *sockets)


class Installed(InstallationFiles):
    """The files of the demo's installation with a configuration of our own."""

    def configure(self, idp_url: str, store_url: str) -> None:
        """Commit our configuration if there is none yet."""
        first = partial(_document, directory=self.directory, store_url=store_url)
        InstallationFiles(self.directory, first_document=first).configure(idp_url, store_url)


def _document(idp_url: str, directory: Path, store_url: str) -> Document:
    """Return the demo's configuration with a group for each kind of administrator; old jobs stay."""
    changed = document(idp_url, directory, store_url)
    subjects = {user.name: user.subject for user in USERS}
    changed["Registry"]["hep"]["Groups"] |= {
        group: {"Properties": properties, "Users": [subjects[user]]} for group, (user, properties) in GROUPS.items()
    }
    changed["Resources"].setdefault("StorageElements", {}).update(ELEMENTS)
    changed["Operations"]["Defaults"]["JobCleaning"] = {"Enabled": False}
    return changed


@pytest.fixture(scope="session")
def stack(pages: None) -> Iterator[Stack]:
    """The running system, with a computing element that runs jobs."""
    with stack_directory("weyl-b-") as directory, LoadedStack(Installed(directory), say=print) as running:
        yield running


@pytest.fixture(scope="session")
def alice(stack: Stack) -> User:
    """Alice at her terminal, for what a journey needs to be there."""
    user = User(stack)
    user.login()
    return user


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser; it ends with the journeys: its event loop would be in the way of tests that have their own."""
    if not Path(CHROMIUM).exists():
        pytest.skip("The pages are NOT tested in a browser: as root, apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Complaints:
    """What the pages of a test have complained of, in the console and by what they could not load."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def listen(self, page: Page) -> None:
        """Note what goes wrong on a page."""
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("console", lambda said: self.found.append(f"console: {said.text}") if self._matters(said) else None)
        page.on("response", lambda got: self.found.append(f"{got.status} {got.url}") if got.status >= 500 else None)

    @staticmethod
    def _matters(said: Any) -> bool:
        # The browser itself notes every refused request; whether one is a fault the test knows better.
        return said.type in ("error", "warning") and not said.text.startswith("Failed to load resource")


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails the test where a page has complained, for example of its own content policy."""
    complaints = Complaints()
    yield complaints
    assert complaints.found == []


@pytest.fixture
def open_context(stack: Stack, chromium: Browser, complaints: Complaints) -> Iterator[Callable[..., BrowserContext]]:
    """Opens browsers that know nothing of each other: `open_context(color_scheme="dark", viewport=...)`."""
    opened: list[BrowserContext] = []

    def new(**options: Any) -> BrowserContext:
        context = chromium.new_context(base_url=stack.url, **{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(WAIT_MS)
        context.on("page", complaints.listen)
        opened.append(context)
        return context

    yield new
    for context in opened:
        context.close()


@pytest.fixture(scope="session")
def kept_logins() -> dict[tuple[str, str], Any]:
    """The cookies of those who have logged in once, by user and group."""
    return {}


@pytest.fixture
def logged_in(open_context: Callable[..., BrowserContext], kept_logins: dict[tuple[str, str], Any]) -> Login:
    """Return the page that was wanted, as somebody: `logged_in("/jobs", user="ada", group="admin")`.

    `fresh`: with a login of its own, through the forms, which the test may end.
    """

    def log_in(path: str = "/", user: str = "alice", group: str = "user", *, fresh: bool = False, **more: Any) -> Page:
        kept = None if fresh else kept_logins.get((user, group))
        page = open_context(storage_state=kept, **more).new_page()
        page.goto(path)
        if kept is None:
            fill_the_forms(page, user, group)
            if not fresh:
                kept_logins[user, group] = page.context.storage_state()
        page.locator(".shell").wait_for()
        return page

    return log_in


def fill_the_forms(page: Page, user: str, group: str, password: str | None = None) -> None:
    """Log in as people do, from where a page asks for it; users of tests have their names as passwords."""
    page.get_by_role("combobox", name="Virtual organisation").select_option("hep")
    page.get_by_role("combobox", name="Group").select_option(group)
    page.get_by_role("button", name="Log in").click()
    page.locator("#login").fill(user)
    page.locator("#password").fill(password or user)
    page.get_by_role("button", name="Log in").click()
    # The provider asks once whether the installation may know who it is.
    consent = page.get_by_role("button", name="Allow")
    page.locator(".shell").or_(consent).first.wait_for()
    if consent.is_visible():
        consent.click()
        page.locator(".shell").wait_for()


def settle(page: Page) -> None:
    """Wait until a page waits for nothing any more."""
    expect_gone(page.locator(".waiting, .skeleton, [aria-busy=true]"))


def begin_change(page: Page) -> str:
    """Return the text of the configuration from its editor, once it is there."""
    field = page.get_by_label(CONFIGURATION, exact=True)
    expect(field).not_to_have_value("")
    return field.input_value()


def commit_change(page: Page, text: str, message: str) -> None:
    """Write another configuration and commit it, as administrators do."""
    page.get_by_label(CONFIGURATION, exact=True).fill(text)
    page.get_by_role("button", name="Review changes").click()
    page.get_by_label("Reason for the change").fill(message)
    page.get_by_role("button", name="Commit changes").click()


def row_of(page: Page, job_id: int) -> Locator:
    """The row of a job, which may have its digits in common with other jobs and with times."""
    return page.get_by_role("row").filter(has=page.get_by_text(str(job_id), exact=True))


def accessibility_problems(page: Page, rules: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return what axe finds serious or critical on a page as it is now, by all of its rules or by some."""
    # Under our content policy a script tag would be refused; evaluation by the debugger is not.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = page.evaluate("async (options) => JSON.stringify((await axe.run(options)).violations)", options)
    return [
        {"id": each["id"], "help": each["help"], "where": [node["html"][:200] for node in each["nodes"][:5]]}
        for each in json.loads(found)
        if each["impact"] in SERIOUS
    ]


def store(stack: Stack, *statements: str) -> None:
    """Write into the stack's database what takes hours or faults to come about by itself."""

    async def run() -> None:
        db = Database(stack.environment["WEYL_DATABASE_URL"], pool_size=1)
        async with db.transaction() as tx:
            for statement in statements:
                await tx.execute(text(statement))
        await db.close()

    # The browser has an event loop in this thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, run()).result()
