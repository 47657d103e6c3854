"""What operators see of a server: figures on a port of their own, logs with ids, health with reasons."""

import logging
import re
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.infra.app import Application

from weyl.kit.db import DATABASE, Database
from weyl.kit.errors import Unavailable
from weyl.kit.health import kept
from weyl.kit.metrics import METRICS, METRICS_PORT, Figure, Metrics
from weyl.kit.request_watch import REQUEST, who
from weyl.kit.telemetry import configure_logging
from weyl.migrations.revisions import judge_schema


async def scrape(application: Application) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what Prometheus would read, by name and labels."""
    port = application.services[METRICS_PORT]
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


async def test_figures_have_a_port_of_their_own_and_are_not_on_the_public_one(start_application) -> None:
    application: Application = await start_application(metrics_port=0)
    for path in ("/metrics", "/metrics/", "/api/metrics"):
        assert (await application.client.get(path)).status_code == 404
    assert ("weyl_build_info", (("release", "0.1.0"),)) in await scrape(application)


async def test_without_a_port_there_are_no_figures(application: Application) -> None:
    assert application.services[METRICS_PORT] is None


async def test_requests_are_counted_by_route_and_status_and_never_by_path(start_application) -> None:
    application: Application = await start_application(metrics_port=0)
    headers = application.login()
    for job_id in (1, 2, 3):
        assert (await application.client.get(f"/api/jobs/{job_id}/jdl", headers=headers)).status_code in (403, 404)
    await application.client.get("/api/nothing/here")
    for path in ("/jobs/12", "/jobs/13"):
        assert (await application.client.get(path)).status_code == 200
    await application.client.request("BREW", "/api/health/live")
    found = await scrape(application)
    requests = {labels: value for (name, labels), value in found.items() if name == "weyl_http_requests_total"}
    by_route = {(dict(labels)["method"], dict(labels)["route"]): value for labels, value in requests.items()}
    assert by_route["GET", "/api/jobs/{job_id}/jdl"] == 3
    assert by_route["GET", "none"] == 1
    assert by_route["GET", "/{page}"] == 2
    assert any(method == "OTHER" for method, _ in by_route)
    count = ("weyl_http_request_duration_seconds_count", (("method", "GET"), ("route", "/api/jobs/{job_id}/jdl")))
    assert found[count] == 3


async def test_the_figures_of_the_installation_are_there(start_application) -> None:
    application: Application = await start_application(metrics_port=0)
    body = ['[Executable = "/bin/true";]']
    answer = await application.client.post("/api/jobs/jdl", json=body, headers=application.login())
    assert answer.status_code == 201, answer.text
    db: Database = application.services[DATABASE]
    async with db.read(), db.read():
        found = await scrape(application)
    assert found["weyl_jobs", (("status", "Received"), ("vo", "voa"))] == 1
    assert found["weyl_db_connections_limit", ()] == 8
    assert found["weyl_db_connections_in_use", ()] >= 2
    assert found["weyl_config_revision_age_seconds", ()] > 0
    assert found["weyl_matcher_classes", ()] == 0
    assert {labels[0][1]: value for (name, labels), value in found.items() if name == "weyl_figures_up"} == {
        "jobs": 1,
        "pilots": 1,
        "hosts": 1,
        "tasks": 1,
        "storage": 1,
    }
    assert found["process_resident_memory_bytes", ()] > 0


async def test_the_page_names_every_figure_and_no_other(start_application) -> None:
    application: Application = await start_application(metrics_port=0)
    await application.client.get("/api/health/live")
    text = (await application.services[METRICS].text()).decode()
    served = set(re.findall(r"^# TYPE (weyl_\w+)", text, re.MULTILINE))
    page = (Path(__file__).resolve().parents[2] / "docs" / "admin" / "monitoring.md").read_text()
    told = set(re.findall(r"`(weyl_\w+)`", page))
    assert told == {name for name in served if not name.endswith("_created")}


async def test_what_happens_is_counted_by_a_word() -> None:
    metrics = Metrics()
    count = metrics.counter("weyl_things", "Things.", "kind")
    for word in ("good", "bad", "good"):
        count(word)
    assert b'weyl_things_total{kind="good"} 2.0\n' in await metrics.text()


async def test_a_source_that_fails_does_not_hide_the_others() -> None:
    metrics = Metrics()

    async def good():
        return [Figure("weyl_good", "Good.", ("kind",), [(("a",), 1.0)])]

    async def bad():
        raise ConnectionError("away")

    metrics.add_source("good", good)
    metrics.add_source("bad", bad)
    text = (await metrics.text()).decode()
    assert 'weyl_good{kind="a"} 1.0' in text
    assert 'weyl_figures_up{group="bad"} 0.0' in text


async def test_what_is_logged_in_a_request_has_its_ids(start_application, capsys: pytest.CaptureFixture[str]) -> None:
    application: Application = await start_application(log_requests=True)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure_logging(log_format="json", level="INFO")
    try:
        answer = await application.client.get("/api/jobs/77/jdl?token=eyJhbGciOi.x", headers=application.login())
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    [line] = [line for line in capsys.readouterr().err.splitlines() if "request.done" in line]
    assert f'"request_id":"{answer.headers["x-request-id"]}"' in line.replace(": ", ":")
    for word in ('"job_id":"77"', '"user":"alice"', '"vo":"voa"', '"route":"GET /api/jobs/{job_id}/jdl"'):
        assert word in line.replace(": ", ":"), line
    assert "eyJ" not in line
    assert REQUEST.get() is None


def test_who_asks_is_known_before_anybody_is() -> None:
    assert who({}) == {"request_id": ""}


def test_an_older_schema_stops_a_server_and_a_newer_one_does_not() -> None:
    known = frozenset({"0001_tasks", "0002_auth"})
    assert judge_schema("0002_auth", "0002_auth", known) == []
    for found in ("0001_tasks", None):
        with pytest.raises(Unavailable, match="weyl db migrate"):
            judge_schema(found, "0002_auth", known)
    assert "newer" in judge_schema("0099_future", "0002_auth", known)[0]


async def test_the_store_is_asked_once_in_a_while() -> None:
    asked, now = [], [0.0]

    async def check() -> list[str]:
        asked.append(now[0])
        return [f"asked at {now[0]:g}"]

    cached = kept(check, for_s=15, clock=lambda: now[0])
    assert await cached() == await cached() == ["asked at 0"]
    now[0] = 15.0
    assert await cached() == ["asked at 15"]
    assert asked == [0.0, 15.0]


async def test_a_store_that_is_away_is_a_warning_without_its_address(start_application) -> None:
    application: Application = await start_application(s3_endpoint="http://127.0.0.1:1")
    answer = await application.client.get("/api/health/ready")
    assert answer.status_code == 200
    [warning] = answer.json()["warnings"]["object store"]
    assert "does not answer" in warning
    assert "127.0.0.1" not in warning


async def test_a_store_that_refuses_our_key_is_a_warning(start_application) -> None:
    application: Application = await start_application(s3_secret_key="wrong")
    assert "refuses our key" in (await application.client.get("/api/health/ready")).text
