"""The figures of background work for operators."""

from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.tasks.permits import TaskKeeper
from weyl.tasks.queries.schedules import select_kinds

METRICS = TaskKeeper("metrics")
"""Whoever reads metrics is told of all tasks: who may is decided where they are served."""


async def figures(tx: Tx) -> list[Figure]:
    """Return what waits, runs and has failed for good, by task."""
    rows = [
        ((kind["name"], state), float(count))
        for kind in await select_kinds(tx, METRICS)
        for state, count in (("waiting", kind["waiting"]), ("running", kind["running"]), ("dead", kind["dead"]))
    ]
    return [Figure("weyl_tasks", "Background tasks by name and state.", ("task", "state"), rows)]
