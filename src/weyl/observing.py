"""Wires what operators see of a process: health checks, its figures, and traces where they are configured."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

from sqlalchemy import text

from weyl.client.errors import UsageFault
from weyl.extension import Services
from weyl.kit.clock import utcnow
from weyl.kit.errors import Unavailable
from weyl.kit.following import judge_followers
from weyl.kit.health import Check
from weyl.kit.metrics import serve_metrics
from weyl.kit.timekeeping import judge_clock
from weyl.migrations import revisions
from weyl.settings import Settings

# Load balancers ask every second or so; the store is asked less often, and never keeps them waiting for long.
STORE_KEPT_S = 15.0
STORE_TIMEOUT_S = 3.0


def health_checks(services: Services) -> dict[str, Check]:
    """Return what `/api/health/ready` looks at."""

    async def database() -> list[str]:
        async with services.db.read() as tx:
            await tx.execute(text("SELECT 1"))
        return []

    async def schema() -> list[str]:
        found = await revisions.current_revision(services.db)
        warnings = judge_schema(found, revisions.needed_revision(), revisions.known_revisions())
        if behind := await _behind(services):
            raise Unavailable(f"The tables of {', '.join(behind)} are not up to date: run weyl db migrate")
        return warnings

    async def config() -> list[str]:
        services.config.current()
        return services.config.warnings

    async def followers() -> list[str]:
        return judge_followers(services.followers)

    return {
        "database": database,
        "schema": schema,
        "configuration": config,
        "object store": kept(_store_check(services), for_s=STORE_KEPT_S),
        "clock": judge_clock,
        "followers": followers,
    }


def judge_schema(found: str | None, needed: str, known: Collection[str]) -> list[str]:
    """Return warnings about the schema; raises if this release cannot work with it.

    A revision that we do not know comes from a newer release: during an upgrade servers of both serve, so that is a
    warning. An older one lacks what our statements name.
    """
    if found == needed:
        return []
    if found is None or found in known:
        raise Unavailable(f"The schema is at {found or 'nothing'}, this release needs {needed}: run weyl db migrate")
    return [f"The schema is at {found}, which is newer than this release ({needed}): upgrade this server"]


def kept(check: Check, *, for_s: float, clock: Callable[[], float] = time.monotonic) -> Check:
    """Return a check that answers with its last finding for a while; the first finding after that is waited for."""
    found: list[str] = []
    read_at = float("-inf")
    reading = asyncio.Lock()

    async def answer() -> list[str]:
        nonlocal found, read_at
        async with reading:
            if clock() - read_at >= for_s:
                found, read_at = await check(), clock()
            return found

    return answer


def _store_check(services: Services) -> Check:
    async def check() -> list[str]:
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                status = await services.store.ping()
        except (OSError, TimeoutError):
            return ["The object store does not answer: sandboxes can be neither sent nor fetched"]
        if status in (401, 403):
            return ["The object store refuses our key: see WEYL_S3_ACCESS_KEY and WEYL_S3_SECRET_KEY"]
        return [f"The object store answers {status}"] if status >= 500 else []

    return check


async def _behind(services: Services) -> list[str]:
    # Alembic knows the order of an extension's revisions; without such an extension nobody needs it here.
    behind: list[str] = []
    if services.branches:
        behind = await revisions.migrate().branches_behind(services.db, services.branches)
    return behind


def open_traces(settings: Settings, service: str) -> Any:
    """Return where spans go, or None if that is not configured."""
    if settings.otlp_traces_url is None:
        return None
    return _otlp().OtlpTraces(_target(settings), service)


@asynccontextmanager
async def observed(services: Services, traces: Any, service: str) -> AsyncIterator[int | None]:
    """Show the figures of a process for the length of the block; yields the port of `/metrics`, none if it is off."""
    settings, metrics = services.settings, services.metrics
    _show_process(services)
    async with AsyncExitStack() as stack:
        if traces is not None:
            traces.watch_statements(services.db.engine)
            stack.push_async_callback(asyncio.to_thread, traces.close)
        if settings.otlp_metrics_url is not None:
            await stack.enter_async_context(_otlp().exporting_metrics(metrics, _target(settings), service))
        yield await stack.enter_async_context(
            serve_metrics(metrics, host=settings.metrics_host, port=settings.metrics_port)
        )


def _show_process(services: Services) -> None:
    db, metrics, config = services.db, services.metrics, services.config
    metrics.gauge(
        "weyl_db_connections_in_use",
        "Connections that requests and tasks hold now.",
        lambda: db.connections_in_use,
    )
    metrics.gauge(
        "weyl_db_connections_limit",
        "Connections that this process opens at most.",
        lambda: 2 * services.settings.database_pool_size,
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
        lambda: {follower.name: follower.failing_s for follower in services.followers},
    )
    metrics.gauge(
        "weyl_config_warnings", "What is wrong with the configuration's repository now.", lambda: len(config.warnings)
    )


def _age_s(services: Services) -> float:
    try:
        return (utcnow() - services.config.current().modified).total_seconds()
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
