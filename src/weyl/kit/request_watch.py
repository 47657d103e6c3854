"""Watches every request from the outside: its id, what it counts as, its span and its line in the log."""

import time
from contextvars import ContextVar
from typing import Any, Protocol

import structlog

from weyl.kit.ids import uuid7
from weyl.kit.metrics import Metrics
from weyl.kit.middleware import App, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"

REQUEST: ContextVar[Scope | None] = ContextVar("weyl_request", default=None)
"""The request that this code runs for. Bound once a request; who logs reads from it what is known by then."""


class Traces(Protocol):
    """Where spans go; `weyl.kit.otlp` has the only one."""

    def begin(self, parent: str | None) -> Any:
        """Return an open span if this one is sampled, else none."""

    def end(self, span: Any, name: str, *, began_ns: int, attributes: dict[str, Any], failure: str | None) -> None:
        """Close the span; one that was not sampled is made up now if it failed."""


class RequestWatch:
    """Gives the request an id, and notes when it ends."""

    def __init__(self, app: App, *, metrics: Metrics, traces: Traces | None, is_logged: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._traces = traces
        self._is_logged = is_logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid7().hex
        scope["weyl.request_id"] = request_id
        header = (b"x-request-id", request_id.encode())
        # Stays if the application raises before it has answered.
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        bound = REQUEST.set(scope)
        began, began_ns = time.perf_counter(), time.time_ns()
        span = None
        if self._traces is not None:
            span = self._traces.begin(_traceparent(scope))
            scope["weyl.span"] = span
        try:
            await self._app(scope, receive, noting)
        finally:
            self._note(scope, status, time.perf_counter() - began)
            if self._traces is not None:
                self._end_span(span, scope, status, began_ns)
            REQUEST.reset(bound)

    def _note(self, scope: Scope, status: int, duration_s: float) -> None:
        method, route = method_of(scope), route_of(scope)
        self._metrics.count_request(method, route, status=status, duration_s=duration_s)
        if self._is_logged:
            log.info("request.done", status=status, duration_ms=round(duration_s * 1000, 1))

    def _end_span(self, span: Any, scope: Scope, status: int, began_ns: int) -> None:
        assert self._traces is not None
        if span is None and status < 500:
            return
        method, route = method_of(scope), route_of(scope)
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            **{f"weyl.{name}": value for name, value in who(scope).items()},
        }
        self._traces.end(
            span,
            f"{method} {route}",
            began_ns=began_ns,
            attributes=attributes,
            failure=f"answered {status}" if status >= 500 else None,
        )


def method_of(scope: Scope) -> str:
    """Return the method; words that no route knows count as one."""
    method: str = scope["method"]
    return method if method in METHODS else "OTHER"


def route_of(scope: Scope) -> str:
    """Return the path of the matched route with its names in braces: there are few of them, unlike paths."""
    return str(getattr(scope.get("route"), "path", NO_ROUTE))


def who(scope: Scope) -> dict[str, Any]:
    """Return what is known of a request by now: its id, who asks, and the job or pilot that it is about."""
    found: dict[str, Any] = {"request_id": scope.get("weyl.request_id", "")}
    actor = scope.get("weyl.actor")
    if actor is not None:
        found["vo"] = actor.vo
        found["user" if actor.kind == "user" else "for"] = actor.preferred_username
        if actor.pilot_stamp is not None:
            found["pilot"] = actor.pilot_stamp
        if actor.job_id is not None:
            found["job_id"] = actor.job_id
    parameters = scope.get("path_params") or {}
    for name in ("job_id", "pilot_stamp"):
        if name in parameters:
            found[name.removesuffix("_stamp")] = str(parameters[name])[:64]
    return found


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return str(value.decode("latin-1"))
    return None
