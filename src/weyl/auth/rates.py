"""How often one address may try: a bucket of tokens per address, kept in memory, and what all processes count."""

import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from cachetools import LRUCache

from weyl.auth.errors import TooManyLogins

ADDRESSES_MAX = 20_000
PERIOD_S = 60


def network_of(address: str) -> str:
    """Returns whom an address counts for: who has one IPv6 address usually has 2**64 of them."""
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False))


def too_many(wait_s: float) -> TooManyLogins:
    """Returns the refusal that says when to come back."""
    whole_s = max(1, math.ceil(wait_s))
    return TooManyLogins(f"Too many attempts from your address: wait {whole_s} s", retry_after_s=whole_s)


class AttemptLimiter:
    """Allows `per_minute` attempts at once and refills evenly.

    It stands before the count that all server processes share: what one process refuses by itself costs the database
    nothing, so that whoever floods the login from one address loads nobody else's installation with it.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(ADDRESSES_MAX)

    def take(self, address: str) -> None:
        """Count one attempt of `address`, or raise `TooManyLogins` saying when to come back."""
        now = self._clock()
        address = network_of(address)
        level, since = self._buckets.get(address, (float(self._per_minute), now))
        level = min(float(self._per_minute), level + (now - since) * self._per_minute / PERIOD_S)
        if level < 1:
            raise too_many((1 - level) * PERIOD_S / self._per_minute)
        self._buckets[address] = (level - 1, now)
