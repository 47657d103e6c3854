"""A whole installation whose only computing element is one of the grid's systems."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import psutil

from tests.grid.site import GridSite
from tests.infra.stack import login, running_stack
from tests.infra.waiting import await_that
from weyl.config.administration import Document
from weyl.demo.installation import document
from weyl.demo.main_job import FINAL, User
from weyl.demo.processes import log_excerpt
from weyl.demo.stack import Stack
from weyl.jobs.calls.lists import history, search
from weyl.kit.clock import utcnow
from weyl.kit.db import libpq_dsn
from weyl.kit.search import SearchParams, SortDirection, SortSpec
from weyl.pilots.calls import search_pilots
from weyl.pilots.compute_elements.driver import STAMP_VARIABLE

SITE, CE = "LCG.Grid.org", "ce.grid.org"
PILOT = "weyl-pilot.pyz"
# Of the system's patience: after a crash a minute passes until pilots count as lost, half of one until a lock is free.
PATIENCES = 2
OLDEST_FIRST = SortSpec(parameter="PilotID", direction=SortDirection.ASC)
OVERDUE = "UPDATE pilots SET checked_at = now() - interval '1 hour'"


class GridInstallation:
    """A running installation, with a user of it at her terminal."""

    def __init__(self, stack: Stack, site: GridSite) -> None:
        self.stack = stack
        self.site = site
        self.alice = User(stack)
        self.alice.login()
        self._ada = login(stack, "ada", vo="hep", group="admin")

    def submit(self, command: str, count: int = 1) -> list[int]:
        """Submit jobs of one shell command."""
        jdl = f"""
            JobName = "grid-%n"; Executable = "/bin/sh"; Arguments = "-c '{command}'"; Parameters = {count};
            StdOutput = "std.out"; StdError = "std.err"; OutputSandbox = {{"std.out", "std.err"}};
        """
        return self.alice.submit(jdl, "grid.jdl")

    def await_jobs(self, ids: Sequence[int], *wanted: str) -> list[dict[str, Any]]:
        """Wait until every job is in one of these states; one that ended otherwise is a failure."""

        def reached() -> bool:
            jobs = self.alice.jobs(ids)
            odd = [job for job in jobs if job["Status"] in FINAL and job["Status"] not in wanted]
            assert not odd, f"{odd}\n{self._circumstances()}"
            return all(job["Status"] in wanted for job in jobs)

        self.until(reached, f"the jobs are not {wanted}")
        return self.alice.jobs(ids)

    def pilots(self) -> list[dict[str, Any]]:
        """Return all pilots."""
        return self.alice.rows(search_pilots(SearchParams(sort=[OLDEST_FIRST])))

    def statuses(self, job_id: int) -> list[str]:
        """Return the statuses that a job has had, oldest first."""
        with self.alice.client() as client:
            return [record.Status for record in client.send(history(job_id))]

    def ask(self) -> None:
        """Make it time to ask the computing element about every pilot: of those that speak it is asked seldom."""
        self._sql(OVERDUE)

    def revoke(self, stamps: Sequence[str]) -> None:
        """Take the right to speak from pilots, as an operator does."""
        token = json.loads(self._ada.read_text())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx2.post(f"{self.stack.url}/api/pilots/revoke", headers=headers, json={"stamps": list(stamps)})
        assert answer.status_code == 200, answer.text

    def accounts_of_pilots(self) -> list[dict[str, Any]]:
        """Return what pilots used today, by how they ended."""
        token = json.loads(self._ada.read_text())["access_token"]
        now = utcnow()
        period = {"start": (now - timedelta(hours=24)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
        answer = httpx2.post(
            f"{self.stack.url}/api/accounting/pilots/report",
            headers={"Authorization": f"Bearer {token}"},
            json={**period, "by": ["site", "ce", "status"]},
        )
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something to be seen from outside."""

        def holds() -> bool:
            self.stack.check()
            return condition()

        timeout_s = PATIENCES * self.site.patience_s
        await_that(holds, what, timeout_s=timeout_s, poll_s=0.5, explain=self._circumstances)

    def kill_pilots(self) -> int:
        """Do what the loss of a node does to the pilots on it: they go without a word."""
        stamps = {pilot["PilotStamp"] for pilot in self.pilots()}
        killed = 0
        for process in psutil.process_iter(["cmdline"]):
            if PILOT not in " ".join(process.info["cmdline"] or []):
                continue
            with suppress(psutil.Error):
                if _stamp(process) in stamps:
                    process.kill()
                    killed += 1
        return killed

    def _circumstances(self) -> str:
        plan = self.alice.run("pilots", "submission", "-o", "json")
        jobs = self.alice.rows(search(SearchParams()))
        return f"{jobs}\n{self.pilots()}\n{plan}\n{log_excerpt(self.stack.program('worker').log)}"

    def _sql(self, statement: str) -> None:
        async def execute() -> None:
            connection = await asyncpg.connect(libpq_dsn(self.stack.environment["WEYL_DATABASE_URL"]))
            await connection.execute(statement)
            await connection.close()

        with ThreadPoolExecutor(1) as pool:  # this thread has the event loop of the tests
            pool.submit(asyncio.run, execute()).result()


def _stamp(pilot: psutil.Process) -> str | None:
    """Return the stamp of a pilot; it hides its environment from everybody but root, its launcher does not."""
    try:
        return pilot.environ().get(STAMP_VARIABLE)
    except psutil.AccessDenied:
        launcher = pilot.parent()
        return launcher.environ().get(STAMP_VARIABLE) if launcher is not None else None


@contextmanager
def installation_with(site: GridSite, **changes: object) -> Iterator[GridInstallation]:
    """Run an installation that sends pilots to a system of the grid and nowhere else; `changes` are of its queue."""

    def configuration(idp_url: str) -> Document:
        made = document(idp_url, Path("/nonexistent"))
        queue = {
            "WallTime": 86_400,
            "Cores": 1,
            "MemoryMB": 4000,
            "ScratchMB": 1000,
            "PowerDB12": 10.0,
            "MaxWaiting": 3,
            "MaxTotal": 3,
            **changes,
        }
        element = {**site.element, "Queues": {site.queue or "default": queue}}
        made["Resources"]["Sites"] = {SITE: {"CEs": {CE: element}}}
        del made["Resources"]["StorageElements"]
        made["Operations"]["Defaults"]["Pilots"] = {"SubmitEvery": 2, "StatusEvery": 2, "IdleAfter": 30}
        return made

    settings = {"credentials_directory": str(site.credentials)} if site.credentials else {}
    with running_stack(configuration, **settings) as stack:
        yield GridInstallation(stack, site)
