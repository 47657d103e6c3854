"""How many attempts to log in an address has, in all server processes together."""

from datetime import timedelta

from weyl.auth.queries import flows as queries
from weyl.auth.rates import PERIOD_S, network_of, too_many
from weyl.auth.service.authority import Authority
from weyl.kit.db import Tx

SLOTS = 1 << 16
"""Addresses that are told apart. Two share a slot, and so their attempts, about as often as two people a birthday in
180 years; nobody can choose whom to share one with, since the hash has a key."""


async def admit(tx: Tx, authority: Authority, address: str) -> None:
    """Count one attempt of `address`, or raise `TooManyLogins` saying when to come back."""
    authority.limiter.take(address)
    slot = int(authority.sealer.hashes(f"address {network_of(address)}")[0], 16) % SLOTS
    period = timedelta(seconds=PERIOD_S)
    every = period / authority.settings.logins_per_minute
    wait_s = await queries.take_attempt(tx, slot, every=every, period=period)
    if wait_s is not None:
        raise too_many(wait_s)
