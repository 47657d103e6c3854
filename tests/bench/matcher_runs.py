"""Runs of the load that are repeated; those of several queues are taken in turn, as the machine's pace changes."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from tests.bench.cpu import cpu_s
from tests.bench.matcher_baselines import bare_claims
from tests.bench.matcher_load import Load, Pilot
from tests.bench.matcher_stack import Fleet, Machine, value

# A queue that is nearly empty is another thing: all runs of a track together take no more than this part of it.
DRAINED_MAX = 0.3
# Pilots are met, their tokens verified, documents read: with fewer, what is new costs most of a run of a small queue.
WARM_UP_JOBS = 30_000
WARM_UP_S = 60.0
# While the others had their turn a server has gone cold, as one that is asked all the time does not.
WAKE_UP_JOBS = 500
ONE_AT_A_TIME_S = 4.0


class Track:
    """The runs with one number of clients and of jobs a question against the servers of one queue."""

    def __init__(self, on: Machine, serving: Fleet, pilots: Sequence[Pilot], *, clients: int = 32, count: int) -> None:
        self._on = on
        self._serving = serving
        self._load = Load(serving.addresses, pilots)
        self._clients = clients
        self._count = count
        self._jobs_max = 0.0
        self._runs: list[dict[str, Any]] = []

    def warm_up(self, runs: int) -> None:
        """Take the jobs that do not count, before so many runs share what may be taken of the others."""
        waiting = asyncio.run(value(self._on.postgres.url, "SELECT count(*) FROM queue"))
        self._jobs_max = max(0, waiting - WARM_UP_JOBS) * DRAINED_MAX / runs
        self._load.run(clients=self._clients, count=1, seconds=WARM_UP_S, jobs_max=WARM_UP_JOBS)

    def run(self, seconds: float) -> None:
        """Measure once, after some jobs that do not count, and the baseline after it.

        That is a bare claim for one job per question, and one job per question for many.
        """
        self._load.run(clients=self._clients, count=1, seconds=WARM_UP_S, jobs_max=WAKE_UP_JOBS)
        found = self._measured(self._count, seconds)
        if self._count == 1:
            found["baseline"] = bare_claims(self._on, clients=self._clients)
        else:
            found["baseline"] = _costs(self._measured(1, ONE_AT_A_TIME_S))
        self._runs.append(found)

    def _measured(self, count: int, seconds: float) -> dict[str, Any]:
        before = self._serving.cpu_s(), self._database_cpu_s()
        figures = self._load.run(clients=self._clients, count=count, seconds=seconds, jobs_max=self._jobs_max)
        spent_s = self._serving.cpu_s() - before[0], self._database_cpu_s() - before[1]
        found = figures.summary()
        # What the load generator takes for an answer, which is always the same work, tells the pace of the machine.
        found["load_cpu_ms_per_answer"] = round(figures.load_cpu_s / max(1, figures.answers) * 1e3, 3)
        found["cpu_ms"] = [each / max(1, figures.jobs) * 1e3 for each in spent_s]
        found["wall_ms"] = figures.seconds / max(1, figures.jobs) * 1e3
        found["load"] = os.getloadavg()[0]
        return found

    def figures(self) -> dict[str, Any]:
        """Return the median run by rate, with the costs of all runs in the order in which they were."""
        in_order = sorted(self._runs, key=lambda run: run["jobs_per_s"])
        return {
            **in_order[len(in_order) // 2],
            "runs": [_costs(run) | {"p50": (run["hit_ms"] or {}).get("p50")} for run in self._runs],
            "server_mb": round(self._serving.memory_mb),
        }

    def _database_cpu_s(self) -> float:
        return cpu_s(self._on.postgres.pid) if self._on.postgres.pid is not None else 0.0


def in_turn(tracks: Sequence[Track], *, runs: int, seconds: float) -> None:
    """Measure each so often, one run of each after the other."""
    for track in tracks:
        track.warm_up(runs)
    for _ in range(runs):
        for track in tracks:
            track.run(seconds)


def _costs(run: dict[str, Any]) -> dict[str, Any]:
    """Return what one match cost in CPU of servers and database and in time, with the baseline's where there is one."""
    return {name: run[name] for name in ("cpu_ms", "wall_ms", "baseline") if name in run}
