"""Bodies, heads and figures without measure, from several senders at once: the server lives and stays small."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest

from tests.hostile.conftest import Server
from tests.infra import pace
from tests.infra.household import Household

MEMORY_MB_MAX = 400
LIVE_S_MAX = 1.0
ATTACK_S = 12.0
PIECE = b"x" * 65_536
HEAD_BYTES = 100 << 20


@dataclass
class Siege:
    """Senders that go on until they are told to stop, and what they were answered."""

    port: int
    is_over: threading.Event = field(default_factory=threading.Event)
    answers: dict[str, set[str]] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, name: str, requests: Sequence[bytes], *, then: bytes = b"", up_to: int = 0) -> None:
        """Send the requests again and again, each on a connection of its own and followed by pieces without end."""
        thread = threading.Thread(target=self._run, args=(name, requests, then, up_to), name=name)
        self.threads.append(thread)
        thread.start()

    def _run(self, name: str, requests: Sequence[bytes], then: bytes, up_to: int) -> None:
        said = self.answers.setdefault(name, set())
        for request in cycle(requests):
            answer = self._send(request, then, up_to)
            if self.is_over.is_set():
                return
            said.add(answer)

    def _send(self, request: bytes, then: bytes, up_to: int) -> str:
        """Send one request; returns the status of the answer, or `closed`, and at the end nothing that counts."""
        sent = 0
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as connection:
            try:
                connection.sendall(request)
                while sent < up_to:
                    if self.is_over.is_set():
                        return ""
                    connection.sendall(then)
                    sent += len(then)
                return (connection.recv(65_536)[9:12] or b"closed").decode()
            except ConnectionError:
                return "closed"


@contextmanager
def besieged(server: Server) -> Iterator[Siege]:
    """Let the senders of the block go on to its end."""
    siege = Siege(server.port)
    try:
        yield siege
    finally:
        siege.is_over.set()
        for thread in siege.threads:
            thread.join(120)


def post(path: str, body: Any, headers: Mapping[str, str], *, method: str = "POST") -> bytes:
    """Return a whole request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(path, {**headers, "Content-Length": str(len(content))}, method=method) + b"\r\n" + content


def head(path: str, headers: Mapping[str, str], *, method: str = "POST") -> bytes:
    """Return the head of a request, whose end is left open."""
    lines = {"Host": "weyl.test", "Content-Type": "application/json", **headers}
    named = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{named}".encode()


def times(number: int) -> list[str]:
    """Return so many times, each another second."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [f"{start + timedelta(seconds=2 * each):%Y-%m-%d %H:%M:%S}" for each in range(number)]


def bodies(household: Household) -> list[bytes]:
    """Return requests whose bodies cost a server without limits gigabytes or minutes."""
    user, payload = household.tokens["user"], household.tokens["payload"]
    inside = {"parameter": "SubmissionTime", "operator": "in"}
    empty = b'{"search": [' + b"{}," * 340_000 + b"{}]}"
    reports = {f"x{number}": {} for number in range(80_000)}
    return [
        *(post("/api/jobs/search", empty, headers) for headers in (user, payload)),
        post("/api/jobs/search", b'{"search": [' + b"{}," * 2_700_000 + b"{}]}", user),
        *(post("/api/jobs/search", {"search": [{**inside, "values": times(each)}]}, user) for each in (10_000, 40_000)),
        post("/api/jobs/summary", {"grouping": ["Status"], "search": [{**inside, "values": times(10_000)}]}, user),
        *(post("/api/jobs/kill", {"job_ids": [[]] * 250_000}, headers) for headers in (user, payload)),
        post("/api/jobs/heartbeat", reports, payload, method="PATCH"),
        post("/api/jobs/status", {str(household.job_id): reports}, payload, method="PATCH"),
        post("/api/jobs/jdl", b"[" + b'"",' * 2_000_000 + b'""]', user),
        post("/api/jobs/json", b"[{" + b'"a":[[],[],[],[]],' * 400_000 + b'"b":1}]', user),
    ]


def figures(household: Household) -> list[bytes]:
    """Return reports of figures that no node has."""
    path, payload = "/api/jobs/heartbeat", household.tokens["payload"]
    huge = ({"CPUConsumed": 1.7e308, "WallClockTime": 1.7e308}, {"MemoryUsed": -1e300, "LoadAverage": 1e300})
    return [post(path, {str(household.job_id): each}, payload, method="PATCH") for each in huge]


def heads() -> list[bytes]:
    """Return beginnings of heads that never end."""
    return [
        b"GET /",
        head("/api/health/live", {}, method="GET") + b"Cookie: ",
        head("/api/jobs/search", {"Transfer-Encoding": "chunked"}) + b"\r\n1\r\n{\r\n0\r\nX-Trailer: ",
        head("/api/jobs/search", {"Transfer-Encoding": "chunked"}) + b"\r\n1;",
    ]


async def longest_live_s(port: int, *, seconds: float) -> float:
    """Ask again and again whether the server lives; returns the longest time that an answer took."""
    longest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/health/live HTTP/1.1\r\nHost: weyl.test\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 120)
        longest = max(longest, time.monotonic() - began)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    return longest


@pytest.mark.timeout(400)
async def test_bodies_heads_and_figures_without_measure_leave_the_server_alive_and_small(server: Server) -> None:
    household, pace_before = server.household, pace.loop_s()
    with besieged(server) as siege:
        requests = bodies(household)
        for number in range(4):
            siege.begin(f"bodies {number}", requests[number:] + requests[:number])
        for number in range(3):
            siege.begin(f"heads {number}", heads(), then=PIECE, up_to=HEAD_BYTES)
        endless = head("/api/jobs/search", {**household.tokens["payload"], "Transfer-Encoding": "chunked"}) + b"\r\n"
        siege.begin("chunks", [endless], then=b"%x\r\n%b\r\n" % (len(PIECE), PIECE), up_to=HEAD_BYTES)
        siege.begin("figures", figures(household))
        longest_s = await longest_live_s(server.port, seconds=ATTACK_S)
    memory_mb, slower = server.memory_mb(), max(1.0, pace_before / pace.NOMINAL_S, pace.loop_s() / pace.NOMINAL_S)
    print(f"longest {longest_s:.2f} s, pace {slower:.1f}, memory {memory_mb:.0f} MB, answers {siege.answers}")
    refused = set().union(*(siege.answers[f"bodies {number}"] for number in range(4)))
    assert refused <= {"200", "206", "400", "403", "413", "416", "422"}, refused
    assert {"413", "422"} <= refused
    assert siege.answers["chunks"] <= {"413", "closed"}
    assert all(siege.answers[f"heads {number}"] <= {"431", "closed"} for number in range(3))
    assert siege.answers["figures"] <= {"200", "400", "422"}
    assert longest_s < LIVE_S_MAX * slower
    assert memory_mb < MEMORY_MB_MAX
