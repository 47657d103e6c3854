"""`make bench-matcher`: matches over authenticated HTTP on queues of a real shape; figures go to build/bench.

python -m tests.bench.matcher [--jobs 100000,1000000] [--classes 5000] [--sites 1000] [--seconds 10] [--runs 5]
    [--servers 1] [--only rate,bulk,clients,statements,miss,explain,index,memory,fairness] [--directory DIR [--prepare]]
    [--add]

Ends with 1 if a line was missed. One database per size: filled with COPY, made a queue by `rebuild`, read into
PostgreSQL's memory, measured; filled anew before a part if those before it have left less than 0.7 of it. In a
directory of yours they are kept, and measured again without being filled. Each has 30,000 jobs more than was asked for:
they are gone when the clock starts. The rates of all sizes are taken in turn.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from tests.bench import matcher_shape as shape
from tests.bench.matcher_baselines import bare_queue_s, get_ms, userinfo_ms
from tests.bench.matcher_index import CLASSES as INDEX_CLASSES
from tests.bench.matcher_index import SEED, measure_index
from tests.bench.matcher_load import Load, Pilot, make_pilots
from tests.bench.matcher_report import FAIR_ANSWERS_MAX, added, table
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
from tests.bench.statements import log_no_statements, log_statements, statements
from tests.bench.verdicts import ALTERNATIONS, LONG_ALTERNATIONS, OUT, ROOT, Report, alternate

JUDGED = ("rate", "bulk", "statements", "miss", "explain", "index", "memory", "fairness")
PARTS = (*JUDGED, "clients")
FAIR_REQUESTS_PER_S = 100
EXPLAINED = 200
OFFERS_WRITTEN_AFTER_S = 20.0
# The least part of its jobs that a kept queue still has when it is measured again.
KEPT_MIN = 0.7


class Bench:
    """One run of the benchmark: what was asked for, and what was found."""

    def __init__(self, options: argparse.Namespace, directory: Path, report: Report) -> None:
        self.options = options
        self.report = report
        self.directory = directory
        self.figures: dict[str, Any] = {"load_before": os.getloadavg(), "sizes": {}}
        self.parts = set(options.only.split(",")) if options.only else set(JUDGED)
        self.tags = shape.site_tags(random.Random(SEED), options.sites)

    def has(self, *parts: str) -> bool:
        """Tell whether one of these parts is wanted."""
        return not self.parts.isdisjoint(parts)

    def run(self) -> None:
        """Measure everything that is wanted."""
        if self.has("index"):
            self.figures["index"] = measure_index(self.options.sites, turns=self.options.runs)
            print(f"index: {self.figures['index']}", flush=True)
        if self.has("rate", "bulk", "clients", "statements", "miss", "explain"):
            with contextlib.ExitStack() as stack:
                sizes = [int(size) for size in self.options.jobs.split(",")]
                queues = {size: stack.enter_context(self._machine(str(size))) for size in sizes}
                self._sizes(queues)
        self.report.note_pace()
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
        if self.has("statements"):
            self.figures["statements"] = self._statements(next(iter(queues.values())))
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
        found["rebuild_s"] = alternate(
            lambda: asyncio.run(rebuild(on.postgres.url))[0], lambda: bare_queue_s(on), turns=LONG_ALTERNATIONS
        )
        found["queued"] = queued = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM queue"))
        filled = {name: found[name] for name in ("fill_s", "rebuild_s", "queued")}
        note.write_text(json.dumps({"digest": digest, **filled}))
        print(f"{queued:,} jobs in {len(waiting):,} classes: filled in {found['fill_s']} s, rebuilt in", end=" ")
        print(f"{found['rebuild_s'][-1][0]:.1f} s", flush=True)

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

    def _statements(self, on: Machine) -> int:
        """Count the statements of one match, with one pilot at a time."""
        log = on.postgres.dir / "postgres.log"
        with fleet(on, 1) as serving:
            load = Load(serving.addresses, self._pilots(on, serving))
            load.run(clients=1, count=1, seconds=1)
            asyncio.run(log_statements(on.postgres.url))
            found = statements(log, lambda: load.run(clients=1, count=1, seconds=5, jobs_max=1))
            asyncio.run(log_no_statements(on.postgres.url))
        return found

    def _miss(self, on: Machine, serving: Fleet, pilots: list[Pilot]) -> list[tuple[float, float]]:
        """Ask as pilots that have no time left for anything, one after the other; p50, and that of the baseline."""
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

        def p50() -> float:
            return statistics.median(load.run(clients=1, count=1, seconds=1).miss_s) * 1e3

        return alternate(p50, lambda: userinfo_ms(on, serving), turns=self.options.runs)

    def _explain(self, on: Machine, serving: Fleet, pilots: list[Pilot]) -> dict[str, Any]:
        """Ask why jobs of all classes wait, one after the other, once the offers of the pilots have been written."""
        load = Load(serving.addresses, pilots)
        load.run(clients=8, count=1, seconds=OFFERS_WRITTEN_AFTER_S, jobs_max=len(pilots) * 2)
        while asyncio.run(value(on.postgres.url, "SELECT count(*) FROM offer")) == 0:
            time.sleep(1)
        jobs = asyncio.run(waiting_jobs(on.postgres.url, EXPLAINED))
        random.Random(SEED).shuffle(jobs)
        turns = self.options.runs
        parts = iter([jobs[turn::turns] for turn in range(turns)])

        def explain_ms(job_ids: list[int]) -> list[float]:
            # A job that was matched meanwhile does not wait any more, which is 404.
            return get_ms(on, serving, [f"/api/jobs/{job_id}/explain" for job_id in job_ids], statuses=(200, 404))

        def p50() -> float:
            return statistics.median(explain_ms(next(parts)))

        explain_ms(jobs[:1])

        pairs = alternate(p50, lambda: userinfo_ms(on, serving), turns=turns)
        return {
            "jobs": len(jobs),
            "offers": asyncio.run(value(on.postgres.url, "SELECT count(*) FROM offer")),
            "ms": pairs,
        }

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
        """Let 100 requests per second come from all sites: after how many have the 23 users' jobs started?"""
        chance = random.Random(SEED)
        sites = len(shape.SHAPE["sites"])
        waiting = shape.snapshot(chance, sites)
        found: dict[str, Any] = {"classes": len(waiting)}
        self._filled(on, waiting, found, shape.runs_of(chance, waiting, last="lhcb_user"), may_be_kept=False)
        wanted = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM jobs WHERE owner_group = 'lhcb_user'"))
        answers, last, matched = 0, 0, 0
        with fleet(on, self.options.servers[0]) as serving:
            load = Load(serving.addresses, self._pilots(on, serving, sites))

            def note(_: Pilot, answer: bytes) -> None:
                nonlocal answers, last, matched
                answers += 1
                if got := answer.count(b'"owner_group":"lhcb_user"'):
                    matched, last = matched + got, answers

            load.on_answer = note
            while matched < wanted and answers < 2 * FAIR_ANSWERS_MAX:
                load.run(clients=32, count=1, seconds=1, per_s=FAIR_REQUESTS_PER_S)
        found.update(user_jobs=wanted, matched=matched, answers=last)
        found["others"] = asyncio.run(value(on.postgres.url, "SELECT count(*) FROM jobs WHERE status = 'Matched'"))
        return found


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
    parser.add_argument("--seconds", type=float, default=10, help="length of one measured run")
    parser.add_argument("--runs", type=int, default=ALTERNATIONS, help="times that each line is measured, in turn")
    parser.add_argument("--servers", type=_numbers, default=[1], help="server processes, with commas: rates of each")
    parser.add_argument("--only", default="", help=f"parts, with commas: {','.join(PARTS)} [all that are judged]")
    parser.add_argument("--directory", help="keep the databases here, and use those that are here")
    parser.add_argument("--prepare", action="store_true", help="fill the databases of --directory, measure nothing")
    parser.add_argument("--add", action="store_true", help="keep the figures of earlier runs beside those of this one")
    options = parser.parse_args(arguments)
    if options.prepare and options.directory is None:
        parser.error("--prepare needs a --directory")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    out = OUT / "matcher.json"
    earlier = json.loads(out.read_text())["figures"] if options.add and out.exists() else {}
    report = Report("matcher")
    with _directory(options.directory) as directory:
        bench = Bench(options, directory, report)
        bench.run()
    if options.prepare:
        return 0
    report.say(f"{options.classes:,} classes at {options.sites:,} sites; each baseline on the same database, in turn")
    report.say(f"a queue takes minutes to rebuild at full size: {LONG_ALTERNATIONS} alternations for that line")
    every = added(earlier, bench.figures)
    report.add(*table(every))
    status = report.finish(every)
    print(f"The figures are in {out.relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
