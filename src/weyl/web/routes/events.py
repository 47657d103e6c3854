"""Changes as they happen, as server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from weyl.kit import json
from weyl.kit.bounds import Name, Text
from weyl.kit.errors import Forbidden, Unauthorized
from weyl.kit.http import CurrentUser, User, current_user
from weyl.kit.openapi import refusals
from weyl.web.service.hub import HUB, Hub, Watch

router = APIRouter(prefix="/api", tags=["ui"])

STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "The changes", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
    **refusals(429),
}
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
RETRY_MS = 3_000
# In looks: a line that keeps the connection, and whether the login still holds (15 and 30 s unless set otherwise).
COMMENT_LOOKS = 3
CHECK_LOOKS = 6


CurrentHub = Annotated[Hub, Depends(HUB.dependency)]


@router.get("/events", operation_id="ui_follow_events", response_class=StreamingResponse, responses=STREAM)
async def follow_events(
    request: Request,
    user: CurrentUser,
    hub: CurrentHub,
    topic: Annotated[
        list[Name], Query(min_length=1, max_length=10, description="jobs, operations, queues, pilots, sites, ...")
    ],
    last_event_id: Annotated[Text | None, Header(description="The id of the last event, to go on from there")] = None,
) -> Response:
    """Tell what changes, as server-sent events: the ids that the caller may know of, every few seconds."""
    reaches = hub.reaches(user, list(dict.fromkeys(topic)))
    # Asked here too, so that a refusal is an answer of its own and not the end of a stream.
    hub.admit(user.subject)
    stream = _Stream(request, user, hub)

    async def lines() -> AsyncIterator[bytes]:
        async with hub.watching(user.subject, reaches, positions_of(last_event_id or "")) as watch:
            async for line in stream.lines(watch):
                yield line

    return StreamingResponse(lines(), media_type="text/event-stream", headers=HEADERS)


def positions_of(event_id: str) -> dict[str, int]:
    """Read the id of an event, `jobs=12,pilots=34`; what makes no sense is left out."""
    pairs = (part.partition("=") for part in event_id[:500].split(","))
    return {name: int(number) for name, _, number in pairs if number.isascii() and number.isdigit()}


class _Stream:
    """Writes what one page is told, as long as its login holds."""

    def __init__(self, request: Request, user: User, hub: Hub) -> None:
        self._request = request
        self._user = user
        self._hub = hub

    async def lines(self, watch: Watch) -> AsyncIterator[bytes]:
        """Yield the lines of the stream."""
        yield f"retry: {RETRY_MS}\n".encode()
        yield _message(watch, "ready", {"topics": list(watch.positions)})
        pause_s = COMMENT_LOOKS * self._hub.every_s
        checked = asyncio.get_running_loop().time()
        while True:
            left_s = self._user.expires_at - time.time()
            events = await watch.next(min(pause_s, max(self._hub.every_s, left_s)))
            if events is None:
                yield _message(watch, "end", {"reason": "The server stops: come back in a moment"})
                return
            now = asyncio.get_running_loop().time()
            if now - checked >= CHECK_LOOKS * self._hub.every_s or self._user.expires_at <= time.time():
                checked = now
                if not await self._still_may(watch):
                    yield _message(watch, "end", {"reason": "The login has ended: log in again"})
                    return
            for event in events:
                yield _message(watch, "changes", event.document())
            if not events:
                yield b": still here\n\n"

    async def _still_may(self, watch: Watch) -> bool:
        """Ask again who calls, as any request would: a login may have expired, been revoked, or lost a property."""
        try:
            self._user = await current_user(self._request, self._request.headers.get("authorization"))
            return self._hub.reaches(self._user, list(watch.positions)) == watch.reaches
        except (Unauthorized, Forbidden):
            return False


def _message(watch: Watch, kind: str, document: Mapping[str, Any]) -> bytes:
    position = ",".join(f"{name}={number}" for name, number in watch.positions.items())
    return f"id: {position}\nevent: {kind}\ndata: {json.dumps_text(document)}\n\n".encode()
