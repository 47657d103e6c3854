"""Turns what goes wrong in a request into the contract's answers; nothing of the inside leaks into them."""

import math
import socket
from itertools import islice
from typing import Any

import structlog
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from weyl.kit.db import is_transient, is_unavailable, sqlstate
from weyl.kit.errors import WeylError
from weyl.kit.http import json_response

log = structlog.get_logger(__name__)

# What a 422 shows of the request, so that an answer is never much larger than what is wrong in it.
PROBLEMS_MAX = 100
SHOWN_CHARACTERS_MAX = 1_000
SHOWN_ITEMS_MAX = 100
SHOWN_DEPTH_MAX = 10
_LEFT_OUT = "…"
_SECRETS = {"secret", "refresh_token", "device_code", "code", "code_verifier", "token", "user_code"}
"""Fields whose value is never shown, however malformed."""

_DISK_FULL = "53100"
# Values that a column cannot hold: too long, out of range, or a NUL byte in text. The caller sent them.
_REFUSED_VALUES = {"22001", "22003", "22008", "22021", "22P05"}


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(WeylError, _weyl_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _malformed)
    for kind in (
        DBAPIError,
        PostgresError,
        InterfaceError,
        InternalClientError,
        ConnectionError,
        TimeoutError,
        socket.gaierror,
    ):
        app.add_exception_handler(kind, _database_error)
    app.add_exception_handler(Exception, _unexpected)


def request_id(request: Request) -> str:
    """Return the id under which this request is logged."""
    return str(request.scope.get("weyl.request_id", ""))


async def _weyl_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, WeylError)
    # A sentence may quote what the request said, and that may be no text that UTF-8 can carry.
    body = {name: _carried(value) if isinstance(value, str) else value for name, value in error.body().items()}
    return json_response(body, status=error.status, headers=error.headers)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return json_response({"detail": error.detail}, status=error.status_code, headers=error.headers)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"type": problem["type"], "loc": problem["loc"], "msg": problem["msg"], "input": _input(problem)}
        for problem in islice(error.errors(), PROBLEMS_MAX)
    ]
    return json_response({"detail": [shown(problem) for problem in problems]}, status=422)


def _input(problem: dict[str, Any]) -> Any:
    """Return what was wrong, unless that is a secret: answers end up in logs and in reports of errors.

    Where something is missing, all the rest is reported as wrong, and a name that is unknown may be a misspelled one.
    """
    is_secret = problem["type"] in ("missing", "extra_forbidden") or not _SECRETS.isdisjoint(problem["loc"])
    return None if is_secret else problem.get("input")


def shown(value: Any, depth: int = 0) -> Any:
    """Return `value` as an answer can show it, whatever it is.

    Non-finite numbers become text (JSON has none), what UTF-8 cannot carry is replaced, and what is long, many or deep
    is cut: serialisers have a limit of depth, and a bad request must not be answered with its own size.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return _text(value[:SHOWN_CHARACTERS_MAX].decode("utf-8", "replace"))
    if isinstance(value, dict | list | tuple):
        return _LEFT_OUT if depth >= SHOWN_DEPTH_MAX else _items(value, depth + 1)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value) if value.bit_length() < 1_000 else f"a number of {value.bit_length()} bits"
    return value if value is None or isinstance(value, bool | int | float) else _text(str(value))


def _items(value: Any, depth: int) -> Any:
    left_out = [_LEFT_OUT] if len(value) > SHOWN_ITEMS_MAX else []
    if isinstance(value, dict):
        pairs = islice(value.items(), SHOWN_ITEMS_MAX)
        return {_text(str(key)): shown(item, depth) for key, item in pairs} | dict.fromkeys(left_out, _LEFT_OUT)
    return [shown(item, depth) for item in islice(value, SHOWN_ITEMS_MAX)] + left_out


def _text(text: str) -> str:
    cut = text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + _LEFT_OUT
    return _carried(cut)


def _carried(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


async def _database_error(request: Request, error: Exception) -> Response:
    if sqlstate(error) == _DISK_FULL:
        log.error("request.database_disk_full", path=request.url.path, error=repr(error)[:300])
        detail = "The disk of the database is full: nothing new can be kept until its administrators make room"
        return json_response({"detail": detail}, status=503, headers={"Retry-After": "60"})
    if is_unavailable(error) or is_transient(error):
        log.warning("request.database_unavailable", path=request.url.path, error=repr(error)[:300])
        detail = "The database cannot serve this now; try again in a moment"
        return json_response({"detail": detail}, status=503, headers={"Retry-After": "10"})
    if sqlstate(error) in _REFUSED_VALUES:
        log.info("request.value_refused", path=request.url.path, error=repr(error)[:300])
        return json_response({"detail": "A value is too long or too large for its column"}, status=400)
    return await _unexpected(request, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request.failed", path=request.url.path, method=request.method, exc_info=error)
    detail = "Internal error. It is logged under the request id; please report it with that id"
    # Sent from outside of all middleware, which would have added the header.
    found = request_id(request)
    return json_response({"detail": detail, "request_id": found}, status=500, headers={"X-Request-ID": found})
