"""`make bench-matcher`: matches over authenticated HTTP on queues of a real shape; figures go to build/bench.

python -m tests.bench.matcher [--jobs 100000,1000000] [--classes 5000] [--sites 1000] [--seconds 20] [--runs 3]
    [--servers 1] [--only rate,bulk,clients,miss,explain,index,memory,fairness] [--directory DIR [--prepare]] [--add]

Prints and judges, asserts nothing. One database a size: filled with COPY, made a queue by `rebuild`, read into
PostgreSQL's memory, measured; filled anew before a part if those before it have left less than 0.7 of it. In a
directory of yours they are kept, and measured again without being filled. Each has 30,000 jobs more than was asked for:
they are gone when the clock starts. The rates of all sizes are taken in turn.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from tests.bench import matcher_shape as shape
from tests.bench.matcher_load import Load, Pilot, administrator, cuts_ms, make_pilots
from tests.bench.matcher_report import Line, added, table
from tests.bench.matcher_runs import WARM_UP_JOBS, Track, in_turn
from tests.bench.matcher_stack import (
    Fleet,
    Machine,
    fill,
    fleet,
    machine,
    rebuild,
    settle,
    upgrade,
    value,
    waiting_jobs,
)
from weyl.kit.clock import utcnow
from weyl.matcher.index import Index
from weyl.matcher.models import Offer
from weyl.matcher.offer_explanation import Circumstances, Queue, examine_offer, offer_verdict
from weyl.matcher.offers import Place, PlaceFacts, pilot_offer
from weyl.matcher.waiting import Waiting as Counted

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "bench"
PARTS = ("rate", "bulk", "clients", "miss", "explain", "index", "memory", "fairness")
SEED = 20260328
FAIR_REQUESTS_PER_S = 100
FAIR_SECONDS_MAX = 90
INDEX_CLASSES = 100_000
EXPLAINED = 200
OFFERS_WRITTEN_AFTER_S = 20.0
# The least part of its jobs that a kept queue still has when it is measured again.
KEPT_MIN = 0.7


class Bench:
    """One run of the benchmark: what was asked for, and what was found."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self.options = options
        self.directory = directory
        self.figures: dict[str, Any] = {"load_before": os.getloadavg(), "sizes": {}}
        self.parts = set(options.only.split(",")) if options.only else set(PARTS)
        self.tags = shape.site_tags(random.Random(SEED), options.sites)

    def has(self, *parts: str) -> bool:
        """Tell whether one of these parts is wanted."""
        return not self.parts.isdisjoint(parts)

    def run(self) -> None:
        """Measure everything that is wanted."""
        if self.has("index"):
            self.figures["index"] = measure_index(self.options.sites)
            print(f"index: {self.figures['index']}", flush=True)
        if self.has("rate", "bulk", "clients", "miss", "explain"):
            with contextlib.ExitStack() as stack:
                sizes = [int(size) for size in self.options.jobs.split(",")]
                queues = {size: stack.enter_context(self._machine(str(size))) for size in sizes}
                self._sizes(queues)
        for name, measure in (("memory", self._memory), ("fairness", self._fairness)):
            if self.has(name):
                with self._machine(name) as on:
                    self.figures[name] = measure(on)
                print(f"{name}: {self.figures[name]}", flush=True)
        self.figures["load_after"] = os.getloadavg()

    @contextlib.contextmanager
    def _machine(self, name: str) -> Iterator[Machine]:
        """Start the database of one queue, with a directory of its own: a kept one is measured many times."""
        own = self.directory / name
        own.mkdir(mode=0o711, exist_ok=True)
        try:
            with machine(own, sites=self.options.sites, tags=self.tags) as on:
                yield on
        finally:
            if self.options.directory is None:
                shutil.rmtree(own)

    def _sizes(self, queues: Mapping[int, Machine]) -> None:
        for jobs, on in queues.items():
            self.figures["sizes"][str(jobs)] = self._queue(on, jobs)
        if self.options.prepare:
            return
        first = self.options.servers[0]
        for servers in self.options.servers:
            part = "rate" if servers == first else f"rate_{servers}_servers"
            if self.has("rate"):
                self._note(part, self._rates(queues, servers))
            if self.has("bulk"):
                for jobs, on in queues.items():
                    self._queue(on, jobs)
                    self._note(part.replace("rate", "bulk"), self._rates({jobs: on}, servers, count=50))
        if self.has("clients"):
            for jobs, on in queues.items():
                self._note("clients", {jobs: self._clients(on, jobs)})
        for name, measure in (("miss", self._miss), ("explain", self._explain)):
            if self.has(name):
                for jobs, on in queues.items():
                    self._queue(on, jobs)
                    with fleet(on, first) as serving:
                        self._note(name, {jobs: measure(on, serving, self._pilots(on, serving))})

    def _note(self, part: str, found: Mapping[int, Any]) -> None:
        for jobs, figures in found.items():
            self.figures["sizes"][str(jobs)][part] = figures
            print(f"{jobs:,} jobs, {part}: {json.dumps(figures)}", flush=True)

    def _queue(self, on: Machine, jobs: int) -> dict[str, Any]:
        """Fill the queue, also anew where what was measured before has taken too much of it."""
        chance = random.Random(SEED)
        more = jobs + WARM_UP_JOBS  # which are gone when the clock starts
        waiting = shape.scaled(chance, classes=self.options.classes, jobs=more, sites=self.options.sites)
        found: dict[str, Any] = {"jobs": jobs, "classes": len(waiting), "load": os.getloadavg()}
        self._filled(on, waiting, found, shape.runs_of(chance, waiting))
        return found

    def _filled(
        self,
        on: Machine,
        waiting: Sequence[shape.Waiting],
        found: dict[str, Any],
        runs: list[tuple[int, int]],
        *,
        may_be_kept: bool = True,
    ) -> None:
        """Fill the queue, unless the directory has it from an earlier time with enough jobs left."""
        note, digest = on.directory / "filled.json", shape.digest(waiting)
        kept = json.loads(note.read_text()) if note.exists() and may_be_kept else {}
        if kept.get("digest") == digest:
            asyncio.run(upgrade(on.postgres.url))
            left = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM queue"))
            if left >= KEPT_MIN * kept["queued"]:
                asyncio.run(settle(on.postgres.url))
                found.update(fill_s=kept["fill_s"], rebuild_s=kept["rebuild_s"], queued=left)
                print(f"{left:,} jobs in {len(waiting):,} classes: kept as it is", flush=True)
                return
        note.unlink(missing_ok=True)
        began = time.perf_counter()
        asyncio.run(fill(on.postgres.url, waiting, runs))
        found["fill_s"] = round(time.perf_counter() - began, 1)
        rebuild_s, queued = asyncio.run(rebuild(on.postgres.url))
        found["rebuild_s"], found["queued"] = round(rebuild_s, 1), queued
        filled = {name: found[name] for name in ("fill_s", "rebuild_s", "queued")}
        note.write_text(json.dumps({"digest": digest, **filled}))
        print(f"{queued:,} jobs in {len(waiting):,} classes: filled in {found['fill_s']} s, rebuilt in", end=" ")
        print(f"{found['rebuild_s']} s", flush=True)

    def _pilots(self, on: Machine, serving: Fleet, sites: int | None = None) -> list[Pilot]:
        chance = random.Random(SEED + 1)
        made = shape.offers(chance, sites=sites or on.sites, tags=self.tags)
        return make_pilots(on.keys, list(made), vo=shape.VO, host="{}:{}".format(*serving.addresses[0]))

    def _rates(self, queues: Mapping[int, Machine], servers: int, *, count: int = 1) -> dict[int, Any]:
        """Measure several queues in turn, each with servers of its own."""
        with contextlib.ExitStack() as stack:
            serving = {jobs: stack.enter_context(fleet(on, servers)) for jobs, on in queues.items()}
            tracks = [
                Track(on, serving[jobs], self._pilots(on, serving[jobs]), count=count) for jobs, on in queues.items()
            ]
            in_turn(tracks, runs=self.options.runs, seconds=self.options.seconds)
            return {jobs: track.figures() for jobs, track in zip(queues, tracks, strict=True)}

    def _runs(self, on: Machine, serving: Fleet, pilots: list[Pilot], *, clients: int = 32) -> dict[str, Any]:
        track = Track(on, serving, pilots, clients=clients, count=1)
        in_turn([track], runs=self.options.runs, seconds=self.options.seconds)
        return track.figures()

    def _clients(self, on: Machine, jobs: int) -> dict[str, Any]:
        found = {}
        for clients in (1, 8, 32, 64):
            self._queue(on, jobs)
            with fleet(on, self.options.servers[0]) as serving:
                found[str(clients)] = self._runs(on, serving, self._pilots(on, serving), clients=clients)
        return found

    def _miss(self, on: Machine, serving: Fleet, pilots: list[Pilot]) -> dict[str, Any]:
        """Ask as pilots that have no time left for anything, one after the other."""
        hopeless = [
            Pilot(
                pilot.stamp,
                pilot.site,
                pilot.head,
                pilot.offer.replace(b'"cpu_power_db12":', b'"cpu_power_db12":1e-5,"x":'),
                9_000,
            )
            for pilot in pilots
        ]
        load = Load(serving.addresses, hopeless)
        load.run(clients=1, count=1, seconds=1)
        return load.run(clients=1, count=1, seconds=min(5.0, self.options.seconds)).summary()

    def _explain(self, on: Machine, serving: Fleet, pilots: list[Pilot]) -> dict[str, Any]:
        """Ask why jobs of all classes wait, one after the other, once the offers of the pilots have been written."""
        load = Load(serving.addresses, pilots)
        load.run(clients=8, count=1, seconds=OFFERS_WRITTEN_AFTER_S, jobs_max=len(pilots) * 2)
        while asyncio.run(value(on.postgres.url, "SELECT count(*) FROM offer")) == 0:
            time.sleep(1)
        chance = random.Random(SEED)
        jobs = asyncio.run(waiting_jobs(on.postgres.url, EXPLAINED))
        chance.shuffle(jobs)
        line = http.client.HTTPConnection(*serving.addresses[0])
        headers = {"Authorization": f"Bearer {administrator(on.keys)}"}
        seconds = []
        for job_id in jobs:
            began = time.perf_counter()
            line.request("GET", f"/api/jobs/{job_id}/explain", headers=headers)
            answer = line.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - began)
            assert answer.status in (200, 404), answer.status
        line.close()
        offers = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM offer"))
        return {"jobs": len(jobs), "offers": offers, "first_ms": round(seconds[0] * 1e3, 1), "ms": cuts_ms(seconds[1:])}

    def _memory(self, on: Machine) -> dict[str, Any]:
        """Start a server over 10^5 classes with jobs; returns how long that takes and what it holds."""
        chance = random.Random(SEED)
        waiting = shape.scaled(chance, classes=INDEX_CLASSES, jobs=3 * INDEX_CLASSES, sites=self.options.sites)
        found: dict[str, Any] = {"classes": len(waiting)}
        self._filled(on, waiting, found, shape.runs_of(chance, waiting))
        if self.options.prepare:
            return found
        began = time.perf_counter()
        with fleet(on, self.options.servers[0]) as serving:
            found["start_s"] = round(time.perf_counter() - began, 1)
            found["at_start_mb"] = round(serving.memory_mb)
            pilots = self._pilots(on, serving)
            found["rate"] = self._runs(on, serving, pilots)
            found["miss"] = self._miss(on, serving, pilots)
            found["explain"] = self._explain(on, serving, pilots)
            found["after_matching_mb"] = round(serving.memory_mb)
        return found

    def _fairness(self, on: Machine) -> dict[str, Any]:
        """Let 100 requests a second come from the pilots of all sites: when have the 23 users' jobs started?"""
        chance = random.Random(SEED)
        sites = len(shape.SHAPE["sites"])
        waiting = shape.snapshot(chance, sites)
        found: dict[str, Any] = {"classes": len(waiting)}
        self._filled(on, waiting, found, shape.runs_of(chance, waiting, last="lhcb_user"), may_be_kept=False)
        wanted = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM jobs WHERE owner_group = 'lhcb_user'"))
        seen: list[float] = []
        with fleet(on, self.options.servers[0]) as serving:
            load = Load(serving.addresses, self._pilots(on, serving, sites))
            began = time.perf_counter()

            def note(_: Pilot, answer: bytes) -> None:
                seen.extend([time.perf_counter() - began] * answer.count(b'"owner_group":"lhcb_user"'))

            load.on_answer = note
            while len(seen) < wanted and time.perf_counter() - began < FAIR_SECONDS_MAX:
                load.run(clients=32, count=1, seconds=1, per_s=FAIR_REQUESTS_PER_S)
        found.update(user_jobs=wanted, matched=len(seen), seconds=round(max(seen, default=0.0), 1))
        found["others"] = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM jobs WHERE status = 'Matched'"))
        return found


def measure_index(sites: int) -> dict[str, Any]:
    """Build the index of 10^5 classes, and time look-ups with offers as pilots make them."""
    chance = random.Random(SEED)
    waiting = shape.scaled(chance, classes=INDEX_CLASSES, jobs=INDEX_CLASSES, sites=sites)
    documents = {number: each.made.document for number, each in enumerate(waiting, start=1)}
    index, began = Index(), time.perf_counter()
    index.build(documents)
    figures = {"classes": len(documents), "build_s": round(time.perf_counter() - began, 2)}
    return figures | _measure_explain(chance, index, [each.jobs for each in waiting], sites)


def _measure_explain(chance: random.Random, index: Index, jobs: Sequence[int], sites: int) -> dict[str, Any]:
    """Explain what offers could get: the numbers of jobs are counted once, and each offer is new to the index."""
    began = time.perf_counter()
    counted = Counted((entry.bit, jobs[entry.class_id - 1]) for entry in index.entries())
    count_ms, took = (time.perf_counter() - began) * 1000, []
    made = islice(shape.offers(chance, sites=sites, tags=shape.site_tags(chance, sites)), EXPLAINED)
    for site, document in made:
        offer = pilot_offer(Offer.model_validate(document), Place(shape.VO, site), PlaceFacts(), now=utcnow())
        began = time.perf_counter()
        queue = Queue(index, counted)
        offer_verdict(examine_offer(queue, offer, Circumstances()), queue, offer, closed_because=None)
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return {
        "explain_ms": {"p50": round(took[len(took) // 2], 1), "max": round(took[-1], 1), "count": round(count_ms, 1)}
    }


@contextlib.contextmanager
def _directory(chosen: str | None) -> Iterator[Path]:
    if chosen is not None:
        Path(chosen).mkdir(parents=True, exist_ok=True)
        yield Path(chosen)
        return
    with tempfile.TemporaryDirectory(prefix="weyl-b-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def keep(figures: dict[str, Any], out: Path, earlier: dict[str, Any]) -> list[Line]:
    """Write the figures down, beside earlier ones where these are to stay; returns the table of all of them."""
    every = added(earlier, figures)
    lines = table(every)
    out.write_text(json.dumps({**every, "table": [asdict(line) for line in lines]}, indent=1) + "\n")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="make bench-matcher", description=__doc__)
    parser.add_argument("--jobs", default="100000,1000000", help="sizes of the queue, with commas")
    parser.add_argument("--classes", type=int, default=5_000)
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=20, help="length of one measured run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--servers", type=_numbers, default=[1], help="server processes, with commas: rates of each")
    parser.add_argument("--only", default="", help=f"parts, with commas: {','.join(PARTS)}")
    parser.add_argument("--directory", help="keep the databases here, and use those that are here")
    parser.add_argument("--prepare", action="store_true", help="fill the databases of --directory, measure nothing")
    parser.add_argument("--add", action="store_true", help="keep the figures of earlier runs beside those of this one")
    options = parser.parse_args(arguments)
    if options.prepare and options.directory is None:
        parser.error("--prepare needs a --directory")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    OUT.mkdir(parents=True, exist_ok=True)
    out = OUT / "matcher.json"
    earlier = json.loads(out.read_text()) if options.add and out.exists() else {}
    with _directory(options.directory) as directory:
        bench = Bench(options, directory)
        try:
            bench.run()
        finally:
            lines = [] if options.prepare else keep(bench.figures, out, earlier)
    for line in lines:
        print(line.text())
    print(f"The figures are in {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
