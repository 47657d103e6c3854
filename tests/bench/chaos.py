"""Four real servers over one queue, with `kill -9`, kills and reschedules at random: is any limit exceeded by one?

python -m tests.bench.chaos [--seconds 600] [--jobs 400000] [--directory DIR]

The job log says afterwards how many ran behind each of fifty limits at any moment, whether a job was matched twice in
one attempt, and whether one was lost. Ends with 1 if one of these counts is not zero.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import compress
from pathlib import Path
from typing import Any

import httpx2
import structlog

from tests.bench.matcher_load import administrator
from tests.bench.matcher_shape import VO, Waiting, site_name
from tests.bench.matcher_stack import Machine, Server, fill, machine, rebuild, server, value, worker
from tests.bench.verdicts import Report, count
from tests.matcher.job_log import ACTIVE, Proof, exceeded_now, out_of_queue, prove
from weyl.auth.tokens import PilotIdentity, pilot_claims
from weyl.config.operations import MatchLimit
from weyl.jobs.service.limits import recount_limits
from weyl.kit.clock import iso_z, utcnow
from weyl.kit.db import Database
from weyl.kit.ids import uuid7
from weyl.task_queues.gates import Rule, merged, rules_of
from weyl.task_queues.requirements import make_class

SERVERS, SITES, PILOTS, PEOPLE = 4, 8, 24, 8
GROUPS, OWNERS, TYPES = 4, 40, ("User", "MCSimulation", "Merge", "Sprucing", "Test")
CLASSES = 240
KILL_EVERY_S = (4.0, 12.0)
LOOK_EVERY_S = 0.3
SETTLE_S = 90.0
TOKEN_LIFETIME_S = 3600
# How the names of counts begin that must be zero.
WRONG = ("exceeded", "matched twice", "running without", "lost", "gates that counted")


def limits() -> list[dict[str, Any]]:
    """Return fifty limits, of every kind."""
    sites = [site_name(number) for number in range(SITES)]
    found: list[dict[str, Any]] = [{"site": site, "count": 30, "cores": 50} for site in sites]
    found += [{"ce": f"ce.{site}", "count": 25} for site in sites]
    found += [{"site": site, "job_type": "Merge", "count": 3} for site in sites]
    found += [{"site": site, "group": "group0", "count": 9} for site in sites]
    found += [{"group": f"group{number}", "count": 50, "cores": 90} for number in range(GROUPS)]
    found += [{"job_type": job_type, "count": 0 if job_type == "Test" else 45} for job_type in TYPES]
    found += [{"owner": "*", "count": 6}, {"owner": "*", "job_type": "*", "count": 4}, {"group": "*", "cores": 80}]
    found += [{"site": "*", "owner": "*", "count": 2}, {"ce": "*", "job_type": "*", "count": 8}]
    found += [{"ce": "*", "group": "*", "count": 15}, {"site": "*", "group": "group1", "delay_s": 0.05, "burst": 4}]
    found += [{"owner": "owner7", "count": 1}, {"group": "group2", "job_type": "*", "count": 20}]
    return found


def rules() -> list[Rule]:
    """Return the limits as the matcher reads them; those that look at the same are one."""
    return list(merged(rules_of(VO, [MatchLimit.model_validate(each) for each in limits()])).values())


def place_of(stamp: str) -> tuple[str, str]:
    """Return the site and the computing element of a pilot."""
    site = site_name(int(stamp, 16) % SITES)
    return site, f"ce.{site}"


def classes(jobs: int) -> list[Waiting]:
    """Return classes of all groups, owners, types and sizes."""
    found = []
    for number in range(CLASSES):
        cores = 1 + number % 3
        made = make_class(
            {"cpu_work_db12": 1_000, "cpu": {"num_cores": {"min": cores, "max": cores}}},
            vo=VO,
            group=f"group{number % GROUPS}",
            owner=f"owner{number % OWNERS}",
            job_type=TYPES[number // OWNERS % len(TYPES)],
            user_priority=number % 7,
            sites=None if number % 2 else [site_name(number % SITES), site_name((number + 3) % SITES)],
        )
        found.append(Waiting(made, jobs // CLASSES))
    return found


@dataclass
class Chaos:
    """What goes on, and what was seen of it."""

    on: Machine
    chance: random.Random
    db: Database
    client: httpx2.AsyncClient
    servers: list[Server] = field(default_factory=list)
    # (job, stamp) of everything that a pilot was told.
    heard: set[tuple[int, str]] = field(default_factory=set)
    running: list[int] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    exceeded: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    next_stamp: int = 0

    async def send(self, method: str, path: str, *, headers: dict[str, str], body: Any) -> httpx2.Response:
        """Ask any of the servers, and another one as often as that one is gone: as a pilot with a list of them does."""
        while True:
            url = self.chance.choice(self.servers).url + path
            try:
                answer = await self.client.request(method, url, json=body, headers=headers)
            except httpx2.TransportError:
                self.counted["unanswered"] += 1
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500:
                return answer
            self.counted[f"answered {answer.status_code}"] += 1
            await asyncio.sleep(0.05)

    async def ask_as_pilots(self) -> None:
        """Ask as ever new pilots, each until it is answered, with the same id."""
        while not self.stop.is_set():
            self.next_stamp += 1
            stamp = f"{self.next_stamp:032x}"
            body = {
                "offer": _offer(self.chance),
                "count": self.chance.choice([1, 1, 1, 4]),
                "fill": self.chance.random() < 0.3,
                "request_id": "only",
            }
            headers = self._pilot(stamp)
            answer = await self.send("POST", "/api/matcher/match", headers=headers, body=body)
            jobs = [job["job_id"] for job in answer.json()["jobs"]]
            self.counted["questions"] += 1
            self.counted["jobs heard of"] += len(jobs)
            self.heard.update((job_id, stamp) for job_id in jobs)
            self.running += jobs
            if not jobs:
                await asyncio.sleep(0.02)

    async def change(self) -> None:
        """Start, stall, end, kill and reschedule jobs, a few dozen at a time."""
        while not self.stop.is_set():
            self.chance.shuffle(self.running)
            chosen, self.running = self.running[:20], self.running[20:]
            what = self.chance.choice(["Running", "Stalled", "Done", "Done", "Failed", "kill", "reschedule"])
            if not chosen:
                await asyncio.sleep(0.05)
                continue
            headers = {"Authorization": f"Bearer {administrator(self.on.keys)}"}
            if what in ("kill", "reschedule"):
                path = f"/api/jobs/{what}" + ("?reset_jobs=true" if what == "reschedule" else "")
                answer = await self.send("POST", path, headers=headers, body={"job_ids": chosen})
            else:
                # A job that stalls or ends has started before, or its report would be refused and its place kept.
                now = utcnow()
                moves = {now - timedelta(microseconds=1): "Running", now: what}
                report = {iso_z(at): {"Status": status, "Source": "Chaos"} for at, status in moves.items()}
                body = {str(job_id): report for job_id in chosen}
                answer = await self.send("PATCH", "/api/jobs/status", headers=headers, body=body)
            told = answer.json()["success"] if answer.status_code == 200 else {}
            self.counted[f"{what}: jobs"] += len(told)
            is_left = [str(job_id) not in told or told[str(job_id)]["Status"] in ACTIVE for job_id in chosen]
            self.running += compress(chosen, is_left)

    async def kill_servers(self, slots: "list[ExitStack]") -> None:
        """`kill -9` one server now and then, and start it again."""
        while True:
            await asyncio.sleep(self.chance.uniform(*KILL_EVERY_S))
            number = self.chance.randrange(SERVERS)
            self.servers[number].process.kill()
            self.counted["servers killed"] += 1
            await asyncio.to_thread(slots[number].close)
            self.servers[number] = await asyncio.to_thread(slots[number].enter_context, server(self.on, number))

    async def watch(self) -> None:
        """Look again and again at what is committed."""
        every = rules()
        while True:
            self.exceeded += await exceeded_now(self.db, every)
            self.counted["looks"] += 1
            await asyncio.sleep(LOOK_EVERY_S)

    def _pilot(self, stamp: str) -> dict[str, str]:
        site, ce = place_of(stamp)
        who = PilotIdentity(stamp=stamp, vo=VO, site=site, ce=ce, queue="default")
        claims = pilot_claims(who, token_id=uuid7(), now=int(time.time()), lifetime_s=TOKEN_LIFETIME_S)
        return {"Authorization": f"Bearer {self.on.keys.sign(claims)}"}


def _offer(chance: random.Random) -> dict[str, Any]:
    cores = chance.choice([2, 4, 8])
    return {
        "host": f"wn{chance.randrange(200)}",
        "wall_time": 86_400,
        "cpu_power_db12": 10,
        "cpu": {"num_cores": cores, "architecture": {"name": "x86_64"}},
        "gpu": {"count": 0},
    }


async def run(on: Machine, *, seconds: float, jobs: int) -> dict[str, Any]:
    """Fill the queue, let it happen, and prove what happened; returns the figures."""
    waiting = classes(jobs)
    await fill(on.postgres.url, waiting, [(number, each.jobs) for number, each in enumerate(waiting)])
    _, queued = await rebuild(on.postgres.url)
    db = Database(on.postgres.url, pool_size=4)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=20))
        chaos = Chaos(on, random.Random(20260328), db, client)
        slots = [stack.enter_context(ExitStack()) for _ in range(SERVERS)]
        await asyncio.to_thread(stack.enter_context, worker(on))
        for number, slot in enumerate(slots):
            chaos.servers.append(await asyncio.to_thread(slot.enter_context, server(on, number)))
        await _happen(chaos, slots, seconds)
        return await _proved(chaos, queued)


async def _happen(chaos: Chaos, slots: list[ExitStack], seconds: float) -> None:
    people = [chaos.ask_as_pilots() for _ in range(PILOTS)] + [chaos.change() for _ in range(PEOPLE)]
    asking = [asyncio.create_task(each) for each in people]
    others = [asyncio.create_task(each) for each in (chaos.kill_servers(slots), chaos.watch())]
    await asyncio.wait([*asking, *others], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    chaos.stop.set()
    for each in others:
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
    # a server that was being started again when that stopped
    await asyncio.gather(*asking)


async def _proved(chaos: Chaos, queued: int) -> dict[str, Any]:
    url = chaos.on.postgres.url
    on_the_way = "SELECT count(*) FROM jobs WHERE status IN ('Received', 'Checking', 'Rescheduled', 'Staging')"
    until = time.monotonic() + SETTLE_S
    while await value(url, on_the_way) and time.monotonic() < until:
        await asyncio.sleep(0.5)
    async with chaos.db.transaction() as tx:
        drift = await recount_limits(tx)
    proof = await prove(chaos.db, rules(), place_of)
    return {
        **chaos.counted,
        **_figures(proof),
        "limits": len(rules()),
        "exceeded when looked at": chaos.exceeded[:20],
        "lost: neither waiting, on the way, running nor ended": queued - await value(url, "SELECT count(*) FROM jobs"),
        "lost: not yet checked again": await value(url, on_the_way),
        "lost: waiting outside the queue": len(await out_of_queue(chaos.db)),
        "lost: matched, and nobody was told": await _untold(chaos),
        "gates that counted wrong": drift,
    }


def _figures(proof: Proof) -> dict[str, Any]:
    full = sum(peak == most for peak, most in proof.peaks.values())
    return {
        "matches": proof.matches,
        "most attempts of a job": proof.attempts_most,
        "gates": len(proof.peaks),
        "gates that were full": full,
        "exceeded by the log": proof.exceeded[:20],
        "matched twice in one attempt": proof.twice[:20],
        "running without a match": proof.unmatched[:20],
    }


async def _untold(chaos: Chaos) -> int:
    """Count jobs that are Matched for pilots which never heard of it though they asked until they were answered."""
    async with chaos.db.read() as tx:
        rows = (await tx.exec_driver_sql("SELECT job_id, pilot_stamp FROM jobs WHERE status = 'Matched'")).all()
    return sum((row.job_id, row.pilot_stamp) not in chaos.heard for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and say by the exit status whether all was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--jobs", type=int, default=400_000)
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    report = Report("chaos")
    with tempfile.TemporaryDirectory(prefix="weyl-c-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        names = {"site": "Site", "ce": "CE", "job_type": "JobType", "group": "Group", "owner": "Owner"}
        names |= {"count": "Count", "cores": "Cores", "delay_s": "DelayS", "burst": "Burst"}
        matching: dict[str, object] = {"Limits": [{names[key]: each[key] for key in each} for each in limits()]}
        with machine(directory, sites=SITES, tags=[[] for _ in range(SITES)], matching=matching) as on:
            found = asyncio.run(run(on, seconds=options.seconds, jobs=options.jobs))
    report.note_pace()
    for what, seen in found.items():
        number = len(seen) if isinstance(seen, list) else seen
        report.add(count(what, number, at_most=0 if what.startswith(WRONG) else None))
        if isinstance(seen, list) and seen:
            report.say(f"{what}: {seen}")
    return report.finish(found)


if __name__ == "__main__":
    sys.exit(main())
