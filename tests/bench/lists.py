"""`python -m tests.bench.lists`: how long lists of a million jobs take for the web application; figures to build/bench.

A database of its own with commits synced, filled with COPY; the application in this process, one request at a time.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.infra.app import Application, Installation, running_application
from tests.infra.many_jobs import load
from weyl.demo.postgres import start_postgres
from weyl.demo.seaweedfs import start_seaweedfs
from weyl.kit.clock import utcnow

OUT = Path(__file__).resolve().parent.parent.parent / "build" / "bench"
TIMES = 15
SHOWN = ["JobID", "Status", "MinorStatus", "ApplicationStatus", "JobGroup", "Site", "JobName", "Owner"]
SHOWN += ["LastUpdateTime"]
NEWEST = [{"parameter": "JobID", "direction": "desc"}]
CHANGED = [{"parameter": "LastUpdateTime", "direction": "desc"}]


async def measure(application: Application, count: int) -> dict[str, Any]:
    """Time what a page asks for, warm: the median and the worst of some requests each."""
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
    figures = {}
    for name, (body, query, prefer) in asked.items():
        headers = user | ({"Prefer": f"count={prefer}"} if prefer else {})
        figures[name] = await timed(
            lambda body=body, query=query, headers=headers: client.post(  # type: ignore[misc]
                "/api/jobs/search", json=body, params={"per_page": 200, **query}, headers=headers
            )
        )
    for name, days in (("failures of a day", 1), ("failures of 30 days", 30)):
        since = (utcnow() - timedelta(days=days)).isoformat()
        figures[name] = await timed(
            lambda since=since: client.get(  # type: ignore[misc]
                "/api/jobs/failures", params={"since": since, "limit": 50}, headers=user
            )
        )
    [most, *_] = (await client.get("/api/jobs/failures", params={"since": week + "Z"}, headers=user)).json()["clusters"]
    cluster = {"search": [{"parameter": "FailureSignature", "operator": "eq", "value": most["signature"]}]}
    figures["jobs of a cluster, exact"] = await timed(
        lambda: client.post("/api/jobs/search", json=cluster, headers=user | {"Prefer": "count=exact"})
    )
    return figures


async def timed(send: Any) -> dict[str, float]:
    """Send a request some times; the first one warms up."""
    taken = []
    for number in range(TIMES + 1):
        began = time.perf_counter()
        answer = await send()
        assert answer.status_code in (200, 206), answer.text
        if number:
            taken.append((time.perf_counter() - began) * 1000)
    return {"median_ms": round(statistics.median(taken), 1), "max_ms": round(max(taken), 1)}


async def run(count: int) -> dict[str, Any]:
    """Load and measure on components of our own."""
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with start_postgres(directory / "pg") as postgres, start_seaweedfs(directory / "s3") as store:
            installation = Installation.create(directory / "installation")
            figures: dict[str, Any] = {"jobs": count, **await load(postgres.url, count)}
            async with running_application(installation, postgres.url, store) as application:
                figures |= await measure(application, count)
    return figures


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    figures = asyncio.run(run(parser.parse_args().jobs))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "lists.json").write_text(json.dumps(figures, indent=1))
    for name, value in figures.items():
        print(f"{name:40} {value}")


if __name__ == "__main__":
    main()
