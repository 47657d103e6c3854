"""What the matcher is measured on: a PostgreSQL that syncs its commits, filled with COPY, and a real server process."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import asyncpg
import psutil

from tests.bench.cpu import cpu_s
from tests.bench.matcher_shape import SHAPE, VO, Waiting, site_name
from tests.infra.app import URL, Installation, config_document
from weyl.auth.keys import KeySet
from weyl.demo.postgres import RunningPostgres, start_postgres
from weyl.demo.processes import end, free_ports, launch, wait_until
from weyl.jobs.service.waiting import rebuild as rebuild_queue
from weyl.kit.db import Database, libpq_dsn
from weyl.migrations import migrate
from weyl.task_queues.permits import QueueKeeper
from weyl.task_queues.queries.classes import fold_counts

# As an administrator would set a database of this size, with a quarter of the memory; commits stay synced.
POSTGRES_OPTIONS = (
    f"shared_buffers={psutil.virtual_memory().total >> 22}MB",
    "max_wal_size=16GB",
    "checkpoint_timeout=30min",
    "maintenance_work_mem=1GB",
    "work_mem=64MB",
    "effective_cache_size=12GB",
    "random_page_cost=1.1",
)
PREWARM = """
    SELECT pg_prewarm(indrelid), sum(pg_prewarm(indexrelid)) FROM pg_index
    WHERE indrelid IN ('jobs'::regclass, 'queue'::regclass) GROUP BY indrelid
"""
ROWS_PER_CHUNK = 20_000
START_TIMEOUT_S = 120.0
JOBS_COLUMNS = """job_type, job_group, job_name, owner, owner_group, vo, submission_time, last_update_time, status,
minor_status, user_priority, class_ids, description_id"""


@dataclass(frozen=True)
class Machine:
    """A database and the installation whose servers use it."""

    directory: Path
    postgres: RunningPostgres
    installation: Installation
    sites: int

    @property
    def keys(self) -> KeySet:
        """Signs as the servers do."""
        return KeySet(self.installation.keys, issuer=URL + "/")


@dataclass(frozen=True)
class Server:
    """A running server process."""

    address: tuple[str, int]
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.address[0]}:{self.address[1]}"

    @property
    def memory_mb(self) -> float:
        """Return its resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)


@dataclass(frozen=True)
class Fleet:
    """Server processes beside each other, as one answers for another."""

    servers: tuple[Server, ...]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where they answer."""
        return [each.address for each in self.servers]

    @property
    def memory_mb(self) -> float:
        """Return the resident memory of the largest."""
        return max(each.memory_mb for each in self.servers)

    def cpu_s(self) -> float:
        """Return the CPU seconds of all of them."""
        return sum(cpu_s(each.process.pid) for each in self.servers)


@contextmanager
def machine(
    directory: Path, *, sites: int, tags: Sequence[Sequence[str]], matching: dict[str, object] | None = None
) -> Iterator[Machine]:
    """Start the database and write the configuration; `matching` is what the VO says about it."""
    own = directory / f"installation-{os.getpid()}"
    installation = Installation.create(own)
    document = _configuration(sites, tags)
    document["Operations"] = {"Defaults": {}, VO: {"Matching": matching or {}}}
    installation.commit_config(document, "Sites of the benchmark")
    try:
        with start_postgres(directory / "pg", options=POSTGRES_OPTIONS) as postgres:
            yield Machine(directory, postgres, installation, sites)
    finally:
        shutil.rmtree(own)


@contextmanager
def server(on: Machine, number: int = 1, **settings: str) -> Iterator[Server]:
    """Run a server until the block ends."""
    host = "127.0.0.1"
    [port] = free_ports(host, 1)
    log = on.directory / f"server-{number}.log"
    command = [sys.executable, "-m", "weyl", "serve", "--host", host, "--port", str(port)]
    process = launch(command, log=log, env=_environment(on, **settings))
    try:
        wait_until(lambda: _is_ready(host, port), process, log=log, timeout_s=START_TIMEOUT_S)
        yield Server((host, port), process)
    finally:
        end(process, (signal.SIGTERM, 30.0))


@contextmanager
def fleet(on: Machine, count: int) -> Iterator[Fleet]:
    """Run so many servers until the block ends."""
    with ExitStack() as stack:
        yield Fleet(tuple(stack.enter_context(server(on, number)) for number in range(1, count + 1)))


@contextmanager
def worker(on: Machine, **settings: str) -> Iterator[None]:
    """Run a worker until the block ends."""
    command = [sys.executable, "-m", "weyl", "worker"]
    process = launch(command, log=on.directory / "worker.log", env=_environment(on, **settings))
    try:
        yield
    finally:
        end(process, (signal.SIGTERM, 30.0))


def _environment(on: Machine, **settings: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(on.directory),
        **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        "WEYL_DATABASE_URL": on.postgres.url,
        "WEYL_CONFIG_URL": f"git+file://{on.installation.config_directory}",
        "WEYL_PUBLIC_URL": URL,
        "WEYL_KEYS": on.installation.keys,
        "WEYL_STATE_KEY": on.installation.state_key,
        "WEYL_S3_ENDPOINT": "http://127.0.0.1:1",
        "WEYL_LOG_LEVEL": "WARNING",
        **settings,
    }


async def upgrade(url: str) -> None:
    """Bring the tables of a new or a kept database up to this code."""
    db = Database(url, pool_size=1, statement_timeout_s=3600)
    await migrate.upgrade(db)
    await db.close()


async def fill(url: str, waiting: Sequence[Waiting], runs: Sequence[tuple[int, int]]) -> None:
    """Empty the tables and load classes and jobs with COPY; the queue itself is made by `rebuild`."""
    await upgrade(url)
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute(
            "TRUNCATE jobs, job_history, job_pilots, job_descriptions, queue, class_count, requirement_class,"
            " job_counts, job_count_deltas, offer, match_request, pilot_question, share_usage RESTART IDENTITY"
        )
        await _copy_classes(connection, waiting)
        await _copy_jobs(connection, waiting, runs)
    finally:
        await connection.close()


async def rebuild(url: str) -> tuple[float, int]:
    """Make the queue from the jobs, as `weyl task-queues rebuild` does; returns the seconds and the jobs."""
    db = Database(url, pool_size=1, statement_timeout_s=3600)
    began = time.perf_counter()
    async with db.transaction() as tx:
        queued = await rebuild_queue(tx, QueueKeeper("bench"))
    passed_s = time.perf_counter() - began
    await db.close()
    await settle(url)
    return passed_s, sum(queued.values())


async def settle(url: str) -> None:
    """Do what time does to a queue by itself: the journal is folded, dead rows are gone, all is on the disk.

    And what is asked for all the time is in PostgreSQL's memory, as far as there is room.
    """
    db = Database(url, pool_size=1, statement_timeout_s=3600)
    async with db.transaction() as tx:
        await fold_counts(tx)
    await db.close()
    await execute(url, "VACUUM (ANALYZE) queue", "VACUUM (ANALYZE) class_count", "CHECKPOINT")
    await execute(url, "CREATE EXTENSION IF NOT EXISTS pg_prewarm", PREWARM)


async def execute(url: str, *statements: str) -> None:
    """Run statements one by one, each in a transaction of its own."""
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        await connection.execute("SET statement_timeout = 0")
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def value(url: str, query: str) -> int:
    """Return the one number that a query gives."""
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        return int(await connection.fetchval(query))
    finally:
        await connection.close()


async def waiting_jobs(url: str, count: int) -> list[int]:
    """Return the newest jobs of so many classes."""
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        rows = await connection.fetch(
            "SELECT q.job_id FROM requirement_class c CROSS JOIN LATERAL (SELECT job_id FROM queue"
            " WHERE class_id = c.class_id ORDER BY job_id DESC LIMIT 1) q ORDER BY c.class_id % 997, 1 LIMIT $1",
            count,
        )
    finally:
        await connection.close()
    return [row["job_id"] for row in rows]


async def _copy_classes(connection: asyncpg.Connection, waiting: Sequence[Waiting]) -> None:
    rows = []
    for number, each in enumerate(waiting, start=1):
        document = each.made.document
        people = (document["vo"], document["group"], document["owner"], document["job_type"])
        rows.append((number, each.made.hash, each.made.canonical.decode(), *people, document["user_priority"]))
    names = ["class_id", "hash", "document", "vo", "owner_group", "owner", "job_type", "user_priority"]
    await connection.copy_records_to_table("requirement_class", columns=names, records=rows)
    await connection.execute("SELECT setval(pg_get_serial_sequence('requirement_class', 'class_id'), $1)", len(rows))
    descriptions = [(number, _text(each), _description(number, each)) for number, each in enumerate(waiting, start=1)]
    names = ["description_id", "jdl", "document"]
    await connection.copy_records_to_table("job_descriptions", columns=names, records=descriptions)


def _text(each: Waiting) -> str:
    return f'Executable = "run.sh"; JobType = "{each.made.document["job_type"]}";'


def _description(number: int, each: Waiting) -> str:
    return json.dumps(
        {
            "Executable": "run.sh",
            "JobType": each.made.document["job_type"],
            "Arguments": f"--production {number} --seed %j",
            "JobName": f"production {number}",
            "StdOutput": "std.out",
            "StdError": "std.err",
            "OutputSandbox": ["std.out", "std.err"],
            "InputSandbox": [f"SB:SandboxSE|/S3/store/sha256:{number:064x}.tar.zst"],
        }
    )


async def _copy_jobs(
    connection: asyncpg.Connection, waiting: Sequence[Waiting], runs: Sequence[tuple[int, int]]
) -> None:
    """Load without the other indexes and without the triggers, whose counts are written at once at the end."""
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'jobs' AND indexname <> 'pk_jobs'"
    )
    for row in indexes:
        await connection.execute(f'DROP INDEX "{row["indexname"]}"')
    await connection.execute("ALTER TABLE jobs DISABLE TRIGGER USER")
    await _copy_text(connection, waiting, runs)
    for row in indexes:
        await connection.execute(row["indexdef"])
    await connection.execute("ALTER TABLE jobs ENABLE TRIGGER USER")
    counted = "vo, owner, owner_group, job_type, job_group, site, status, minor_status"
    await connection.execute(
        f"INSERT INTO job_counts ({counted}, count) SELECT {counted}, count(*) FROM jobs GROUP BY {counted}"
    )
    await connection.execute("VACUUM (ANALYZE) jobs")
    await connection.execute("ANALYZE requirement_class")


async def _copy_text(
    connection: asyncpg.Connection, waiting: Sequence[Waiting], runs: Sequence[tuple[int, int]]
) -> None:
    async def lines() -> AsyncIterator[bytes]:
        rows: list[str] = []
        held = 0
        for number, count in runs:
            rows.append(_line(waiting[number], number + 1) * count)
            held += count
            if held >= ROWS_PER_CHUNK:
                yield "".join(rows).encode()
                rows, held = [], 0
                await asyncio.sleep(0)
        yield "".join(rows).encode()

    await connection.copy_to_table(
        "jobs", source=lines(), columns=[name.strip() for name in JOBS_COLUMNS.split(",")], format="text"
    )


def _line(each: Waiting, class_id: int) -> str:
    document = each.made.document
    now = "2026-01-01 00:00:00+00"
    values = (
        document["job_type"],
        f"{class_id:08}",
        f"production_{class_id}",
        document["owner"],
        document["group"],
        VO,
        now,
        now,
        "Waiting",
        "Pilot Agent Submission",
        str(document["user_priority"]),
        f"{{{class_id}}}",
        str(class_id),
    )
    return "\t".join(values) + "\n"


def _configuration(sites: int, tags: Sequence[Sequence[str]]) -> dict[str, object]:
    document = config_document([VO])
    groups = {stratum["group"] for stratum in SHAPE["strata"]}
    registry = document["Registry"][VO]  # type: ignore[index]
    registry["Groups"].update({group: {"Properties": ["NormalUser"], "Users": []} for group in sorted(groups)})
    queue = {"WallTime": 259_200, "Cores": 8}
    document["Resources"] = {
        "Sites": {
            site_name(rank): {
                "Tags": list(tags[rank]),
                "CEs": {f"ce.{site_name(rank)}": {"Driver": "local", "Queues": {"default": queue}}},
            }
            for rank in range(sites)
        }
    }
    return document


def _is_ready(host: str, port: int) -> bool:
    url = f"http://{host}:{port}/api/health/ready"
    with suppress(URLError, OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False
