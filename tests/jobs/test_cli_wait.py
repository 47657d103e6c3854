"""Waiting for jobs through a night: tokens expire, servers restart, answers get lost, the network is away for hours."""

import base64
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
import pytest

from weyl.cli.session import CommandSession
from weyl.client import Client, MemoryCredentials, TokenSet
from weyl.client.errors import StillWaiting, Unreachable
from weyl.jobs.cli import follow
from weyl.jobs.cli.outage import OUTAGE_MAX_S
from weyl.jobs.waiting import Wait

HOUR_S = 3600.0
ACCESS_S = 1200


def token(name: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"vo": "voa", "jti": name}).encode()).decode().rstrip("=")
    return f"e30.{payload}.x"


@dataclass
class Night:
    """A clock that runs as fast as somebody sleeps, and a server by it; refreshes are as `tests/auth` has them."""

    ends_at_s: float
    away: Callable[[float], bool] = lambda now: False
    now: float = 1_000_000_000.0
    began: float = 1_000_000_000.0
    number: int = 0
    key: str = ""
    refreshes: int = 0
    lost: int = 0
    is_over: bool = False
    good_until: dict[str, float] = field(default_factory=dict)

    @property
    def passed_s(self) -> float:
        return self.now - self.began

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.now += 0.05
        if self.away(self.passed_s):
            raise httpx2.ConnectError("no route to host", request=request)
        # Every hour the server restarts.
        if self.passed_s % HOUR_S > HOUR_S - 20:
            return httpx2.Response(503, json={"detail": "restarting"})
        if request.url.path == "/api/auth/token":
            return self.refresh(request)
        access = request.headers["Authorization"].removeprefix("Bearer ")
        if self.good_until.get(access, 0) <= self.now:
            return httpx2.Response(401, json={"detail": "expired"})
        status = "Done" if self.passed_s > self.ends_at_s else "Running"
        return httpx2.Response(200, json=[{"JobID": 1, "Status": status}])

    def refresh(self, request: httpx2.Request) -> httpx2.Response:
        form, key = httpx2.QueryParams(request.content.decode()), request.headers["Idempotency-Key"]
        if form["refresh_token"] == f"r{self.number}":
            self.number, self.key = self.number + 1, key
        elif form["refresh_token"] != f"r{self.number - 1}" or key != self.key:
            self.is_over = True
        if self.is_over:
            return httpx2.Response(401, json={"detail": "Revoked refresh token reused"})
        self.refreshes += 1
        access = token(str(self.refreshes))
        self.good_until[access] = self.now + ACCESS_S
        if self.refreshes % 3 == 0:
            self.lost += 1
            raise httpx2.ReadError("the connection was lost", request=request)
        return httpx2.Response(
            200, json={"access_token": access, "expires_in": ACCESS_S, "refresh_token": f"r{self.number}"}
        )


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool | None]:
    def run(night: Night, **more: float) -> bool | None:
        monkeypatch.setattr(time, "time", lambda: night.now)
        monkeypatch.setattr(time, "monotonic", lambda: night.now)
        # The client's own pauses.
        monkeypatch.setattr(time, "sleep", night.sleep)
        store = MemoryCredentials(TokenSet(token("0"), "r0", int(night.now)))
        session = CommandSession()
        with Client("http://weyl.test", store, transport=httpx2.MockTransport(night.answer)) as client:
            session.__dict__["client"] = client
            waited = Wait([1])
            deque(follow.looks(session, waited, sleep=night.sleep, **more), maxlen=0)
            return waited.verdict()

    return run


def test_a_wait_lasts_a_night_through_restarts_lost_answers_and_hours_without_network(
    wait: Callable[..., bool | None], capsys: pytest.CaptureFixture[str]
) -> None:
    night = Night(10 * HOUR_S, away=lambda passed: 2.1 * HOUR_S < passed < 5 * HOUR_S)
    assert wait(night) is True
    assert night.passed_s > 10 * HOUR_S
    assert night.refreshes > 20
    assert night.lost > 5
    said = capsys.readouterr().err
    assert "Waiting for the server; the jobs go on." in said
    assert "The server answers again." in said


def test_a_wait_has_an_end_though_no_server_comes_back(wait: Callable[..., bool | None]) -> None:
    night = Night(HOUR_S, away=lambda passed: passed > 60)
    with pytest.raises(Unreachable):
        wait(night)
    assert OUTAGE_MAX_S < night.passed_s < OUTAGE_MAX_S + HOUR_S


def test_a_timeout_counts_while_the_network_is_away(wait: Callable[..., bool | None]) -> None:
    night = Night(9 * HOUR_S, away=lambda passed: passed > 60)
    with pytest.raises(StillWaiting):
        wait(night, timeout_s=HOUR_S)
    assert night.passed_s < 1.1 * HOUR_S
