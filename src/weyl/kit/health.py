"""Health for load balancers and orchestrators: alive, ready, started."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version

from fastapi import APIRouter, Request, Response

from weyl.kit.errors import Unavailable
from weyl.kit.http import json_response
from weyl.kit.services import Key

router = APIRouter(prefix="/api/health", include_in_schema=False)

# Whoever asks has less patience than a request: a part that does not answer is told as that.
ANSWER_S = 5.0

Check = Callable[[], Awaitable[list[str]]]
"""Returns warnings; raises when this process cannot serve."""


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


CHECKS: Key[Mapping[str, Check]] = Key("the checks of health")


@router.get("/live")
async def live() -> Response:
    """Answer as long as the process runs."""
    return json_response({"status": "live"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Answer 200 if requests can be served now, else 503 with the reason; warnings do not stop the service."""
    warnings: dict[str, list[str]] = {}
    for name, check in CHECKS.of(request).items():
        try:
            async with asyncio.timeout(ANSWER_S):
                found = await check()
        except TimeoutError as error:
            raise Unavailable(f"{name}: no answer in {ANSWER_S:g} s", retry_after_s=1) from error
        except Exception as error:
            raise Unavailable(f"{name}: {error or type(error).__name__}", retry_after_s=1) from error
        if found:
            warnings[name] = found
    return json_response({"status": "ready", **({"warnings": warnings} if warnings else {})})


@router.get("/startup")
async def startup(request: Request) -> Response:
    """Answer once the process has started; requests reach it only after that."""
    return json_response({"status": "startup complete"})


@router.get("/release")
async def release(request: Request) -> Response:
    """Tell which release answers."""
    return json_response({"release": version("weyl")})
