"""Measures a server that speaks DiracX's contract: requests/s, latency and server CPU per request, by operation.

Needs Linux for the CPU figures. Never run it against a server with real jobs. `--help` tells the rest.
"""

import argparse
import asyncio
import collections
import hashlib
import itertools
import json
import os
import statistics
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from tests.bench.cpu import cpu_s

GROUPS = ("submit", "search", "summary", "status", "meta", "sandbox", "auth")
COLUMNS = ["JobID", "Status", "MinorStatus", "ApplicationStatus", "JobGroup", "Site", "JobName", "Owner"]
COLUMNS += ["LastUpdateTime"]
JDL = (
    '[Executable="/bin/echo";Arguments="hello";JobName="bench";JobGroup="g%d";JobType="User";StdOutput="std.out";'
    'StdError="std.err";OutputSandbox={"std.out","std.err"};CPUTime=%d;Site="ANY"%s]'
)
OK = (200, 201, 204, 206, 304)

# Submitted in bulk, in calls as large as the server takes.
BULK_JOBS = 2_000


@dataclass
class Row:
    """What was measured for one operation; CPU figures are None without process ids."""

    key: str
    name: str
    n: int
    concurrency: int
    items: int
    requests_s: float
    items_s: float
    p50_ms: float
    p95_ms: float
    max_ms: float
    cpu_ms: float | None
    db_cpu_ms: float | None
    errors: int
    refused: bool
    codes: dict
    first_error: str | None

    def text(self):
        def number(value):
            return "-" if value is None else f"{value:.2f}"

        errors = f"{self.errors} errors {self.codes} {self.first_error}" if self.errors else ""
        return (
            f"{self.key:24s} n={self.n:5d} c={self.concurrency:2d} {self.requests_s:8.1f} req/s "
            f"{self.items_s:9.1f} items/s p50 {self.p50_ms:8.2f} p95 {self.p95_ms:8.2f} "
            f"cpu {number(self.cpu_ms):>7s} db {number(self.db_cpu_ms):>7s} {'refused' if self.refused else errors}"
        )


class CpuMeter:
    """CPU seconds of some processes and their descendants; none without processes."""

    def __init__(self, pids):
        self.pids = pids

    def read(self):
        return sum(cpu_s(pid) for pid in self.pids) if self.pids else None


class Credentials:
    """The tokens of a credentials file; what a refresh answers is written back, as refresh tokens rotate."""

    def __init__(self, path, client_id):
        self.path, self.client_id, self.data = path, client_id, json.loads(path.read_text())

    def refresh_request(self):
        form = {"grant_type": "refresh_token", "client_id": self.client_id, "refresh_token": self.data["refresh_token"]}
        return {"method": "POST", "url": "/api/auth/token", "data": form}

    def keep(self, response):
        new = response.json()
        self.data["access_token"] = new["access_token"]
        self.data["refresh_token"] = new.get("refresh_token") or self.data["refresh_token"]
        self.data["expires_on"] = int(time.time()) + new["expires_in"] - 15

    def save(self):
        fresh = self.path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(self.data))
        fresh.replace(self.path)


class Bench:
    """Runs the groups of operations and keeps the rows."""

    def __init__(self, options):
        self.options = options
        self.credentials = Credentials(options.creds, options.client_id)
        self.cpu, self.db_cpu = CpuMeter(options.pid), CpuMeter(options.db_pid)
        self.rows, self.job_ids, self.jobs = [], [], 0

    def client(self, connections=1):
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        headers = {"Authorization": f"Bearer {self.credentials.data['access_token']}"}
        options = {"timeout": self.options.timeout, "limits": limits, "headers": headers}
        return httpx2.AsyncClient(base_url=self.options.url.rstrip("/"), **options)

    async def once(self, request):
        async with self.client() as client:
            response = await client.request(**request)
            response.raise_for_status()
            return response

    async def measure(self, key, name, n, make, *, concurrency=1, items=1, expect=OK, keep=None, refusable=False):
        """Send ``n`` requests made by ``make(i)``, ``concurrency`` at a time, and append a row."""
        latencies, codes, bodies, turns = [], collections.Counter(), [], iter(range(n))

        async def worker(client):
            for i in turns:
                start = time.perf_counter()
                try:
                    response = await client.request(**make(i))
                    code = response.status_code
                    if code not in expect:
                        bodies.append(response.text[:300])
                    elif keep:
                        keep(response)
                except httpx2.HTTPError as error:
                    code = type(error).__name__
                    bodies.append(repr(error))
                latencies.append((time.perf_counter() - start) * 1e3)
                codes[code] += 1

        async with self.client(concurrency) as client:
            before, start = (self.cpu.read(), self.db_cpu.read()), time.perf_counter()
            await asyncio.gather(*[worker(client) for _ in range(concurrency)])
            seconds, after = time.perf_counter() - start, (self.cpu.read(), self.db_cpu.read())
        cpu, db_cpu = [None if b is None else (a - b) * 1e3 / n for b, a in zip(before, after, strict=True)]
        good, refused = sum(codes[code] for code in expect), refusable and set(codes) == {400}
        latencies.sort()
        speed = {"requests_s": n / seconds, "items_s": good * items / seconds, "cpu_ms": cpu, "db_cpu_ms": db_cpu}
        p95_ms = latencies[-(-95 * n // 100) - 1]
        times = {"p50_ms": statistics.median(latencies), "p95_ms": p95_ms, "max_ms": latencies[-1]}
        errors, first_error = 0 if refused else n - good, bodies[0] if bodies else None
        outcome = {"errors": errors, "refused": refused, "codes": dict(codes), "first_error": first_error}
        row = Row(key=key, name=name, n=n, concurrency=concurrency, items=items, **speed, **times, **outcome)
        self.rows.append(row)
        print(row.text(), flush=True)
        return row

    async def alone(self, key, name, n, make, **more):
        """Measure with the number of requests scaled by ``--scale``."""
        return await self.measure(key, name, max(1, round(n * self.options.scale)), make, **more)

    async def alone_and_crowded(self, key, name, n, make, **more):
        await self.alone(key, name, n, make, **more)
        await self.alone(f"{key}.c8", name, n, make, concurrency=8, **more)

    async def userinfo(self):
        return (await self.once(call("GET", "/api/auth/userinfo"))).json()

    async def count(self):
        """Return the number of visible jobs."""
        counts = (await self.once(call("POST", "/api/jobs/summary", {"grouping": ["VO"]}))).json()
        return sum(row["count"] for row in counts)

    async def prepare(self):
        """Fill the job table up to ``--jobs`` and pick the jobs that searches name and updates are sent to."""
        missing = self.options.jobs - await self.count()
        if missing > 0:
            size = self.options.call_max
            n = -(-missing // size)
            part = lambda i: range(i * size, min(missing, (i + 1) * size))  # noqa: E731
            fill = lambda i: call("POST", "/api/jobs/jdl", [jdl(j) for j in part(i)])  # noqa: E731
            await self.measure("fill", f"lists of {size} JDLs", n, fill, concurrency=4, items=size)
        owner = {"parameter": "Owner", "operator": "eq", "value": (await self.userinfo())["preferred_username"]}
        body = {"parameters": ["JobID"], "search": [owner], "sort": [{"parameter": "JobID", "direction": "desc"}]}
        self.job_ids = [job["JobID"] for job in (await self.once(find(body, per_page=1000))).json()]

    async def submit(self):
        for concurrency, n in ((1, 100), (8, 200), (32, 320)):
            suffix = f".c{concurrency}" if concurrency > 1 else ""
            single = lambda i: call("POST", "/api/jobs/jdl", [jdl(i)])  # noqa: E731
            await self.alone(f"submit.single{suffix}", "submit 1 JDL", n, single, concurrency=concurrency)
        size = self.options.call_max
        jobs = max(1_000, int(round(BULK_JOBS * self.options.scale, -3)))
        n, bulk = jobs // size, {"items": size, "refusable": True}
        series = f";Parameters={size};ParameterStart=1;ParameterStep=1;ParameterFactor=1"
        listed = call("POST", "/api/jobs/jdl", [jdl(i) for i in range(size)])
        expanded = call("POST", "/api/jobs/jdl", [jdl(0, series)])
        await self.measure("submit.list", f"{jobs} JDLs in lists of {size}", n, lambda i: listed, **bulk)
        await self.measure("submit.parametric", f"{jobs} in series of {size}", n, lambda i: expanded, **bulk)

    async def search(self):
        ids, newest = self.job_ids, [{"parameter": "JobID", "direction": "desc"}]
        one = lambda i: {"search": [{"parameter": "JobID", "operator": "eq", "value": ids[i % len(ids)]}]}  # noqa: E731
        deep, beyond = max(1, min(50, self.options.jobs // 200)), self.options.jobs * 10
        group = nine(search=[{"parameter": "JobGroup", "operator": "eq", "value": "g3"}])
        chosen = nine(search=[{"parameter": "JobID", "operator": "in", "values": ids[:100]}])
        named = {"parameter": "JobName", "operator": "like", "value": "ben%"}
        since = {"parameter": "SubmissionTime", "operator": "gt", "value": "2020-01-01"}
        recent = nine(search=[named, since], sort=[{"parameter": "LastUpdateTime", "direction": "desc"}])
        await self.alone("search.page100.all", "page of 100, all columns", 100, lambda i: find({}), items=100)
        await self.alone_and_crowded("search.page100", "page of 100, 9 columns", 100, lambda i: find(nine()), items=100)
        backwards = find(nine(sort=newest), deep)
        await self.alone("search.deep", f"page {deep}, newest first", 100, lambda i: backwards, items=100)
        await self.alone("search.group", "JobGroup eq", 100, lambda i: find(group), items=100)
        await self.alone("search.ids", "JobID in 100 values", 100, lambda i: find(chosen), items=100)
        await self.alone("search.like", "like, time gt, by time", 100, lambda i: find(recent), items=100)
        await self.alone("search.one", "one job by id", 100, lambda i: find(one(i)))
        await self.alone("search.page10000", "page of 10000", 10, lambda i: find(nine(), per_page=10_000), items=10_000)
        await self.alone("search.beyond", "beyond the end", 50, lambda i: find({}, beyond), expect=(416,))

    async def summary(self):
        name = [{"parameter": "JobName", "operator": "eq", "value": "bench"}]
        wide = call("POST", "/api/jobs/summary", {"grouping": ["Status", "Site", "JobGroup", "Owner"], "search": name})
        narrow = call("POST", "/api/jobs/summary", {"grouping": ["Status"]})
        await self.alone_and_crowded("summary.status", "summary by Status", 200, lambda i: narrow)
        await self.alone("summary.wide", "summary by 4 columns, 1 filter", 100, lambda i: wide)

    async def status(self):
        ids, start, moment = self.job_ids, datetime.now(UTC), itertools.count()
        turn = itertools.cycle([[job] for job in ids])
        values = {"LoadAverage": 1.5, "MemoryUsed": 2e3, "Vsize": 4e3, "AvailableDiskSpace": 1e4, "CPUConsumed": 10.0}
        values |= {"WallClockTime": 20.0, "StandardOutput": "ok"}

        def change(jobs):
            at = (start + timedelta(milliseconds=10 * next(moment))).isoformat()
            update = {"Status": "Checking", "MinorStatus": "bench", "ApplicationStatus": "x", "Source": "bench"}
            return call("PATCH", "/api/jobs/status", {str(job): {at: update} for job in jobs})

        def beat(jobs):
            return call("PATCH", "/api/jobs/heartbeat", {str(job): values for job in jobs})

        def label(i, jobs):
            values = {"Site": f"LCG.X{i % 3}.ch", "HostName": "h", "BenchParameter": i}
            return call("PATCH", "/api/jobs/metadata", {str(job): values for job in jobs})

        await self.alone_and_crowded("status.1", "status of 1 job", 100, lambda i: change(next(turn)))
        await self.alone("status.100", "status of 100 jobs", 20, lambda i: change(ids[:100]), items=100)
        await self.alone_and_crowded("heartbeat.1", "heartbeat of 1 job", 100, lambda i: beat(next(turn)))
        await self.alone("heartbeat.100", "heartbeat of 100 jobs", 10, lambda i: beat(ids[:100]), items=100)
        await self.alone("metadata.1", "metadata of 1 job", 100, lambda i: label(i, next(turn)))
        await self.alone("metadata.100", "metadata of 100 jobs", 10, lambda i: label(i, ids[:100]), items=100)

    async def meta(self):
        config = call("GET", "/api/config/")
        known = config | {"headers": {"If-None-Match": (await self.once(config)).headers["etag"]}}
        await self.alone_and_crowded("config.200", "configuration", 1000, lambda i: config)
        await self.alone_and_crowded("config.304", "configuration, unchanged", 1000, lambda i: known, expect=(304,))
        for key, document in (("openid", "openid-configuration"), ("metadata", "dirac-metadata")):
            request = call("GET", f"/.well-known/{document}")
            await self.alone(f"wellknown.{key}", document, 1000, lambda i, r=request: r)
        await self.alone_and_crowded("userinfo", "userinfo", 1000, lambda i: call("GET", "/api/auth/userinfo"))

    async def sandbox(self):
        salt, fresh, pfns = os.urandom(8).hex(), itertools.count(), []

        def announce(i):
            checksum = hashlib.sha256(f"{salt}{i}".encode()).hexdigest()
            info = {"checksum_algorithm": "sha256", "checksum": checksum, "size": 1000 + i, "format": "tar.zst"}
            return call("POST", "/api/jobs/sandbox", info)

        keep = lambda response: pfns.append(response.json()["pfn"])  # noqa: E731
        await self.alone_and_crowded("sandbox.new", "sandbox upload, new", 100, lambda i: announce(next(fresh)))
        await self.alone("sandbox.again", "sandbox upload, the same again", 50, announce, keep=keep)
        pick = lambda i: call("GET", "/api/jobs/sandbox") | {"params": {"pfn": pfns[i % len(pfns)]}}  # noqa: E731
        if pfns:
            await self.alone("sandbox.get", "sandbox download URL", 50, pick)

    async def auth(self):
        if self.credentials.data.get("refresh_token"):
            chain = {"make": lambda i: self.credentials.refresh_request(), "keep": self.credentials.keep}
            await self.alone("token.refresh", "token refresh, chain", 100, **chain)
            self.credentials.save()
        query = {"client_id": self.options.client_id, "scope": f"vo:{(await self.userinfo())['vo']}"}
        start = {"method": "POST", "url": "/api/auth/device", "params": query}
        await self.alone("device.start", "device flow, start", 50, lambda i: start)

    async def run(self):
        print(f"load {os.getloadavg()}, {os.cpu_count()} CPUs")
        for group in GROUPS:
            if group not in self.options.only:
                continue
            if self.credentials.data.get("expires_on", 0) - time.time() < 420:
                self.credentials.keep(await self.once(self.credentials.refresh_request()))
                self.credentials.save()
            if group in ("search", "summary", "status") and not self.job_ids:
                await self.prepare()
            await getattr(self, group)()
        self.jobs = await self.count()
        print(f"load {os.getloadavg()}, {self.jobs} jobs")


def jdl(i, extra=""):
    return JDL % (i % 10, 1000 + i % 50, extra)


def call(method, url, body=None):
    return {"method": method, "url": url} | ({} if body is None else {"json": body})


def nine(**body):
    return {"parameters": COLUMNS, **body}


def find(body, page=1, per_page=100):
    return call("POST", f"/api/jobs/search?page={page}&per_page={per_page}", body)


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--creds", required=True, type=Path, help="credentials file of `dirac login`; updated in place")
    parser.add_argument("--client-id", default="myDIRACClientID")
    parser.add_argument("--pid", type=int, action="append", default=[], help="API server process, with its descendants")
    parser.add_argument("--db-pid", type=int, action="append", default=[], help="database server, reported apart")
    parser.add_argument("--jobs", type=int, default=10_000, help="fill the job table up to this many before searching")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the number of requests (0.25: a quick look)")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--only", type=lambda text: set(text.split(",")), default=set(GROUPS), help=",".join(GROUPS))
    parser.add_argument("--call-max", type=int, default=1000, help="jobs per call in bulk submissions")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args(arguments)
    if unknown := options.only - set(GROUPS):
        parser.error(f"unknown group: {', '.join(sorted(unknown))}")
    return options


def main(arguments=None):
    """Measure; returns the rows by key, and the number of jobs at the end."""
    options = parse_arguments(arguments)
    bench = Bench(options)
    asyncio.run(bench.run())
    if options.json:
        rows = [asdict(row) for row in bench.rows]
        options.json.write_text(json.dumps({"url": options.url, "jobs": bench.jobs, "rows": rows}, indent=1) + "\n")
    return {row.key: row for row in bench.rows}, bench.jobs


if __name__ == "__main__":
    main()
