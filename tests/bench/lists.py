"""`python -m tests.bench.lists`: how long lists of a million jobs take for the web application, beside ten thousand.

Two databases with commits synced, filled with COPY; both applications in this process, one request at a time, in turn.
Ends with 1 if a list takes more times longer than there are more jobs, or at all where an index leads to it.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from tests.bench.verdicts import ALTERNATIONS, Report, times
from tests.infra.app import Application, Installation, running_application
from tests.infra.many_jobs import load
from weyl.demo.postgres import start_postgres
from weyl.demo.seaweedfs import RunningStore, start_seaweedfs
from weyl.kit.clock import utcnow

Send = Callable[[], Awaitable[httpx2.Response]]
FEW_JOBS = 10_000
FLAT_TIMES_MAX = 3.0
FLAT = ("newest 200, no count", "mine of 7 days, no count", "failed, no count", "jobs of a cluster, exact")
"""Read from where an index says, and cost the same with any number of jobs; the rest may grow as the jobs do."""
REQUESTS = 5
SHOWN = ["JobID", "Status", "MinorStatus", "ApplicationStatus", "JobGroup", "Site", "JobName", "Owner"]
SHOWN += ["LastUpdateTime"]
NEWEST = [{"parameter": "JobID", "direction": "desc"}]
CHANGED = [{"parameter": "LastUpdateTime", "direction": "desc"}]


async def requests(application: Application, count: int) -> dict[str, Send]:
    """Return what pages ask for, by its name."""
    client, user = application.client, application.login(group="admin")
    week = (utcnow() - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%S")
    mine = [
        {"parameter": "Owner", "operator": "eq", "value": "user003"},
        {"parameter": "LastUpdateTime", "operator": "gt", "value": week},
    ]
    failed = {"parameters": SHOWN, "search": [{"parameter": "Status", "operator": "eq", "value": "Failed"}]}
    like = [{"parameter": "ApplicationStatus", "operator": "like", "value": "%Status 137 %"}]
    middle = count // 2 // 200
    asked: dict[str, tuple[dict[str, Any], dict[str, object], str | None]] = {
        "newest 200, no count": ({"parameters": SHOWN, "sort": NEWEST}, {}, "none"),
        "newest 200, count of counters": ({"parameters": SHOWN, "sort": NEWEST}, {}, None),
        "mine of 7 days, no count": ({"parameters": SHOWN, "search": mine, "sort": NEWEST}, {}, "none"),
        "mine of 7 days by change, no count": ({"parameters": SHOWN, "search": mine, "sort": CHANGED}, {}, "none"),
        "everybody's by change, no count": ({"parameters": SHOWN, "sort": CHANGED}, {}, "none"),
        "failed, no count": ({**failed, "sort": NEWEST}, {}, "none"),
        "failed, estimated": ({**failed, "sort": NEWEST}, {}, "estimated"),
        "a pattern, estimated": ({"parameters": SHOWN, "search": like, "sort": NEWEST}, {}, "estimated"),
        "jump to the middle": ({"parameters": SHOWN, "sort": NEWEST}, {"page": middle}, "none"),
        "jump to the middle of failed": ({**failed, "sort": NEWEST}, {"page": middle // 8}, "none"),
        "jump to the middle by change": ({"parameters": SHOWN, "sort": CHANGED}, {"page": middle}, "none"),
    }
    search, failures = partial(client.post, "/api/jobs/search"), partial(client.get, "/api/jobs/failures", headers=user)
    found: dict[str, Send] = {}
    for name, (body, query, prefer) in asked.items():
        headers = user | ({"Prefer": f"count={prefer}"} if prefer else {})
        found[name] = partial(search, json=body, params={"per_page": 200, **query}, headers=headers)
    for name, days in (("failures of a day", 1), ("failures of 30 days", 30)):
        since = (utcnow() - timedelta(days=days)).isoformat()
        found[name] = partial(failures, params={"since": since, "limit": 50})
    [most, *_] = (await failures(params={"since": week + "Z"})).json()["clusters"]
    cluster = {"search": [{"parameter": "FailureSignature", "operator": "eq", "value": most["signature"]}]}
    found["jobs of a cluster, exact"] = partial(search, json=cluster, headers=user | {"Prefer": "count=exact"})
    return found


async def compare(report: Report, many: dict[str, Send], few: dict[str, Send], *, growth: float) -> None:
    """Send every request to both applications in turn; the first ones warm up."""
    for number, name in enumerate(many):
        runs = [(await median_ms(many[name]), await median_ms(few[name])) for _ in range(1 + ALTERNATIONS)]
        at_most = FLAT_TIMES_MAX if name in FLAT else growth
        report.add(times(name, runs[1:], over=f"{FEW_JOBS:,} jobs", of="ms", at_most=at_most))
        if number == len(many) // 2:
            report.note_pace()


async def median_ms(send: Send) -> float:
    """Send a request some times."""
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        answer = await send()
        assert answer.status_code in (200, 206), answer.text
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


@asynccontextmanager
async def filled(directory: Path, store: RunningStore, jobs: int) -> AsyncIterator[dict[str, Send]]:
    """Run an application with so many jobs; yields what to ask it for."""
    directory.mkdir()
    directory.chmod(0o755)
    with start_postgres(directory / "pg") as postgres:
        installation = Installation.create(directory / "installation")
        await load(postgres.url, jobs)
        async with running_application(installation, postgres.url, store) as application:
            yield await requests(application, jobs)


async def run(report: Report, jobs: int) -> None:
    """Measure on components of our own."""
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with start_seaweedfs(directory / "s3") as store:
            async with (
                filled(directory / "many", store, jobs) as many,
                filled(directory / "few", store, FEW_JOBS) as few,
            ):
                report.say(f"{jobs:,} jobs beside {FEW_JOBS:,} of the same shape")
                await compare(report, many, few, growth=jobs / FEW_JOBS)


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    report = Report("lists")
    asyncio.run(run(report, parser.parse_args().jobs))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
