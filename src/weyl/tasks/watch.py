"""Watches every run of a background task: what it is logged with, what it counts as, and its span."""

import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog

from weyl.kit.ids import uuid7
from weyl.kit.metrics import Metrics
from weyl.kit.request_watch import Traces
from weyl.kit.task import BoundTask
from weyl.tasks.errors import RetryLater

# Payloads that name jobs name them so; the log shows the first few.
NAMES_OF_JOBS = ("job_id", "job_ids", "ranges")
SHOWN_MAX = 5


def watched(bound: BoundTask, *, metrics: Metrics, traces: Traces | None) -> BoundTask:
    """Return the same task, with every run of it watched."""
    name = bound.task.name
    run: Callable[..., Awaitable[None]] = bound.handler

    async def handler(payload: Any, *others: Any) -> None:
        span = traces.begin(None) if traces is not None else None
        began, began_ns = time.perf_counter(), time.time_ns()
        outcome, failure = "failed", cast("str | None", "cancelled")
        words = {"task": name, "run_id": uuid7().hex, **jobs_of(payload)}
        if span is not None:
            words["trace_id"] = span.trace_id
        with structlog.contextvars.bound_contextvars(**words):
            try:
                await run(payload, *others)
                outcome, failure = "done", None
            except RetryLater:
                outcome, failure = "put_off", None
                raise
            except Exception as error:
                failure = type(error).__name__
                raise
            finally:
                metrics.count_task(name, outcome, time.perf_counter() - began)
                if traces is not None:
                    attributes = {"weyl.task": name, **{f"weyl.{key}": str(words[key]) for key in words}}
                    traces.end(span, name, began_ns=began_ns, attributes=attributes, failure=failure)

    return dataclasses.replace(bound, handler=handler)


def jobs_of(payload: object) -> dict[str, Any]:
    """Return the jobs that a payload names, shortened."""
    if not isinstance(payload, Mapping):
        return {}
    found = {name: payload[name] for name in NAMES_OF_JOBS if name in payload}
    return {name: value[:SHOWN_MAX] if isinstance(value, list) else value for name, value in found.items()}
