"""One transfer in a process of its own: `python -m tests.bench.data_child` reads what to do and prints what it cost.

Standard input has a JSON object; `what` is `get` or `put` by weyl's client, or `bare-get` or `bare-put` by the standard
library, with requests that were asked for before.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from weyl.client import Client
from weyl.storage.transfer.fetching import get
from weyl.storage.transfer.local_files import LocalFile
from weyl.storage.transfer.sending import Options, put

CHUNK_BYTES = 1 << 20


def main() -> None:
    """Do it; prints seconds and the most memory in MB."""
    order = json.load(sys.stdin)
    act = {"get": _get, "put": _put, "bare-get": _bare_get, "bare-put": _bare_put}[order["what"]]
    began = time.perf_counter()
    act(order)
    took = time.perf_counter() - began
    print(json.dumps({"seconds": took, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def _get(order: Mapping[str, Any]) -> None:
    with Client() as client:
        [got] = get(client, {order["lfn"]: Path(order["path"])}, overwrite=True)
    if got.reason:
        raise SystemExit(got.reason)


def _put(order: Mapping[str, Any]) -> None:
    files = [LocalFile.at(Path(path), lfn) for lfn, path in order["files"].items()]
    with Client() as client:
        for each in put(client, files, Options(ses=[order["se"]], journals=None)):
            if each.reason:
                raise SystemExit(each.reason)


def _bare_get(order: Mapping[str, Any]) -> None:
    with Path(order["path"]).open("wb") as file:
        _exchange(order["request"], None, lambda read: _written(read, file.write))


def _bare_put(order: Mapping[str, Any]) -> None:
    """Send a file, in parts where the requests say so, and read it back as a client must whose storage cannot tell."""
    for part in order["requests"]:
        _exchange(part, _pieces(Path(order["path"]), part["offset"], part["size"]), lambda read: _written(read, len))
    _exchange(order["read"], None, lambda read: _written(read, len))


def _exchange(
    request: Mapping[str, Any], body: Iterator[bytes] | None, take: Callable[[Callable[[int], bytes]], None]
) -> None:
    parts = urlsplit(request["url"])
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=300)
    headers = dict(request["headers"])
    if body is not None:
        headers["Content-Length"] = str(request["size"])
    connection.request(request["method"], f"{parts.path}?{parts.query}", body=body, headers=headers)
    answer = connection.getresponse()
    if answer.status >= 300:
        raise SystemExit(f"{answer.status}: {answer.read(500)!r}")
    take(answer.read)
    connection.close()


def _written(read: Callable[[int], bytes], write: Callable[[bytes], object]) -> None:
    while piece := read(CHUNK_BYTES):
        write(piece)


def _pieces(path: Path, offset: int, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        left = size
        while left and (piece := file.read(min(CHUNK_BYTES, left))):
            left -= len(piece)
            yield piece


if __name__ == "__main__":
    main()
