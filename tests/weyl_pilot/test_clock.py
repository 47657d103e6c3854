"""Reports carry the server's time where the machine's clock is wrong, also when it jumps in the middle."""

import base64
import json

import pytest

from weyl_pilot.clock import ServerClock

NOW = 1_800_000_000.0


def token(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


class Machine:
    """A machine whose clock can be set."""

    def __init__(self, wall: float) -> None:
        self.wall, self.monotonic = wall, 50.0
        self.clock = ServerClock(lambda: self.wall, lambda: self.monotonic)

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.mark.parametrize("wrong_s", [-10_800, -60, 60, 10_800])
def test_a_clock_that_is_wrong_is_not_believed(wrong_s: float) -> None:
    machine = Machine(NOW + wrong_s)
    machine.clock.hear(token(iat=int(NOW)))
    machine.go_on(100)
    # Never before what the server did until then.
    assert NOW + 100 <= machine.clock.now().timestamp() <= NOW + 101


def test_a_clock_that_is_nearly_right_is_believed() -> None:
    machine = Machine(NOW + 0.25)
    machine.clock.hear(token(iat=int(NOW)))
    machine.go_on(10)
    assert machine.clock.now().timestamp() == NOW + 10.25


def test_a_clock_that_jumps_is_not_followed() -> None:
    machine = Machine(NOW)
    machine.clock.hear(token(iat=int(NOW)))
    for jump_s in (7_200, -14_400):
        machine.wall += jump_s
        machine.go_on(5)
    assert abs(machine.clock.now().timestamp() - (NOW + 10)) <= 1


@pytest.mark.parametrize("text", ["", "pilot-token-0", "a.b.c", token(), token(iat=None), token(iat="soon")])
def test_a_token_that_says_no_time_changes_nothing(text: str) -> None:
    machine = Machine(NOW)
    machine.clock.hear(text)
    assert machine.clock.now().timestamp() == NOW
