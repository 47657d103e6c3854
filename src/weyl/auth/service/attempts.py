"""How many attempts to log in an address has, in all server processes together."""

from datetime import timedelta

from weyl.auth.queries import flows as queries
from weyl.auth.rates import PERIOD_S, network_of, too_many
from weyl.auth.service.authority import Authority
from weyl.kit.db import Tx

SLOTS = 1 << 20
"""Addresses that are told apart. Of a hundred that log in at once two share a slot, and so their attempts, once in two
hundred times; nobody can choose whom to share one with, since the hash has a key. All slots take 121 MB of disk."""


def slot_of(authority: Authority, address: str) -> int:
    """Return where the attempts of `address`, or of its network, are counted."""
    return int(authority.sealer.hashes(f"address {network_of(address)}")[0], 16) % SLOTS


async def admit(tx: Tx, authority: Authority, address: str) -> None:
    """Count one attempt of `address`, or raise `TooManyLogins` saying when to come back."""
    authority.limiter.take(address)
    period = timedelta(seconds=PERIOD_S)
    every = period / authority.settings.logins_per_minute
    wait_s = await queries.take_attempt(tx, slot_of(authority, address), every=every, period=period)
    if wait_s is not None:
        raise too_many(wait_s)
