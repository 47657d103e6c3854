"""Attempts: how many an address has, and when it gets new ones."""

import pytest

from weyl.auth.errors import TooManyLogins
from weyl.auth.rates import AttemptLimiter
from weyl.settings import Settings


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_that_has_used_up_its_attempts_is_told_when_to_come_back() -> None:
    clock = Clock()
    limiter = AttemptLimiter(60, clock=clock)
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(TooManyLogins) as caught:
        limiter.take("a")
    assert caught.value.headers == {"Retry-After": "1"}
    limiter.take("b")


def test_an_ipv6_address_counts_for_its_network() -> None:
    limiter = AttemptLimiter(1, clock=lambda: 0.0)
    limiter.take("2001:db8:1:2::1")
    for neighbour in ("2001:db8:1:2::2", "2001:db8:1:2:ffff::"):
        with pytest.raises(TooManyLogins):
            limiter.take(neighbour)
    limiter.take("2001:db8:1:3::1")
    for address in ("::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.3", "unknown", "fe80::1%eth0"):
        limiter.take(address)
    with pytest.raises(TooManyLogins):
        limiter.take("192.0.2.1")


def test_attempts_come_back_evenly() -> None:
    clock = Clock()
    limiter = AttemptLimiter(60, clock=clock)
    for _ in range(60):
        limiter.take("a")
    clock.now = 2.5
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(TooManyLogins):
        limiter.take("a")
    clock.now = 10_000
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(TooManyLogins):
        limiter.take("a")


def test_the_default_allows_fifty_logins_in_a_row() -> None:
    limiter = AttemptLimiter(Settings.model_fields["logins_per_minute"].default, clock=Clock())
    # a device login costs two attempts: the device's and the browser's
    for _ in range(100):
        limiter.take("a")
