"""`make bench-matcher`: matches over authenticated HTTP on queues of a real shape; figures go to build/bench.

python -m tests.bench.matcher [--jobs 100000,1000000] [--classes 5000] [--sites 1000] [--seconds 20] [--runs 1]
    [--servers 1] [--only rate,bulk,clients,miss,explain,index,memory,fairness] [--directory DIR]

Prints, asserts nothing. One database a size: filled with COPY, made a queue by `rebuild`, measured, emptied.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import structlog

from tests.bench import matcher_shape as shape
from tests.bench.matcher_load import Load, Pilot, administrator, cuts_ms, make_pilots
from tests.bench.matcher_stack import (
    Fleet,
    Machine,
    cpu_s,
    fill,
    fleet,
    machine,
    rebuild,
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
# A queue that is nearly empty is another thing: no run takes more than this part of it.
DRAINED_MAX = 0.3
WARM_UP_S = 30.0
FAIR_REQUESTS_PER_S = 100
FAIR_SECONDS_MAX = 90
INDEX_CLASSES = 100_000
EXPLAINED = 200
OFFERS_WRITTEN_AFTER_S = 20.0
MISS_WORK = 1

Row = tuple[str, str, str]


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
        with machine(self.directory, sites=self.options.sites, tags=self.tags) as on:
            if self.has("rate", "bulk", "clients", "miss", "explain"):
                for jobs in [int(size) for size in self.options.jobs.split(",")]:
                    self.figures["sizes"][str(jobs)] = self._size(on, jobs)
            if self.has("memory"):
                self.figures["memory"] = self._memory(on)
                print(f"memory: {self.figures['memory']}", flush=True)
            if self.has("fairness"):
                self.figures["fairness"] = self._fairness(on)
                print(f"fairness: {self.figures['fairness']}", flush=True)
        self.figures["load_after"] = os.getloadavg()

    def _size(self, on: Machine, jobs: int) -> dict[str, Any]:
        chance = random.Random(SEED)
        waiting = shape.scaled(chance, classes=self.options.classes, jobs=jobs, sites=self.options.sites)
        found: dict[str, Any] = {"jobs": jobs, "classes": len(waiting), "load": os.getloadavg()}
        self._filled(on, waiting, found, shape.runs_of(chance, waiting))
        parts: list[tuple[str, int, Callable[[Machine, Fleet, list[Pilot]], Any]]] = []
        for servers in self.options.servers:
            for name, count in (("rate", 1), ("bulk", 50)):
                if self.has(name):
                    shown = name if servers == self.options.servers[0] else f"{name}_{servers}_servers"
                    parts.append((shown, servers, partial(self._runs, clients=32, count=count)))
        for name, measure in (("clients", self._clients), ("miss", self._miss), ("explain", self._explain)):
            if self.has(name):
                parts.append((name, self.options.servers[0], measure))
        for name, servers, measure in parts:
            with fleet(on, servers) as serving:
                found[name] = measure(on, serving, self._pilots(on, serving))
            print(f"{jobs:,} jobs, {name}: {json.dumps(found[name])}", flush=True)
        return found

    def _filled(
        self, on: Machine, waiting: Sequence[shape.Waiting], found: dict[str, Any], runs: list[tuple[int, int]]
    ) -> None:
        began = time.perf_counter()
        asyncio.run(fill(on.postgres.url, waiting, runs))
        found["fill_s"] = round(time.perf_counter() - began, 1)
        rebuild_s, queued = asyncio.run(rebuild(on.postgres.url))
        found["rebuild_s"], found["queued"] = round(rebuild_s, 1), queued
        print(f"{queued:,} jobs in {len(waiting):,} classes: filled in {found['fill_s']} s, rebuilt in", end=" ")
        print(f"{found['rebuild_s']} s", flush=True)

    def _pilots(self, on: Machine, serving: Fleet, sites: int | None = None) -> list[Pilot]:
        chance = random.Random(SEED + 1)
        made = shape.offers(chance, sites=sites or on.sites, tags=self.tags)
        return make_pilots(on.keys, list(made), vo=shape.VO, host="{}:{}".format(*serving.addresses[0]))

    def _runs(self, on: Machine, serving: Fleet, pilots: list[Pilot], *, clients: int, count: int) -> dict[str, Any]:
        """Warm up, then run as often as was asked for; the median by rate is the figure."""
        waiting = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM queue"))
        jobs_max = waiting * DRAINED_MAX / (self.options.runs + 1)
        load = Load(serving.addresses, pilots)
        # every pilot asks once: tokens are verified and kinds of nodes met before the clock starts
        load.run(clients=clients, count=1, seconds=WARM_UP_S, jobs_max=min(jobs_max, len(pilots)))
        runs = []
        for _ in range(self.options.runs):
            before = serving.cpu_s(), self._database_cpu_s(on)
            figures = load.run(clients=clients, count=count, seconds=self.options.seconds, jobs_max=jobs_max)
            found = figures.summary()
            after = serving.cpu_s(), self._database_cpu_s(on)
            for name, spent in zip(("server", "postgres"), zip(before, after, strict=True), strict=True):
                found[f"{name}_cpu_ms_per_answer"] = round((spent[1] - spent[0]) / max(1, figures.answers) * 1e3, 3)
            found["load"] = os.getloadavg()[0]
            runs.append(found)
        runs.sort(key=lambda run: run["jobs_per_s"])
        middle = dict(runs[len(runs) // 2])
        middle["runs_jobs_per_s"] = [run["jobs_per_s"] for run in runs]
        middle["server_mb"] = round(serving.memory_mb)
        return middle

    def _clients(self, on: Machine, serving: Fleet, pilots: list[Pilot]) -> dict[str, Any]:
        return {str(clients): self._runs(on, serving, pilots, clients=clients, count=1) for clients in (1, 8, 32, 64)}

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
        began = time.perf_counter()
        with fleet(on, self.options.servers[0]) as serving:
            found["start_s"] = round(time.perf_counter() - began, 1)
            found["at_start_mb"] = round(serving.memory_mb)
            pilots = self._pilots(on, serving)
            found["rate"] = self._runs(on, serving, pilots, clients=32, count=1)
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
        self._filled(on, waiting, found, shape.runs_of(chance, waiting, last="lhcb_user"))
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

    @staticmethod
    def _database_cpu_s(on: Machine) -> float:
        return cpu_s(on.postgres.pid) if on.postgres.pid is not None else 0.0


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


def _rows_of_size(jobs: str, size: dict[str, Any]) -> Iterator[Row]:
    waiting = f"{int(jobs):,} jobs"
    for name, run in size.items():
        part, _, servers = name.partition("_")
        by = f", {servers.replace('_', ' ')}" if servers else ""
        if part == "rate":
            yield (f"matches/s, 32 pilots, count 1, {waiting}{by}", ">= 2,000", f"{run['jobs_per_s']:,.0f}")
            hit = run["hit_ms"] or {"p50": 0, "p99": 0}
            yield (f"p50 / p99 ms, same, {waiting}{by}", "< 12 / < 40", f"{hit['p50']} / {hit['p99']}")
        elif part == "bulk":
            yield (f"jobs/s, count 50, {waiting}{by}", ">= 15,000", f"{run['jobs_per_s']:,.0f}")
    for clients, run in (size.get("clients") or {}).items():
        hit = run["hit_ms"] or {"p50": 0, "p99": 0}
        seen = f"{run['jobs_per_s']:,.0f}; {hit['p50']} / {hit['p99']} ms"
        yield (f"matches/s; p50 / p99, {clients} pilots, {waiting}", "", seen)
    if (miss := size.get("miss")) and miss["miss_ms"]:
        yield (f"unmatched request, p50 ms, {waiting}", "< 5", f"{miss['miss_ms']['p50']}")
    if (explain := size.get("explain")) and explain["ms"]:
        yield (f"explain, p50 / p99 ms, {waiting}", "< 50", f"{explain['ms']['p50']} / {explain['ms']['p99']}")
    if "rebuild_s" in size:
        yield (f"rebuild of the queue, {waiting}", "< 120 s at 10^7", f"{size['rebuild_s']} s")


def table(figures: dict[str, Any]) -> list[Row]:
    """Return the lines of the specification: what is wanted, the target, what was seen."""
    rows = [row for jobs, size in figures["sizes"].items() for row in _rows_of_size(jobs, size)]
    rates = [size["rate"] for size in figures["sizes"].values() if "rate" in size]
    if len(rates) > 1:
        spread = max(r["jobs_per_s"] for r in rates) / min(r["jobs_per_s"] for r in rates) - 1
        medians = [r["hit_ms"]["p50"] for r in rates]
        rows.append(("flat in depth: rate, p50", "within 20 %", f"{spread:.0%}, {max(medians) / min(medians) - 1:.0%}"))
    if index := figures.get("index"):
        rows.append(("index of 10^5 classes built", "< 10 s", f"{index['build_s']} s"))
        told = index["explain_ms"]
        rows.append(("an offer explained at 10^5 classes, p50 / max ms", "< 50", f"{told['p50']} / {told['max']}"))
    if memory := figures.get("memory"):
        seen = f"{memory['at_start_mb']} MB at start, {memory['after_matching_mb']} MB after matching"
        rows.append(("server's memory at 10^5 classes", "< 600 MB", seen))
        if memory["miss"]["miss_ms"]:
            rows.append(("unmatched request at 10^5 classes, p50 ms", "< 5", f"{memory['miss']['miss_ms']['p50']}"))
        if explain := memory["explain"]["ms"]:
            rows.append(("explain at 10^5 classes, p50 / p99 ms", "< 50", f"{explain['p50']} / {explain['p99']}"))
        rows.append(("matches/s at 10^5 classes", "", f"{memory['rate']['jobs_per_s']:,.0f}"))
    if fair := figures.get("fairness"):
        seen = f"{fair['matched']} of {fair['user_jobs']} after {fair['seconds']} s"
        rows.append(("23 users' jobs among 871,973, 100 requests/s", "<= 60 s", seen))
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    for what, target, seen in rows:
        print(f"{what:<66} {target:>16}   {seen}")


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
    parser.add_argument("--directory", help="keep the database here")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    OUT.mkdir(parents=True, exist_ok=True)
    with _directory(options.directory) as directory:
        bench = Bench(options, directory)
        try:
            bench.run()
        finally:
            rows = table(bench.figures)
            (OUT / "matcher.json").write_text(json.dumps({**bench.figures, "table": rows}, indent=1) + "\n")
    show(rows)
    print(f"The figures are in {(OUT / 'matcher.json').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
