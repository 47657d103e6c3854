"""Bytes of files between this machine and storage: sent and fetched while they stream, whatever their number.

Requests come from the server, signed for one file and some minutes. They carry what storage wants to see, never the
login of the user.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from weyl.client.errors import ClientError, Forbidden, NotFound, Refused, Unreachable
from weyl.client.exchange import ConnectionFault, Exchange, Incoming, Received, Send

CHUNK = 1024 * 1024
REDIRECTS_MAX = 5
REDIRECTS = frozenset({301, 302, 307, 308})
# The body is read for its error code only.
_CODE = re.compile(r"<Code>([\w.-]{1,64})</Code>")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a local file that are the body of a request; `moved` is told how many went, and may raise to end it."""

    path: Path
    offset: int
    size: int
    moved: Callable[[int], None]

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; raises `Refused` if the file has become shorter."""
        left = self.size
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise Refused(f"{self.path} has become shorter while it was read.", hint="Send it again.")
                yield chunk
                left -= len(chunk)
                self.moved(len(chunk))


def begin(sink: Incoming, received: Received) -> None:
    """Tell a sink where the bytes of an answer begin: those of a whole file at zero, those of a part where it says."""
    found = _RANGE.match(received.headers.get("content-range", ""))
    sink.begin(int(found[1]) if received.status == 206 and found is not None else 0)


def put_exchange(url: str, headers: Mapping[str, str], piece: Piece) -> Exchange[Received]:
    """Send the bytes of a piece to storage, once; raises what it means that storage did not take them."""
    told = {"Content-Length": str(piece.size), **headers}
    return (yield from _once(Send("PUT", url, headers=told, piece=piece)))


def get_exchange(url: str, headers: Mapping[str, str], sink: Incoming, *, offset: int = 0) -> Exchange[Received]:
    """Fetch a file from an offset on into a sink, once; storage that knows no ranges sends all of it."""
    told = {"Accept-Encoding": "identity", **headers}
    if offset:
        told["Range"] = f"bytes={offset}-"
    return (yield from _once(Send("GET", url, headers=told, sink=sink)))


def _once(request: Send) -> Exchange[Received]:
    for _ in range(REDIRECTS_MAX + 1):
        try:
            received = yield request
        except ConnectionFault as fault:
            raise Unreachable(f"Cannot reach {urlsplit(request.url).netloc}: {fault}.", hint="") from fault
        assert received is not None
        if received.status < 300:
            return received
        if received.status not in REDIRECTS or "location" not in received.headers:
            raise storage_error(received, urlsplit(request.url).netloc)
        request = _redirected(request, received.headers["location"])
    raise Refused(f"{urlsplit(request.url).netloc} redirects again and again.", hint="")


def _redirected(request: Send, location: str) -> Send:
    """Return the request for where storage keeps the file; another machine does not see the token of the first."""
    url = urljoin(request.url, location)
    before, after = urlsplit(request.url), urlsplit(url)
    if after.scheme not in ("http", "https") or (before.scheme == "https" and after.scheme != "https"):
        raise Refused(f"{before.netloc} redirects to an address that is not protected.", hint="")
    headers = dict(request.headers)
    if (before.scheme, before.netloc) != (after.scheme, after.netloc):
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    return Send(request.method, url, headers=headers, piece=request.piece, sink=request.sink)


def storage_error(received: Received, host: str) -> ClientError:
    """Return what an answer of storage means; its status is kept, for who decides whether to try again."""
    found = _CODE.search(received.content[:4096].decode(errors="replace"))
    told = f"HTTP {received.status}" + (f", {found[1]}" if found is not None else "")
    status = received.status
    if status in (404, 410):
        return NotFound(f"{host} does not have the file ({told}).", hint="", status=status)
    if status in (401, 403):
        return Forbidden(f"{host} does not allow it ({told}).", hint="", status=status)
    if status == 507:
        return Refused(f"{host} is full ({told}).", hint="", status=status)
    if status >= 500 or status in (408, 429):
        return Unreachable(f"{host} failed ({told}).", hint="", status=status)
    return Refused(f"{host} refused the transfer ({told}).", hint="", status=status)
