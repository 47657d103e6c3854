"""Traces and metrics to a collector by OTLP over HTTP; imported only where it is configured: it is an optional extra.

What is counted is counted once, for Prometheus (`weyl.kit.metrics`); here the same figures are put into OTLP's form.
"""

import asyncio
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as OtlpMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from weyl.kit.metrics import Metrics

log = structlog.get_logger(__name__)

EXPORT_TIMEOUT_S = 5
STATEMENT_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class Target:
    """Where an installation wants its traces and metrics; either may be missing."""

    traces_url: str | None
    metrics_url: str | None
    headers: Mapping[str, str]
    sample_ratio: float
    metrics_every_s: float


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """A sampled span that is current in this context."""

    span: trace.Span
    scope: Any

    @property
    def trace_id(self) -> str:
        """Return the id under which a trace is looked for."""
        return f"{self.span.get_span_context().trace_id:032x}"


def resource(service: str) -> Resource:
    """Return what names this process among all that report to the same collector."""
    return Resource.create(
        {
            "service.name": service,
            "service.namespace": "weyl",
            "service.version": version("weyl"),
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )


class OtlpTraces:
    """Spans of requests and tasks. One in a hundred is drawn at its beginning; what fails is always sent.

    Who calls passes on the trace, not the decision: it costs us, not them.
    """

    def __init__(self, target: Target, service: str) -> None:
        self._ratio = target.sample_ratio
        self._provider = TracerProvider(resource=resource(service), sampler=ALWAYS_ON, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(
            endpoint=target.traces_url, headers=dict(target.headers) or None, timeout=EXPORT_TIMEOUT_S
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("weyl", version("weyl"))
        self._parents = TraceContextTextMapPropagator()

    def begin(self, parent: str | None) -> OpenSpan | None:
        """Return an open span if this one is sampled, else none."""
        if random.random() >= self._ratio:
            return None
        context = self._parents.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span("", context=context, kind=trace.SpanKind.SERVER)
        scope = trace.use_span(span, end_on_exit=False)
        scope.__enter__()
        return OpenSpan(span, scope)

    def end(
        self, opened: OpenSpan | None, name: str, *, began_ns: int, attributes: dict[str, Any], failure: str | None
    ) -> None:
        """Close the span; one that was not sampled is made up now if it failed."""
        if opened is None:
            if failure is None:
                return
            span = self._tracer.start_span(name, kind=trace.SpanKind.SERVER, start_time=began_ns)
        else:
            span = opened.span
            opened.scope.__exit__(None, None, None)
            span.update_name(name)
        span.set_attributes(attributes)
        if failure is not None:
            span.set_status(trace.StatusCode.ERROR, failure)
        span.end()

    def watch_statements(self, engine: AsyncEngine) -> None:
        """Make a child span of each SQL statement of a sampled request; the others pay one look."""
        starts = "weyl_statement_began"

        def before(connection: Any, *_: object) -> None:
            if trace.get_current_span().get_span_context().is_valid:
                connection.info[starts] = time.time_ns()

        def after(connection: Any, _cursor: object, statement: str, *_: object) -> None:
            began_ns = connection.info.pop(starts, None)
            if began_ns is None:
                return
            attributes = {"db.system.name": "postgresql", "db.query.text": statement[:STATEMENT_LENGTH_MAX]}
            name = statement.split(None, 1)[0].upper() if statement.strip() else "SQL"
            self._tracer.start_span(name, kind=trace.SpanKind.CLIENT, start_time=began_ns, attributes=attributes).end()

        event.listen(engine.sync_engine, "before_cursor_execute", before)
        event.listen(engine.sync_engine, "after_cursor_execute", after)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


@asynccontextmanager
async def exporting_metrics(metrics: Metrics, target: Target, service: str) -> AsyncIterator[None]:
    """Send the figures now and then for the length of the block, and once more at its end."""
    exporter = OTLPMetricExporter(
        endpoint=target.metrics_url, headers=dict(target.headers) or None, timeout=EXPORT_TIMEOUT_S
    )
    about = resource(service)

    async def send() -> None:
        await metrics.refresh()
        await asyncio.to_thread(exporter.export, metrics_data(metrics, about, time.time_ns()))

    async def send_forever() -> None:
        while True:
            await asyncio.sleep(target.metrics_every_s)
            try:
                await send()
            except Exception as error:  # noqa: BLE001 - the outermost loop: a collector may be away
                log.warning("otlp.metrics_failed", error=repr(error))

    sending = asyncio.create_task(send_forever(), name="weyl-otlp-metrics")
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        await send()
        await asyncio.to_thread(exporter.shutdown)


def metrics_data(metrics: Metrics, about: Resource, now_ns: int) -> MetricsData:
    """Return the figures in OTLP's form."""
    found = [
        OtlpMetric(name=family.name, description=family.documentation, unit=_unit(family.name), data=data)
        for family in metrics.registry.collect()
        if (data := _data(family, metrics.started_ns, now_ns)) is not None
    ]
    scope = ScopeMetrics(scope=InstrumentationScope("weyl", version("weyl")), metrics=found, schema_url="")
    return MetricsData([ResourceMetrics(resource=about, scope_metrics=[scope], schema_url="")])


def _unit(name: str) -> str:
    return "s" if name.endswith("_seconds") else "By" if name.endswith("_bytes") else "1"


def _data(family: Any, started_ns: int, now_ns: int) -> Any:
    if family.type == "histogram":
        found = list(_histograms(family.samples, started_ns, now_ns))
        return Histogram(found, AggregationTemporality.CUMULATIVE) if found else None
    is_counter = family.type == "counter"
    points = [
        NumberDataPoint(
            attributes=sample.labels, start_time_unix_nano=started_ns, time_unix_nano=now_ns, value=float(sample.value)
        )
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    if not points:
        return None
    if is_counter:
        return Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Gauge(points)


def _histograms(samples: Iterable[Any], started_ns: int, now_ns: int) -> Iterable[HistogramDataPoint]:
    """Put the lines of Prometheus' histograms, which add up from bucket to bucket, together again."""
    found: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        one = found.setdefault(labels, {"bounds": [], "totals": [], "sum": 0.0, "count": 0})
        if sample.name.endswith("_bucket"):
            one["bounds"].append(float(sample.labels["le"]))
            one["totals"].append(int(sample.value))
        elif sample.name.endswith("_sum"):
            one["sum"] = float(sample.value)
        elif sample.name.endswith("_count"):
            one["count"] = int(sample.value)
    for labels, one in found.items():
        totals = one["totals"]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=started_ns,
            time_unix_nano=now_ns,
            count=one["count"],
            sum=one["sum"],
            bucket_counts=[total - before for total, before in zip(totals, [0, *totals], strict=False)],
            explicit_bounds=one["bounds"][:-1],
            min=0.0,
            max=0.0,
        )
