"""Figures of the matcher on one machine: the index alone, then matches on a real database; prints, asserts nothing.

python -m tests.bench.matcher_smoke [--jobs 20000] [--classes 500] [--pilots 32] [--seconds 10] [--index 2000,20000]
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

import structlog
from sqlalchemy import text

from tests.infra.app import URL, Installation
from tests.matcher.conftest import a_pilot, a_request
from weyl.auth.keys import KeySet
from weyl.config.service import ConfigStore
from weyl.demo.postgres import start_postgres
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, ensure_month_partitions
from weyl.matcher.index import Index
from weyl.matcher.offers import PilotOffer, Place
from weyl.matcher.planning import Attempt, plan
from weyl.matcher.ranking import Turns
from weyl.matcher.service.answers import JobTokens
from weyl.matcher.service.matcher import Matcher
from weyl.migrations import migrate
from weyl.task_queues.policy import QueueKeeper
from weyl.task_queues.requirements import RequirementClass, make_class
from weyl.task_queues.service import enqueue_jobs, rebuild

SITES = [f"LCG.Site{number:02}.org" for number in range(60)]
GROUPS = ["mc", "data", "user", "mcproc"]
WORKS = [21_600, 43_200, 86_400, 172_800, 259_200, 345_600, 518_400, 691_200, 864_000, 1_080_000]


def a_random_class(chance: random.Random, number: int) -> RequirementClass:
    """Make a class such as a real queue holds: long lists of sites, ten lengths, few owners."""
    low = chance.choice([1, 1, 1, 4, 8])
    return make_class(
        {
            "cpu_work_db12": chance.choice(WORKS),
            "wall_time": chance.choice(WORKS),
            "cpu": {
                "num_cores": {"min": low, "max": low},
                "ram_mb": {"request": {"overhead": 0, "per_core": chance.choice([1024, 2048, 4096])}},
                "architecture": {"name": "x86_64", "level": f"x86-64-v{chance.randint(1, 4)}"},
            },
            "tags": chance.choice(["", "", "os:el9", "cvmfs:a & os:el9", "cvmfs:b | cvmfs:c"]),
        },
        vo="voa",
        group=chance.choice(GROUPS),
        owner=f"owner{number % 997}",
        job_type="User",
        user_priority=chance.randint(0, 10),
        sites=["LCG.Alpha.org", *chance.sample(SITES, 50)]
        if number % 3
        else chance.sample(SITES, chance.randint(1, 5)),
    )


def measure_index(sizes: list[int]) -> None:
    """Print how long the index takes to build, and how many questions a second it plans, on one core."""
    for size in sizes:
        chance = random.Random(1)
        documents = {number: a_random_class(chance, number).document for number in range(size)}
        index = Index()
        started = time.perf_counter()
        index.build(documents)
        built_s = time.perf_counter() - started
        offers = [an_offer(chance) for _ in range(200)]
        for offer in offers:
            index.eligible(offer)
        started = time.perf_counter()
        eligible = [index.eligible(offer).bit_count() for offer in offers * 5]
        looked_s = time.perf_counter() - started
        turns, started = Turns(), time.perf_counter()
        for offer in offers:
            plan([Attempt("s", offer)], index, turns)
        planned_s = time.perf_counter() - started
        print(
            f"index of {size:>6} classes: build {built_s:6.2f} s, {len(eligible) / looked_s:>9,.0f} look-ups/s "
            f"({statistics.mean(eligible):,.0f} eligible), {len(offers) / planned_s:>8,.0f} choices/s"
        )


def an_offer(chance: random.Random) -> PilotOffer:
    """Make an offer of one of the sites."""
    return PilotOffer(
        place=Place("voa", chance.choice(SITES), "ce", "q"),
        cores=chance.choice([1, 4, 8]),
        wall_time_s=chance.choice([86_400, 259_200]),
        power=chance.uniform(8, 20),
        architecture="x86_64",
        ram_mb=chance.choice([2_048, 16_384]),
        features=frozenset(),
        tags=frozenset(["os:el9"]),
    )


async def fill(db: Database, jobs: int, classes: int) -> None:
    """Put waiting jobs into the database."""
    async with db.transaction() as tx:
        await ensure_month_partitions(tx, "job_history", utcnow())
        made = [
            make_class({"cpu_work_db12": 1000 + number}, vo="voa", group=GROUPS[number % 4], owner=f"o{number}",
                       job_type="User")
            for number in range(classes)
        ]  # fmt: skip
        placed = await enqueue_jobs(tx, [(-number - 1, each) for number, each in enumerate(made)])
        await tx.execute(
            text("INSERT INTO job_descriptions (jdl, document) VALUES ('', CAST(:document AS jsonb))"),
            {"document": '{"Executable": "true"}'},
        )
        await tx.execute(
            text(
                "INSERT INTO jobs (owner, owner_group, vo, submission_time, last_update_time, status, description_id,"
                " class_ids) SELECT 'alice', 'user', 'voa', now(), now(), 'Waiting', 1,"
                " ARRAY[(CAST(:ids AS integer[]))[1 + n % :classes]] FROM generate_series(1, :jobs) AS n"
            ),
            {"ids": sorted(set(placed.values())), "classes": classes, "jobs": jobs},
        )
        await rebuild(tx, QueueKeeper("bench"))


async def measure_matches(db: Database, options: argparse.Namespace, directory: Path) -> None:
    """Print how many matches a second one process makes for so many pilots at once, commits synced."""
    installation = Installation.create(directory / "installation")
    config = ConfigStore(f"git+file://{installation.config_directory}", check_every_s=600)
    await config.start()
    tokens = JobTokens(KeySet(installation.keys, issuer=URL + "/"), lifetime_s=1200)
    for count in (1, 10):
        matcher = Matcher(db, config, tokens=tokens)
        await matcher.start()
        started = time.perf_counter()
        ends = started + options.seconds / 2
        runs = [_one_pilot(matcher, number, count=count, ends=ends) for number in range(options.pilots)]
        answers = [each for run in await asyncio.gather(*runs) for each in run]
        passed_s = time.perf_counter() - started
        cuts = statistics.quantiles([seconds for seconds, _ in answers], n=100)
        jobs = sum(got for _, got in answers)
        print(
            f"{options.pilots} pilots, count {count:>2}: {len(answers) / passed_s:>7,.0f} answers/s, "
            f"{jobs / passed_s:>7,.0f} jobs/s, p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"
        )
        await matcher.stop()
    await config.stop()


async def _one_pilot(matcher: Matcher, number: int, *, count: int, ends: float) -> list[tuple[float, int]]:
    """Ask until the time is over or nothing waits; returns the time and the jobs of each answer."""
    answers = []
    while (started := time.perf_counter()) < ends:
        answer = await matcher.match(a_pilot(f"{number:032x}"), a_request(count=count))
        answers.append((time.perf_counter() - started, len(answer.jobs)))
        if not answer.jobs:
            break
    return answers


async def on_database(options: argparse.Namespace, url: str, directory: Path) -> None:
    """Fill a database and measure on it."""
    db = Database(url, pool_size=4, statement_timeout_s=120)
    await migrate.upgrade(db)
    started = time.perf_counter()
    await fill(db, options.jobs, options.classes)
    print(f"{options.jobs:,} jobs in {options.classes} classes queued in {time.perf_counter() - started:.1f} s")
    await measure_matches(db, options, directory)
    await db.close()


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=500)
    parser.add_argument("--pilots", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--index", default="2000,20000")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    measure_index([int(size) for size in options.index.split(",") if size])
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with start_postgres(directory / "pg") as running:
            asyncio.run(on_database(options, running.url, directory))


if __name__ == "__main__":
    main()
