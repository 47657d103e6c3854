"""Figures of one process: requests, the pool, and what rooms add; in Prometheus' text form, on a port of their own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from weyl.kit.db import Database, Tx
from weyl.kit.services import Key

log = structlog.get_logger(__name__)

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# What comes from the database is asked for once in this time, however many scrape.
SOURCE_KEPT_S = 10.0
SOURCE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A named number now, once for each combination of its labels."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    rows: Sequence[tuple[tuple[str, ...], float]]


Source = Callable[[], Awaitable[Sequence[Figure]]]


class Metrics:
    """The figures of one process; counters count from its start."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.started_ns = time.time_ns()
        self._sources: dict[str, Source] = {}
        self._figures: dict[str, Sequence[Figure]] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        ProcessCollector(registry=self.registry)
        self.registry.register(cast(Any, _Collected(self._figures)))
        self.gauge("weyl_build_info", "Always 1; the label is the release.", lambda: 1, release=version("weyl"))
        self._requests = Counter(
            "weyl_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._durations = Histogram(
            "weyl_http_request_duration_seconds",
            "Time from the request to the end of its answer; long polls of pilots include their wait.",
            ("method", "route"),
            registry=self.registry,
            buckets=BUCKETS_S,
        )
        self._of_route: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._tasks = Histogram(
            "weyl_task_duration_seconds",
            "Time that a run of a background task took.",
            ("task", "outcome"),
            registry=self.registry,
            buckets=BUCKETS_S,
        )

    def count_request(self, method: str, route: str, *, status: int, duration_s: float) -> None:
        """Count one request that was answered."""
        key = (method, route, status)
        known = self._of_route.get(key)
        if known is None:
            known = self._of_route[key] = (
                self._requests.labels(method, route, str(status)),
                self._durations.labels(method, route),
            )
        known[0].inc()
        known[1].observe(duration_s)

    def count_task(self, task: str, outcome: str, duration_s: float) -> None:
        """Count one run of a background task."""
        self._tasks.labels(task, outcome).observe(duration_s)

    def gauge(self, name: str, meaning: str, value: Callable[[], float], **labels: str) -> None:
        """Show what `value` returns at each scrape; it must cost nothing."""
        words = tuple(labels.values())
        self.registry.register(cast(Any, _Live(name, meaning, tuple(labels), lambda: {words: value()})))

    def gauges(self, name: str, meaning: str, label: str, values: Callable[[], Mapping[str, float]]) -> None:
        """Show at each scrape what `values` returns, a number for each word of `label`; it must cost nothing."""

        def rows() -> Mapping[tuple[str, ...], float]:
            return {(word,): value for word, value in values().items()}

        self.registry.register(cast(Any, _Live(name, meaning, (label,), rows)))

    def histogram(self, name: str, meaning: str) -> Callable[[float], None]:
        """Return a function that takes durations in seconds into a new histogram."""
        return Histogram(name, meaning, registry=self.registry, buckets=BUCKETS_S).observe

    def counter(self, name: str, meaning: str, label: str) -> Callable[[str], None]:
        """Return a function that counts what happened, by one word; the figure's name ends in `_total`."""
        made = Counter(name, meaning, (label,), registry=self.registry)
        return lambda word: made.labels(word).inc()

    def add_source(self, name: str, source: Source) -> None:
        """Ask `source` for figures when somebody scrapes, at most once in ten seconds."""
        self._sources[name] = source

    def add_database_source(self, name: str, db: Database, read: Callable[[Tx], Awaitable[Sequence[Figure]]]) -> None:
        """Read figures from the database when somebody scrapes, at most once in ten seconds."""

        async def ask() -> Sequence[Figure]:
            async with db.read() as tx:
                return await read(tx)

        self.add_source(name, ask)

    async def refresh(self) -> None:
        """Ask all sources; one that fails is left out and counted as down."""
        async with self._reading:
            if time.monotonic() - self._read_at < SOURCE_KEPT_S:
                return
            answers = await asyncio.gather(*(self._ask(name, source) for name, source in self._sources.items()))
            ups = [((name,), 0.0 if found is None else 1.0) for name, found in zip(self._sources, answers, strict=True)]
            self._figures.clear()
            self._figures.update({name: found for name, found in zip(self._sources, answers, strict=True) if found})
            self._figures[""] = [
                Figure("weyl_figures_up", "Whether a group of figures could be read.", ("group",), ups)
            ]
            self._read_at = time.monotonic()

    async def text(self) -> bytes:
        """Return everything in Prometheus' text form."""
        await self.refresh()
        return await asyncio.to_thread(generate_latest, self.registry)

    async def _ask(self, name: str, source: Source) -> Sequence[Figure] | None:
        try:
            async with asyncio.timeout(SOURCE_TIMEOUT_S):
                return await source()
        except Exception as error:  # noqa: BLE001 - figures must not end the process; the scrape shows it
            log.warning("metrics.source_failed", group=name, error=repr(error))
            return None


METRICS: Key[Metrics] = Key("the figures of the process")
METRICS_PORT: Key[int | None] = Key("the port of /metrics")


class _Collected:
    """Gives the registry what the sources said last."""

    def __init__(self, figures: dict[str, Sequence[Figure]]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for figure in [figure for figures in list(self._figures.values()) for figure in figures]:
            family = GaugeMetricFamily(figure.name, figure.meaning, labels=figure.labels)
            for labels, value in figure.rows:
                family.add_metric(labels, value)
            yield family


class _Live:
    """Gives the registry numbers of this process as they are now."""

    def __init__(
        self, name: str, meaning: str, labels: tuple[str, ...], rows: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        self._name, self._meaning, self._labels, self._rows = name, meaning, labels, rows

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=self._labels)
        for words, value in self._rows().items():
            family.add_metric(words, value)
        return [family]


def serve_metrics(metrics: Metrics, *, host: str, port: int | None) -> AbstractAsyncContextManager[int | None]:
    """Answer `GET /metrics` on a port of its own for the length of the block; yields the port, none if it is off."""
    return _serve(metrics, host, port)


@asynccontextmanager
async def _serve(metrics: Metrics, host: str, port: int | None) -> Any:
    if port is None:
        yield None
        return

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=await metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        found = runner.addresses[0][1]
        log.info("metrics.serving", address=f"{host}:{found}")
        yield found
    finally:
        await runner.cleanup()
