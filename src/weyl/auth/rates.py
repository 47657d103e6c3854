"""How often one address may try: a bucket of tokens per address, kept in memory."""

import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from cachetools import LRUCache

from weyl.auth.errors import TooManyLogins

ADDRESSES_MAX = 20_000


def network_of(address: str) -> str:
    """Returns whom an address counts for: who has one IPv6 address usually has 2**64 of them."""
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False))


class AttemptLimiter:
    """Allows `per_minute` attempts at once and refills evenly.

    Each server process counts for itself: an installation with four processes allows up to four times as many. A row
    in the database per attempt would be exact, and would let whoever attacks the login load the database of all.
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
        level = min(float(self._per_minute), level + (now - since) * self._per_minute / 60)
        if level < 1:
            wait_s = math.ceil((1 - level) * 60 / self._per_minute)
            raise TooManyLogins(f"Too many attempts from your address: wait {wait_s} s", retry_after_s=wait_s)
        self._buckets[address] = (level - 1, now)
