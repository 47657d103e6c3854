"""Traces and metrics by OTLP, received by a small collector of our own and by VictoriaMetrics where it is installed."""

import asyncio
import gzip
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from aiohttp import web
from fastapi import APIRouter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.infra.app import Application, running_application
from tests.infra.waiting import until

from weyl.builtin import BUILTIN
from weyl.demo.processes import free_ports, loopback_address
from weyl.extension import Extension
from weyl.kit.metrics import Metrics
from weyl.kit.otlp import OtlpTraces, Target
from weyl.kit.task import Task
from weyl.tasks.watch import watched

broken = APIRouter(prefix="/api/broken")


@broken.get("/{job_id}")
async def breaks(job_id: int) -> None:
    """Fail in a way that nobody foresaw."""
    raise LookupError("gone")


class Collector:
    """An OTLP/HTTP endpoint: decodes what the protocol carries, and keeps it."""

    def __init__(self) -> None:
        self.url = ""
        self.headers: list[dict[str, str]] = []
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.path == "/v1/traces":
            self.traces.append(ExportTraceServiceRequest.FromString(body))
        else:
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))
        return web.Response(content_type="application/x-protobuf")

    @property
    def spans(self) -> list:
        return [s for t in self.traces for r in t.resource_spans for scope in r.scope_spans for s in scope.spans]

    def settings(self, **changes: object) -> dict[str, object]:
        return {
            "otlp_traces_url": f"{self.url}/v1/traces",
            "otlp_metrics_url": f"{self.url}/v1/metrics",
            "otlp_headers": {"x-tenant": "hep"},
            **changes,
        }


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    application = web.Application()
    application.router.add_post("/v1/{signal}", found.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


def attributes(span) -> dict[str, object]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_traced_request_has_its_statements_and_its_ids(
    collector: Collector, installation, database_url: str, object_store
) -> None:
    settings = collector.settings(trace_sample_ratio=1)
    parent = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-00"
    async with running_application(installation, database_url, object_store, **settings) as application:
        headers = {**application.login(), "traceparent": parent}
        answer = await application.client.get("/api/jobs/5/jdl", headers=headers)
    [span] = [span for span in collector.spans if span.name == "GET /api/jobs/{job_id}/jdl"]
    assert span.trace_id.hex() == "ab" * 16
    known = attributes(span)
    assert known["weyl.request_id"] == answer.headers["x-request-id"]
    assert (known["weyl.job_id"], known["weyl.user"], known["weyl.vo"]) == ("5", "alice", "voa")
    statements = [each for each in collector.spans if each.parent_span_id == span.span_id]
    assert statements
    assert all(each.name in ("SELECT", "WITH") for each in statements), [each.name for each in statements]
    assert {each.kind for each in collector.spans} == {2, 3}, "server and client spans only: none for receive and send"
    assert collector.headers[0]["x-tenant"] == "hep"


async def test_what_fails_is_always_traced_and_the_rest_by_lot(
    collector: Collector, installation, database_url: str, object_store
) -> None:
    settings = collector.settings(trace_sample_ratio=0)
    extensions = [BUILTIN, Extension(name="broken", routers=[broken])]
    async with running_application(
        installation, database_url, object_store, extensions=extensions, **settings
    ) as application:
        assert (await application.client.get("/.well-known/dirac-metadata")).status_code == 200
        answer = await application.client.get("/api/broken/7")
        assert answer.status_code == 500
    [span] = collector.spans
    assert span.name == "GET /api/broken/{job_id}"
    assert span.status.code == 2
    assert attributes(span)["weyl.request_id"] == answer.json()["request_id"] == answer.headers["x-request-id"]
    assert span.end_time_unix_nano > span.start_time_unix_nano


async def test_the_figures_arrive_as_they_are(
    collector: Collector, installation, database_url: str, object_store
) -> None:
    async with running_application(installation, database_url, object_store, **collector.settings()) as application:
        for _ in range(3):
            await application.client.get("/api/health/live")
    [request] = collector.metrics
    [resource] = request.resource_metrics
    assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == "weyl-server"
    found = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    counted = found["weyl_http_requests"].sum
    assert counted.is_monotonic
    assert [point.as_double for point in counted.data_points] == [3.0]
    [histogram] = found["weyl_http_request_duration_seconds"].histogram.data_points
    assert histogram.count == sum(histogram.bucket_counts) == 3
    assert len(histogram.bucket_counts) == len(histogram.explicit_bounds) + 1
    assert found["weyl_db_connections_limit"].gauge.data_points[0].as_double == 8


async def test_a_task_that_fails_is_traced_with_its_jobs(collector: Collector) -> None:
    target = Target(f"{collector.url}/v1/traces", None, {}, 0.0, 60.0)
    traces, metrics = OtlpTraces(target, "weyl-worker"), Metrics()

    async def handler(payload: dict[str, object]) -> None:
        if payload.get("job_ids"):
            raise LookupError("gone")

    bound = watched(Task("jobs.fly").bind(handler), metrics=metrics, traces=traces)
    await bound.handler({}, None)
    with pytest.raises(LookupError):
        await bound.handler({"job_ids": [1, 2, 3]}, None)
    await asyncio.to_thread(traces.close)
    [span] = collector.spans
    assert span.name == "jobs.fly"
    assert attributes(span)["weyl.job_ids"] == "[1, 2, 3]"
    text = (await metrics.text()).decode()
    for outcome in ("done", "failed"):
        assert f'weyl_task_duration_seconds_count{{outcome="{outcome}",task="jobs.fly"}} 1.0' in text


@pytest.mark.filterwarnings("ignore")
async def test_a_collector_that_is_away_costs_nothing(installation, database_url: str, object_store) -> None:
    [port] = free_ports("127.0.0.1", 1)
    settings = {"otlp_metrics_url": f"http://127.0.0.1:{port}/v1/metrics", "otlp_metrics_every_s": 0.05}
    async with running_application(installation, database_url, object_store, **settings) as application:
        assert (await application.client.get("/api/health/ready")).status_code == 200


@pytest.fixture
async def victoria_metrics(tmp_path: Path) -> AsyncIterator[str]:
    program = shutil.which("victoria-metrics")
    if program is None:
        assert not os.environ.get("CI"), "victoria-metrics is missing: tools/setup.py --system installs it"
        pytest.skip("victoria-metrics is not installed; as root: apt-get install victoria-metrics")
    host = loopback_address()
    [port] = free_ports(host, 1)
    url = f"http://{host}:{port}"
    options = [f"-storageDataPath={tmp_path}", f"-httpListenAddr={host}:{port}", "-search.latencyOffset=0s"]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            async with httpx2.AsyncClient() as http:
                await until(lambda: answers(http, f"{url}/health"), "the collector answers")
            yield url
        finally:
            process.kill()


async def answers(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == 200
    except httpx2.TransportError:
        return False


async def test_victoria_metrics_takes_and_answers_them(
    victoria_metrics: str, installation, database_url: str, object_store
) -> None:
    settings = {"otlp_metrics_url": f"{victoria_metrics}/opentelemetry/v1/metrics"}
    async with running_application(installation, database_url, object_store, **settings) as application:
        application_: Application = application
        for _ in range(4):
            await application_.client.get("/api/health/live")
    query = {"query": 'sum(weyl_http_requests{route="/api/health/live",status="200"})'}
    async with httpx2.AsyncClient() as http:

        async def there() -> bool:
            found = (await http.get(f"{victoria_metrics}/api/v1/query", params=query)).json()["data"]["result"]
            return bool(found) and found[0]["value"][1] == "4"

        await until(there, "the figures are there")
        bucket = {"query": 'histogram_quantile(0.5, weyl_http_request_duration_seconds_bucket{method="GET"})'}
        found = (await http.get(f"{victoria_metrics}/api/v1/query", params=bucket)).json()["data"]["result"]
        assert 0 < float(found[0]["value"][1]) < 60
