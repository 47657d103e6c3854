"""`make bench-web`: how long the list of a million jobs takes in a browser, beside that of ten thousand.

Two installations with their workers stopped, databases filled with COPY, and Chromium on the same machine. Ends with 1
if a line is missed: a ratio of the two, or a number of requests, statements or bytes.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from tools import web

from tests.bench.stack import BenchStack, bench_stack
from tests.bench.statements import log_statements, statements
from tests.bench.verdicts import Line, Report, alternate, count, limit, times
from tests.browser.conftest import ARGUMENTS, CHROMIUM, fill_the_forms
from tests.infra.many_jobs import load
from tests.web.test_build import STATIC, first_scripts, packed

FEW_JOBS = 10_000
IDLE_S = 30.0
WAIT_MS = 120_000
TIMES_MAX = {
    "first rows, warm": 2.0,
    "filter": 3.0,
    "scroll to the middle": 3.0,
    "scroll to the end": 3.0,
    "move by key": 2.0,
    "open the details": 2.0,
}
"""How many times longer each takes on the long list."""
SCRIPTS_KB_MAX = 200.0
IDLE_REQUESTS_MAX = 1.0
STATEMENTS_MAX = 3
# From the key press until the change is painted, in the page itself: the way to the browser is not a person's.
PRESS = """async ([key, selector]) => {
    const began = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    while (!document.querySelector(selector)) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


@contextmanager
def filled_stack(jobs: int) -> Iterator[BenchStack]:
    """Run a server with so many jobs, without a worker."""
    with bench_stack(slots=0) as running:
        running.stack.rest()  # or the supervisor would start the worker again
        running.stack.program("worker").stop()
        asyncio.run(load(running.stack.environment["WEYL_DATABASE_URL"], jobs, vo="hep"))
        yield running


def _rows(page: Page) -> Any:
    return page.locator(".table-body [role=row]:not(.waiting-row) a")


def _ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _scroll(page: Page, share: float) -> None:
    """Drag the scroll bar to a place and wait until rows are there."""
    page.evaluate(
        """async (share) => {
            const list = document.querySelector(".table-scroll");
            list.scrollTop = share * (list.scrollHeight - list.clientHeight);
            await new Promise((done) => setTimeout(done, 30));
            const top = () => list.getBoundingClientRect().top + list.clientHeight / 2;
            const isThere = () => document
                .elementFromPoint(list.getBoundingClientRect().left + 60, top())
                ?.closest("[role=row]")?.querySelector("a");
            while (!isThere()) await new Promise(requestAnimationFrame);
        }""",
        share,
    )


class Visitor:
    """Somebody in front of the list of one installation, with a browser that has been here before."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page = browser.new_context(base_url=url, viewport={"width": 1280, "height": 800}).new_page()
        self.page.set_default_timeout(WAIT_MS)
        self._statuses = itertools.cycle(["Failed", "Waiting", "Running", "Done", "Killed"])
        self._places = itertools.count(3)
        self.page.goto("/jobs?f=")
        fill_the_forms(self.page, "ada", "admin")
        _rows(self.page).first.wait_for()
        self.first_rows()

    def first_rows(self) -> float:
        """Come from elsewhere."""
        self.page.goto("about:blank")
        return _ms(self._go_to_list)

    def filter(self) -> float:
        """Show the jobs of one status, and then all again."""
        field, status = self.page.get_by_label("Filter", exact=True), next(self._statuses)
        field.fill(f"Status = {status}")

        def press() -> None:
            with self.page.expect_response("**/api/jobs/search*"):
                field.press("Enter")
            self.page.locator(f".table-body [role=row]:has-text('{status}')").first.wait_for()

        taken = _ms(press)
        self.page.get_by_role("button", name="All", exact=True).click()
        _rows(self.page).first.wait_for()
        return taken

    def scroll(self, share: float) -> float:
        """Drag the scroll bar once the number of jobs is known."""
        self._go_to_list()
        self.page.locator(".toolbar .count:not(:has-text('or more')):not(:empty)").wait_for()
        return _ms(lambda: _scroll(self.page, share))

    def begin_with_keys(self) -> None:
        """Make the first row the active one."""
        self._go_to_list()
        self.page.keyboard.press("j")
        self.page.locator(self._active(2)).wait_for()

    def move(self) -> float:
        """Go one row down."""
        return float(self.page.evaluate(PRESS, ["j", self._active(next(self._places))]))

    def open(self) -> float:
        """Open the details of the active row; afterwards the next one is active."""
        taken = float(self.page.evaluate(PRESS, ["Enter", ".entity-detail h2"]))
        self.page.get_by_role("tabpanel").wait_for()
        self.page.keyboard.press("Escape")
        self.page.locator(".entity-detail").wait_for(state="detached")
        self.page.keyboard.press("j")
        return taken

    def idle_requests(self) -> float:
        """Count what a tab asks for in 10 s that nobody touches; its stream of changes is open already."""
        self._go_to_list()
        self.page.wait_for_timeout(5_000)
        asked: list[Request] = []

        def note(request: Request) -> None:
            asked.append(request)

        self.page.on("request", note)
        self.page.wait_for_timeout(IDLE_S * 1000)
        return len(asked) / (IDLE_S / 10)

    def _go_to_list(self) -> None:
        self.page.goto("/jobs?f=", wait_until="commit")
        _rows(self.page).first.wait_for()

    def _active(self, place: int) -> str:
        return f".table-body [role=row][data-active][aria-rowindex='{place}']"


def compare(many: Visitor, few: Visitor, report: Report) -> Iterator[Line]:
    """Do what a person does on both lists in turn."""
    acts: dict[str, Callable[[Visitor], float]] = {
        "first rows, warm": Visitor.first_rows,
        "filter": Visitor.filter,
        "scroll to the middle": lambda visitor: visitor.scroll(0.5),
        "scroll to the end": lambda visitor: visitor.scroll(1.0),
        "move by key": Visitor.move,
        "open the details": Visitor.open,
    }
    for name, act in acts.items():
        if name == "move by key":
            report.note_pace()
            many.begin_with_keys()
            few.begin_with_keys()
        if name == "open the details":
            act(many), act(few)
        runs = alternate(partial(act, many), partial(act, few))
        yield times(name, runs, over=f"{FEW_JOBS:,} jobs", of="ms", at_most=TIMES_MAX[name])


def list_statements(running: BenchStack) -> int:
    """Count the statements of one page of the list."""
    asyncio.run(log_statements(running.stack.environment["WEYL_DATABASE_URL"]))
    body = {"parameters": ["JobID", "Status"], "sort": [{"parameter": "JobID", "direction": "desc"}]}
    with running.client() as client:

        def search() -> None:
            client.post("/api/jobs/search", json=body, params={"per_page": 100}).raise_for_status()

        return statements(next(running.stack.files.directory.glob("pg/postgres.log")), search)


def main() -> int:
    """Load, measure and judge."""
    parser = argparse.ArgumentParser(prog="make bench-web", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    jobs = parser.parse_args().jobs
    web.build()
    report = Report("web")
    expect.set_options(timeout=WAIT_MS)
    with filled_stack(jobs) as many, filled_stack(FEW_JOBS) as few:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            report.say(f"{jobs:,} jobs beside {FEW_JOBS:,} of the same shape")
            here, there = Visitor(browser, many.stack.url), Visitor(browser, few.stack.url)
            report.add(*compare(here, there, report))
            report.add(count("requests of an idle tab in 10 s", here.idle_requests(), at_most=IDLE_REQUESTS_MAX))
            browser.close()
        report.add(count("SQL statements of a list", list_statements(many), at_most=STATEMENTS_MAX))
    scripts_kb = sum(packed(STATIC / "assets" / name) for name in first_scripts(STATIC)) / 1000
    report.add(limit("initial JavaScript, packed", scripts_kb, "kB", at_most=SCRIPTS_KB_MAX))
    return report.finish({"jobs": jobs})


if __name__ == "__main__":
    sys.exit(main())
