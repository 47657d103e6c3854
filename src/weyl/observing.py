"""Wires what operators see of a process: health checks, its figures, and traces where they are configured."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from sqlalchemy import text

from weyl.client.errors import UsageFault
from weyl.config.service import CONFIG
from weyl.extension import EXTENSION
from weyl.kit import health
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE
from weyl.kit.errors import Unavailable
from weyl.kit.following import FOLLOWERS, judge_followers
from weyl.kit.health import Check
from weyl.kit.metrics import METRICS, serve_metrics
from weyl.kit.room import FIGURES
from weyl.kit.s3 import STORE, judge_store
from weyl.kit.services import Services
from weyl.kit.timekeeping import judge_clock
from weyl.migrations import revisions
from weyl.migrations.loader import branches_behind
from weyl.settings import SETTINGS, Settings

# Load balancers ask every second or so; the store is asked less often.
STORE_KEPT_S = 15.0


def health_checks(services: Services) -> dict[str, Check]:
    """Return what `/api/health/ready` looks at."""

    async def database() -> list[str]:
        async with services[DATABASE].read() as tx:
            await tx.execute(text("SELECT 1"))
        return []

    async def schema() -> list[str]:
        warnings = await revisions.judge_database(services[DATABASE])
        if behind := await branches_behind(services[DATABASE], services[EXTENSION].migrations):
            raise Unavailable(f"The tables of {', '.join(behind)} are not up to date: run weyl db migrate")
        return warnings

    async def config() -> list[str]:
        services[CONFIG].current()
        return services[CONFIG].warnings

    async def store() -> list[str]:
        return await judge_store(services[STORE])

    async def followers() -> list[str]:
        found = services[FOLLOWERS]
        return judge_followers(found)

    return {
        "database": database,
        "schema": schema,
        "configuration": config,
        "object store": health.kept(store, for_s=STORE_KEPT_S),
        "clock": judge_clock,
        "followers": followers,
    }


def open_traces(settings: Settings, service: str) -> Any:
    """Return where spans go, or None if that is not configured."""
    if settings.otlp_traces_url is None:
        return None
    return _otlp().OtlpTraces(_target(settings), service)


@asynccontextmanager
async def observed(services: Services, traces: Any, service: str) -> AsyncIterator[int | None]:
    """Show the figures of a process for the length of the block; yields the port of `/metrics`, none if it is off."""
    settings, metrics = services[SETTINGS], services[METRICS]
    _show_process(services)
    async with AsyncExitStack() as stack:
        if traces is not None:
            traces.watch_statements(services[DATABASE].engine)
            stack.push_async_callback(asyncio.to_thread, traces.close)
        if settings.otlp_metrics_url is not None:
            await stack.enter_async_context(_otlp().exporting_metrics(metrics, _target(settings), service))
        yield await stack.enter_async_context(
            serve_metrics(metrics, host=settings.metrics_host, port=settings.metrics_port)
        )


def _show_process(services: Services) -> None:
    db, metrics, config = services[DATABASE], services[METRICS], services[CONFIG]
    for group, read in services[FIGURES].items():
        metrics.add_database_source(group, db, read)
    metrics.gauge(
        "weyl_db_connections_in_use",
        "Connections that requests and tasks hold now.",
        lambda: db.connections_in_use,
    )
    metrics.gauge(
        "weyl_db_connections_limit",
        "Connections that this process opens at most.",
        lambda: 2 * services[SETTINGS].database_pool_size,
    )
    metrics.gauge(
        "weyl_config_revision_age_seconds",
        "Time since the commit of the configuration that is served.",
        lambda: _age_s(services),
    )
    metrics.gauges(
        "weyl_follower_failing_seconds",
        "Seconds since this process could last update a copy of the database; 0 if it is up to date.",
        "follower",
        lambda: {follower.name: follower.failing_s for follower in services[FOLLOWERS]},
    )
    metrics.gauge(
        "weyl_config_warnings", "What is wrong with the configuration's repository now.", lambda: len(config.warnings)
    )


def _age_s(services: Services) -> float:
    try:
        return (utcnow() - services[CONFIG].current().modified).total_seconds()
    except Unavailable:
        return float("nan")


def _otlp() -> ModuleType:
    try:
        return import_module("weyl.kit.otlp")
    except ModuleNotFoundError as error:
        raise UsageFault(
            "Traces and metrics by OTLP are configured, but OpenTelemetry is not installed.",
            hint="install weyl[server,telemetry], or unset WEYL_OTLP_TRACES_URL and WEYL_OTLP_METRICS_URL",
        ) from error


def _target(settings: Settings) -> Any:
    headers: Mapping[str, str] = {name: value.get_secret_value() for name, value in settings.otlp_headers.items()}
    return _otlp().Target(
        traces_url=settings.otlp_traces_url,
        metrics_url=settings.otlp_metrics_url,
        headers=headers,
        sample_ratio=settings.trace_sample_ratio,
        metrics_every_s=settings.otlp_metrics_every_s,
    )
