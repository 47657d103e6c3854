"""The HTTP protocol of the server with limits of its own: heads that come in time, and are not too large."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from weyl.kit import json

# Longer than any client needs for the first line and the headers of a request.
HEAD_S = 30.0
# The request line, the headers and the trailers of one request; browsers and proxies need a few kilobytes.
HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 200
_TOO_LARGE = json.dumps(
    {"detail": f"The request line and headers are too large: at most 64 kB and {HEADERS_MAX} headers"}
)
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_TOO_LARGE), _TOO_LARGE)
)


class HeadTooLarge(Exception):
    """The head of a request, or its trailers, have more bytes or lines than we read."""


class PatientProtocol(HttpToolsProtocol):
    """Closes connections on which no head of a request arrives in time, or one without end.

    Some thousand idle connections cost a sender nothing, and the parser keeps a line until it is whole: it copies a
    header of 100 MB a thousand times.
    """

    _deadline: asyncio.TimerHandle | None = None
    _is_in_head = True
    _is_in_body = False
    # Since the parser last handed something over: a head, a piece of a body, or the end of a request.
    _pending_bytes = 0
    _head_bytes = 0
    _is_too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head that has begun; most come in one piece, and no timer is set for them."""
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._pending_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._is_too_large = True
            self.send_400_response("")
        if not self._is_in_head and not self._is_left_over() and not self._is_idle():
            self._wait_no_longer()
        elif self._deadline is None:
            self._wait()

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Count the bytes of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the bytes and lines of the head; trailers come here too."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)
        if len(self.headers) > HEADERS_MAX:
            self._refuse()

    def on_headers_complete(self) -> None:
        """Note that a head is whole."""
        self._is_in_head, self._is_in_body = False, True
        self._pending_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that a piece of the body has come."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request is whole."""
        self._is_in_body = False
        self._pending_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the rest of a body that was refused: clients read the answer when they have sent it."""
        super().on_response_complete()
        if self._is_left_over() and self._deadline is None:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong and close; only close while an earlier request is being answered."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body):
            self.transport.close()
        elif self._is_too_large:
            self.transport.write(TOO_LARGE)
            self.transport.close()
        else:
            super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse()

    def _refuse(self) -> None:
        self._is_too_large = True
        raise HeadTooLarge  # the parser wraps it, and `send_400_response` is called

    def _is_left_over(self) -> bool:
        return self._is_in_body and self.cycle is not None and self.cycle.response_complete

    def _is_idle(self) -> bool:
        """Tell whether bytes that belong to no request have ended the patience between two requests."""
        return self.cycle is not None and self.cycle.response_complete and self.timeout_keep_alive_task is None

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self.transport.close)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
