"""Asks the matcher over kept connections, with as little CPU as a program in Python can: the cores carry the server."""

import itertools
import random
import secrets
import selectors
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from tests.bench.matcher_shape import VO
from weyl.auth.keys import KeySet
from weyl.auth.tokens import Identity, PilotIdentity, access_claims, pilot_claims
from weyl.kit.ids import uuid7

TOKEN_LIFETIME_S = 6 * 3600
# Appears once a job in an answer.
JOB_MARK = b'"allocated":'
READ_BYTES = 1 << 18
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Pilot:
    """One pilot: its requests are made beforehand, but for the time that it has left."""

    stamp: str
    site: str
    head: bytes
    offer: bytes
    wall_time: int

    def request(self, count: int, used_s: int) -> bytes:
        """Return a question for so many jobs, made after the pilot has used some of its time."""
        left_s = b"%d" % (self.wall_time - used_s)
        offer = self.offer.replace(b"987654321", left_s, 1)
        body = b'{"count":%d,"request_id":"%s","offer":%s}' % (count, secrets.token_hex(16).encode(), offer)
        return self.head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


@dataclass
class Figures:
    """What one run of the load saw."""

    clients: int
    count: int
    seconds: float
    jobs: int = 0
    answers: int = 0
    misses: int = 0
    errors: int = 0
    hit_s: list[float] = field(default_factory=list, repr=False)
    miss_s: list[float] = field(default_factory=list, repr=False)
    load_cpu_s: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return the figures that are kept."""
        kept = {name: value for name, value in asdict(self).items() if not name.endswith("_s") or name == "load_cpu_s"}
        return {
            **kept,
            "seconds": round(self.seconds, 2),
            "load_cpu_s": round(self.load_cpu_s, 2),
            "jobs_per_s": round(self.jobs / self.seconds, 1) if self.seconds else 0.0,
            "answers_per_s": round(self.answers / self.seconds, 1) if self.seconds else 0.0,
            "hit_ms": cuts_ms(self.hit_s),
            "miss_ms": cuts_ms(self.miss_s),
        }


def cuts_ms(seconds: Sequence[float]) -> dict[str, float] | None:
    """Return median and tails in milliseconds."""
    if len(seconds) < 2:
        return None
    cuts = statistics.quantiles(seconds, n=1000)
    return {
        "p50": round(cuts[499] * 1e3, 2),
        "p90": round(cuts[899] * 1e3, 2),
        "p99": round(cuts[989] * 1e3, 2),
        "max": round(max(seconds) * 1e3, 2),
    }


def make_pilots(keys: KeySet, offers: Sequence[tuple[str, dict[str, Any]]], *, vo: str, host: str) -> list[Pilot]:
    """Sign a token for each offer and write its question down."""
    now = int(time.time())
    pilots = []
    for number, (site, offer) in enumerate(offers):
        stamp = f"{number:032x}"
        who = PilotIdentity(stamp=stamp, vo=vo, site=site, ce=f"ce.{site}", queue="default")
        token = keys.sign(pilot_claims(who, token_id=uuid7(), now=now, lifetime_s=TOKEN_LIFETIME_S))
        head = (
            f"POST /api/matcher/match HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\n"
        ).encode()
        body = orjson.dumps({**offer, "wall_time": 987_654_321})
        pilots.append(Pilot(stamp, site, head, body, offer["wall_time"]))
    return pilots


def administrator(keys: KeySet) -> str:
    """Return the token of somebody who may see every job of the VO."""
    who = Identity(
        subject=f"{VO}:alice-sub",
        vo=VO,
        preferred_username="alice",
        group="admin",
        properties=frozenset({"NormalUser", "JobAdministrator"}),
    )
    return keys.sign(access_claims(who, token_id=uuid7(), now=int(time.time()), lifetime_s=TOKEN_LIFETIME_S))


class Load:
    """Pilots on a fixed number of connections, each of which asks again as soon as it is answered.

    With several servers the connections are dealt out in turn.
    """

    def __init__(self, addresses: Sequence[tuple[str, int]], pilots: Sequence[Pilot], *, seed: int = 1) -> None:
        self._addresses = addresses
        self._pilots = list(pilots)
        chance = random.Random(seed)
        chance.shuffle(self._pilots)
        self._next = itertools.cycle(self._pilots)
        self._used_s = itertools.cycle([chance.randrange(0, 7_200) for _ in range(997)])
        self.on_answer: Callable[[Pilot, bytes], None] | None = None

    def run(
        self, *, clients: int, count: int, seconds: float, jobs_max: float = float("inf"), per_s: float | None = None
    ) -> Figures:
        """Ask until the time is over or enough jobs were given out; `per_s` asks no faster than that."""
        figures = Figures(clients, count, seconds)
        cpu_before, began = time.process_time(), time.perf_counter()
        with selectors.DefaultSelector() as selector:
            lines = [_Line(self._addresses[number % len(self._addresses)]) for number in range(clients)]
            for line in lines:
                selector.register(line.socket, selectors.EVENT_READ, line)
            try:
                self._ask_all(selector, lines, figures, ends=began + seconds, jobs_max=jobs_max, per_s=per_s)
            finally:
                for line in lines:
                    line.socket.close()
        figures.seconds = time.perf_counter() - began
        figures.load_cpu_s = time.process_time() - cpu_before
        return figures

    def _ask_all(
        self,
        selector: selectors.BaseSelector,
        lines: "list[_Line]",
        figures: Figures,
        *,
        ends: float,
        jobs_max: float,
        per_s: float | None,
    ) -> None:
        began = time.perf_counter()
        idle = list(reversed(lines))
        asked = open_ = 0
        while True:
            now = time.perf_counter()
            is_over = now >= ends or figures.jobs >= jobs_max
            while idle and not is_over and (per_s is None or asked < (now - began) * per_s):
                idle.pop().ask(next(self._next), figures.count, next(self._used_s))
                asked, open_ = asked + 1, open_ + 1
            if is_over and not open_:
                return
            wait_s = PATIENCE_S if per_s is None else 1 / per_s
            ready = selector.select(wait_s)
            if not ready and per_s is None:
                raise TimeoutError("The server does not answer")
            for key, _ in ready:
                answer = key.data.read()
                if answer is not None:
                    self._note(key.data, answer, figures)
                    idle.append(key.data)
                    open_ -= 1

    def _note(self, line: "_Line", answer: bytes, figures: Figures) -> None:
        passed_s = time.perf_counter() - line.asked_at
        figures.answers += 1
        if not answer.startswith(b"HTTP/1.1 200"):
            figures.errors += 1
            return
        got = answer.count(JOB_MARK)
        figures.jobs += got
        (figures.hit_s if got else figures.miss_s).append(passed_s)
        figures.misses += not got
        if self.on_answer is not None and line.pilot is not None:
            self.on_answer(line.pilot, answer)


class _Line:
    """One kept connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pilot: Pilot | None = None
        self.asked_at = 0.0
        self._held = b""
        self._wanted = 0

    def ask(self, pilot: Pilot, count: int, used_s: int) -> None:
        """Send a question."""
        self.pilot, self._held, self._wanted = pilot, b"", 0
        message = pilot.request(count, used_s)
        self.asked_at = time.perf_counter()
        self.socket.sendall(message)

    def read(self) -> bytes | None:
        """Take what has come; returns the answer when it is whole."""
        part = self.socket.recv(READ_BYTES)
        if not part:
            raise ConnectionError("The server closed a connection")
        self._held = self._held + part if self._held else part
        if not self._wanted:
            end = self._held.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = self._held[:end].lower()
            at = head.index(b"content-length:")
            self._wanted = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        return self._held if len(self._held) >= self._wanted else None
