"""SQL of what groups and owners have used of the resources, which decays with time."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Used(NamedTuple):
    """What an owner had used at a time."""

    vo: str
    owner_group: str
    owner: str
    usage: float
    at: datetime


# After so many half-lives usage counts for nothing, and PostgreSQL refuses powers that are too small for a double.
_DECAYED = """
    least(s.usage, 1e30) * power(0.5, least(200, greatest(extract(epoch FROM excluded.at - s.at), 0) / (
      SELECT half_life FROM unnest(:lived_vos::text[], :half_lives::float8[]) AS h(vo, half_life)
      WHERE h.vo = s.vo LIMIT 1)))
"""
_WRITE_USAGE = """
    INSERT INTO share_usage AS s (vo, owner_group, owner, usage, at)
    SELECT vo, owner_group, owner, least(usage, 1e30), :now
    FROM unnest(:vos::text[], :groups::text[], :owners::text[], :usages::float8[])
      AS u(vo, owner_group, owner, usage)
    ORDER BY vo, owner_group, owner
    ON CONFLICT (vo, owner_group, owner) DO UPDATE SET at = greatest(s.at, excluded.at),
"""
_ADD_USAGE = Sql(f"{_WRITE_USAGE} usage = greatest({_DECAYED} + excluded.usage, 0)")
_RAISE_USAGE = Sql(f"{_WRITE_USAGE} usage = greatest({_DECAYED}, excluded.usage)")
_SELECT_USAGE = Sql(
    "SELECT vo, owner_group, owner, usage, at FROM share_usage WHERE :since::timestamptz IS NULL OR at >= :since", Used
)


async def add_usage(
    tx: Tx, charged: Mapping[tuple[str, str, str], float], *, half_lives: Mapping[str, float], now: datetime
) -> None:
    """Add to the usage of (VO, group, owner); what is there has decayed until now."""
    await _ADD_USAGE.run(tx, **_columns(charged, half_lives), now=now)


async def raise_usage(
    tx: Tx, totals: Mapping[tuple[str, str, str], float], *, half_lives: Mapping[str, float], now: datetime
) -> None:
    """Let usage be no less than these totals: processes that say the same do not add up."""
    await _RAISE_USAGE.run(tx, **_columns(totals, half_lives), now=now)


async def select_usage(tx: Tx, *, since: datetime | None) -> list[Used]:
    """Return usage, of those only to whom something was added since a time if one is given."""
    return await _SELECT_USAGE.rows(tx, since=since)


def _columns(usage: Mapping[tuple[str, str, str], float], half_lives: Mapping[str, float]) -> dict[str, list[object]]:
    return {
        "vos": [vo for vo, _, _ in usage],
        "groups": [group for _, group, _ in usage],
        "owners": [owner for *_, owner in usage],
        "usages": list(usage.values()),
        "lived_vos": list(half_lives),
        "half_lives": list(half_lives.values()),
    }
