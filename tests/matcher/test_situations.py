"""`weyl jobs why` in the situations in which people ask: the sentence names the cause. `pytest -rP` shows them all."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import OFFER, Submit
from tests.matcher.factories import a_class
from tests.preparation.grids import PLAIN, STATIC, grid

from weyl.config.operations import MatchLimit
from weyl.jobs.ranges import to_ranges
from weyl.jobs.service.limits import apply_limits
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.models import Offer
from weyl.matcher.offers import registered_form
from weyl.matcher.queries.offers import record_offers
from weyl.matcher.service.matcher import MATCHER
from weyl.preparation.service.checks import check_jobs
from weyl.task_queues.gates import merged, rules_of

ALPHA = "LCG.Alpha.org"
CPU: dict[str, Any] = OFFER["cpu"]  # type: ignore[assignment]
GPU_JOB = {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 1, "max": 1}}
TAGGED = {**OFFER, "tags": ["os:el9", "cvmfs:lhcb.cern.ch"]}
LEVEL_2 = ["cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2", "sse", "sse2"]


@dataclass(frozen=True)
class Grid:
    """The application with its database: what operators and other people do to it before somebody asks."""

    application: Application
    db: Database
    submit: Submit

    async def see(self, offer: dict[str, Any] = OFFER, *, site: str = ALPHA) -> None:
        """Note that a pilot has asked for work."""
        digest, document = registered_form(Offer.model_validate(offer))
        columns: dict[str, list[object]] = {
            "hash": [digest], "vo": ["voa"], "site": [site], "ce": ["ce.alpha.org"], "queue": ["default"],
            "doc": [json.dumps(document)], "hits": [1], "misses": [2],
        }  # fmt: skip
        async with self.db.transaction() as tx:
            await record_offers(tx, columns, utcnow())

    async def match(self) -> None:
        """Let a pilot take a job."""
        await self.application.seen()
        pilot = self.application.pilot("a" * 32)
        answer = await self.application.client.post("/api/matcher/match", json={"offer": OFFER}, headers=pilot)
        assert answer.json()["jobs"], answer.text

    async def say(self, path: str, method: str, **more: Any) -> None:
        """Tell the resource status something of the site, and wait until the matcher knows it."""
        answer = await self.application.client.request(
            method,
            f"/api/rss/{path}",
            json=[{"kind": "site", "name": ALPHA, **more}],
            headers=self.application.login(properties=["Operator"]),
        )
        assert len(answer.json()["success"]) == 1, answer.text
        await self.application.seen()

    async def limit(self, **limit: Any) -> None:
        """Let a limit hold."""
        async with self.db.transaction() as tx:
            await apply_limits(tx, merged(rules_of("voa", [MatchLimit.model_validate(limit)])), utcnow())
        await self.application.services[MATCHER].limits.follower.seen()


Setting = Callable[[Grid], Awaitable[None]]


async def _a_plain_pilot(grid: Grid) -> None:
    await grid.see()


async def _nobody(grid: Grid) -> None:
    del grid


async def _a_banned_site(grid: Grid) -> None:
    await grid.see()
    await grid.say("status", "PATCH", status="Banned", reason="flooded machine room")


async def _a_draining_site(grid: Grid) -> None:
    await grid.see()
    until = utcnow() + timedelta(hours=3)
    await grid.say("drain", "POST", reason="downtime", until=until.isoformat())


async def _a_pilot_with_tags(grid: Grid) -> None:
    await grid.see(TAGGED)


async def _an_old_processor(grid: Grid) -> None:
    await grid.see({**OFFER, "cpu": {**CPU, "architecture": {"name": "x86_64", "features": LEVEL_2}}})


async def _a_full_limit(grid: Grid) -> None:
    await grid.see()
    await grid.submit(1)
    await grid.limit(site=ALPHA, count=1)
    await grid.match()
    await grid.application.services[MATCHER].limits.follower.seen()


async def _a_delay(grid: Grid) -> None:
    await grid.see()
    await grid.submit(1)
    await grid.limit(job_type="User", delay_s=3600)
    await grid.match()
    await grid.application.services[MATCHER].limits.follower.seen()


async def _a_group_that_had_less(grid: Grid) -> None:
    await grid.see()
    await grid.submit(1)
    await grid.match()
    await grid.submit(1, a_class(group="prod"))
    await grid.application.services[MATCHER].freshness.queue.seen()


async def _an_unhealthy_host(grid: Grid) -> None:
    await grid.see()
    async with grid.db.transaction() as tx:
        await tx.execute(
            text("INSERT INTO host_health (site, host, score, at, reason) VALUES (:site, 'wn1', 0.1, :at, 'x')"),
            {"site": ALPHA, "at": utcnow()},
        )
    await grid.application.services[MATCHER].hosts.follower.seen()


async def _older_jobs(grid: Grid) -> None:
    await grid.see()
    await grid.submit(3)


SITUATIONS: dict[str, tuple[Setting, dict[str, Any], dict[str, Any], str]] = {
    "no pilot": (_nobody, {}, {}, "No pilot of voa has asked for work in the last 24 h"),
    "site banned": (_a_banned_site, {}, {}, f"Closed for jobs: {ALPHA}: flooded machine room"),
    "site draining": (
        _a_draining_site,
        {"wall_time": 14_400},
        {},
        f"No pilot of the last 24 h at {ALPHA} offers time: 14,400 s; the most was .* s; "
        f"{ALPHA} is draining and stops at 2.* UTC",
    ),
    "another site": (
        _a_plain_pilot,
        {},
        {"sites": ["LCG.Beta.org"]},
        f"No pilot came from LCG.Beta.org in the last 24 h; pilots came from {ALPHA}",
    ),
    "memory": (
        _a_plain_pilot,
        {"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}},
        {},
        f"No pilot of the last 24 h at {ALPHA} offers memory: 65,536 MiB; the most was 16,384 MiB",
    ),
    "cores": (
        _a_plain_pilot,
        {"cpu": {"num_cores": {"min": 64, "max": 64}}},
        {},
        f"No pilot of the last 24 h at {ALPHA} offers cores: 64; the most was 8",
    ),
    "wall time": (
        _a_plain_pilot,
        {"wall_time": 172_800},
        {},
        f"No pilot of the last 24 h at {ALPHA} offers time: 172,800 s; the most was 86,400 s",
    ),
    "CPU work": (
        _a_plain_pilot,
        {"cpu_work_db12": 10**9},
        {},
        f"No pilot of the last 24 h at {ALPHA} offers CPU work: .* DB12 core-seconds; the most was 6,912,000",
    ),
    "GPU": (
        _a_plain_pilot,
        {"gpu": GPU_JOB},
        {},
        f"No pilot of the last 24 h at {ALPHA} offers 1 GPU(s): nvidia, sm_80; offered: no GPU",
    ),
    "architecture": (
        _a_plain_pilot,
        {"cpu": {"architecture": {"name": "aarch64"}}},
        {},
        f"No pilot of the last 24 h at {ALPHA} has aarch64 processors; offered: x86_64",
    ),
    "processor level": (
        _an_old_processor,
        {"cpu": {"architecture": {"name": "x86_64", "level": "x86-64-v3"}}},
        {},
        f"No pilot of the last 24 h at {ALPHA} has processors with avx, avx2, ",
    ),
    "scratch space": (
        _a_plain_pilot,
        {"io": {"scratch_mb": 102_400}},
        {},
        f"No pilot of the last 24 h at {ALPHA} offers scratch space: 102,400 MiB; the most was 40,960 MiB",
    ),
    "tag typo": (
        _a_pilot_with_tags,
        {"tags": "cvmfs:lhcb.cern.hc"},
        {},
        f"No pilot of the last 24 h at {ALPHA} has the tag cvmfs:lhcb.cern.hc; did you mean cvmfs:lhcb.cern.ch?",
    ),
    "limit reached": (_a_full_limit, {}, {}, f"The limit on site={ALPHA} is reached: 1 of 1 jobs run"),
    "jobs start apart": (_a_delay, {}, {}, "The limit on job_type=User is reached: jobs start 3600 s apart"),
    "share": (
        _a_group_that_had_less,
        {},
        {},
        f"1 pilot of the last 24 h, at {ALPHA}, could run it: it waits for its turn, behind 1 job of another "
        "group that used less of their share",
    ),
    "unhealthy host": (
        _an_unhealthy_host,
        {},
        {},
        f"1 pilot of the last 24 h, at {ALPHA}, could run it: it waits for its turn, but jobs fail on 1 host of "
        f"{ALPHA}: such hosts get one job at a time, or none",
    ),
    "its turn": (
        _older_jobs,
        {},
        {},
        f"1 pilot of the last 24 h, at {ALPHA}, could run it: it waits for its turn, behind 3 jobs of the same kind",
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_the_sentence_names_the_cause(
    application: Application, db: Database, submit: Submit, situation: str
) -> None:
    setting, requirements, context, sentence = SITUATIONS[situation]
    await setting(Grid(application, db, submit))
    [job_id] = await submit(1, a_class(requirements, **context))
    answer = await application.client.get(f"/api/jobs/{job_id}/explain", headers=application.login())
    assert answer.status_code == 200, answer.text
    told = answer.json()["verdict"]
    print(f"{situation}: {told}")
    assert re.match(".*".join(re.escape(part) for part in sentence.split(".*")), told), told


BANNED = {"ALPHA-DISK": "disks are being replaced"}
HELD = {
    "held for input data": (
        "/voa/alpha",
        "It is held before it may wait for a pilot: /voa/alpha cannot be read now: "
        "ALPHA-DISK: disks are being replaced. "
        "It is looked at again as soon as the storage element ALPHA-DISK can be used, at the latest at ",
    ),
    "held for a tape": (
        "/voa/tape",
        "It is held before it may wait for a pilot: /voa/tape is on tape at ALPHA-TAPE, and your VO has no stager",
    ),
}


@pytest.mark.parametrize("situation", HELD)
async def test_the_sentence_says_what_a_job_is_held_for(application: Application, db: Database, situation: str) -> None:
    lfn, sentence = HELD[situation]
    jdl = PLAIN + f'InputData = "{lfn}";'
    answer = await application.client.post("/api/jobs/jdl", json=[jdl], headers=application.login())
    [job_id] = [job["JobID"] for job in answer.json()]
    await check_jobs(db, to_ranges([job_id]), config=grid(banned=BANNED), now=utcnow(), rules=STATIC)
    answer = await application.client.get(f"/api/jobs/{job_id}/explain", headers=application.login())
    told = answer.json()["verdict"]
    print(f"{situation}: {told}")
    assert told.startswith(sentence), told
