"""Structured logs: one JSON object a line for machines, or text for people; never a secret."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from weyl.kit.request_watch import REQUEST, method_of, route_of, who

# Tokens of ours (JWT), secrets and refresh tokens of pilots, signatures of presigned URLs, and cookies of logins.
_SECRETS = re.compile(
    r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|weyl[pr]_[A-Za-z0-9_-]+|(?<=Signature=)[0-9A-Za-z%+/=]+"
    r"|(?<=-session=)[A-Za-z0-9_-]+|(?<=-weyl-login=)[A-Za-z0-9_-]+"
)


def mask(text: str) -> str:
    """Return `text` with every token and secret replaced."""
    return _SECRETS.sub("[secret]", text)


# What moves a terminal's cursor, ends a line, or turns the direction of what is read.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _one_line(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show control characters as what they are, but for tracebacks, which we made: JSON does that by itself."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("exception", "stack"):
            event[key] = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return event


def _mask_event(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = mask(value)
    return event


def _add_request(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add what is known of the request; looked up when something is logged, because most requests log nothing."""
    scope = REQUEST.get()
    if scope is not None:
        event.setdefault("route", f"{method_of(scope)} {route_of(scope)}")
        for key, value in who(scope).items():
            event.setdefault(key, value)
        span = scope.get("weyl.span")
        if span is not None:
            event["trace_id"] = span.trace_id
    return event


def configure_logging(*, log_format: str, level: str) -> None:
    """Send the logs of this process, ours and those of libraries, to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _add_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask_event,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([_one_line] if log_format == "console" else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "alembic", "botocore", "asyncio", "httpx2", "httpcore2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
