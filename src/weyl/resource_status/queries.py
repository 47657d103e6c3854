"""SQL of resource status: all claims in one statement, and changes of many at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from weyl.config.status import StatusWord
from weyl.kit.db import Tx
from weyl.kit.sql import fetch_as
from weyl.resource_status.claims import Claim, Element
from weyl.resource_status.models import Kind
from weyl.resource_status.permits import Spokesman
from weyl.resource_status.tables import CLAIM_COLUMNS, status_claims, status_history, status_revision


class Change(TypedDict):
    """What was said of an element, or taken back."""

    change_id: int
    at: datetime
    action: str
    changed_by: str | None
    kind: str
    name: str
    access: str
    vo: str
    source: str
    status: str | None
    reason: str
    author: str
    set_at: datetime
    expires_at: datetime | None
    until: datetime | None
    force: bool


KEY = ("kind", "name", "access", "vo", "source")


async def raise_revision(tx: Tx) -> int:
    """Raise the number of the last change; whoever changes something else at the same time waits until we end."""
    statement = sa.update(status_revision).values(revision=status_revision.c.revision + 1)
    return int((await tx.execute(statement.returning(status_revision.c.revision))).scalar_one())


async def select_revision(tx: Tx) -> int:
    """Return the number of the last change."""
    return int((await tx.execute(sa.select(status_revision.c.revision))).scalar_one())


async def select_claims(tx: Tx, now: datetime) -> tuple[int, list[Claim]]:
    """Return the number of the last change, and the claims that have not expired, of one moment."""
    holds = sa.or_(status_claims.c.expires_at.is_(None), status_claims.c.expires_at > now)
    statement = sa.select(status_revision.c.revision, status_claims).select_from(
        status_revision.outerjoin(status_claims, holds)
    )
    rows = (await tx.execute(statement)).mappings().all()
    return int(rows[0]["revision"]), [_claim(dict(row)) for row in rows if row["kind"] is not None]


async def put_claims(tx: Tx, permit: Spokesman, claims: Sequence[Claim]) -> None:
    """Store claims in place of earlier ones from the same source, and write them into the history."""
    assert all(map(permit.covers, claims)), "only what was permitted"
    rows = [_row(claim) for claim in claims]
    made = insert(status_claims)
    changed = {name: made.excluded[name] for name in CLAIM_COLUMNS if name not in KEY}
    await tx.execute(made.on_conflict_do_update(index_elements=KEY, set_=changed), rows)
    history = [{**row, "at": row["set_at"], "action": "set", "changed_by": permit.author} for row in rows]
    await tx.execute(sa.insert(status_history), history)


async def delete_claims(tx: Tx, permit: Spokesman, source: str, *, now: datetime) -> list[tuple[Element, str]]:
    """Take back the claims from a source about what was permitted; returns those that there were."""
    keys = [(element.kind.value, element.name, element.access, vo, source) for element, vo in permit.places]
    key = sa.tuple_(*(status_claims.c[name] for name in KEY))
    gone = (await tx.execute(sa.delete(status_claims).where(key.in_(keys)).returning(status_claims))).mappings().all()
    if gone:
        stamp = {"at": now, "action": "released", "changed_by": permit.author}
        await tx.execute(sa.insert(status_history), [{**row, **stamp} for row in gone])
    return [(_element(dict(row)), row["vo"]) for row in gone]


async def delete_expired(tx: Tx, before: datetime) -> None:
    """Forget claims that ended long ago; the history keeps them."""
    await tx.execute(sa.delete(status_claims).where(status_claims.c.expires_at < before))


async def delete_history(tx: Tx, before: datetime) -> None:
    """Forget changes that nobody will ask about any more."""
    await tx.execute(sa.delete(status_history).where(status_history.c.at < before))


async def select_history(
    tx: Tx, *, kind: Kind, name: str, vos: Sequence[str], since: datetime, limit: int
) -> list[Change]:
    """Return what was said of an element for some VOs and taken back, the latest first."""
    table = status_history.c
    statement = (
        sa.select(status_history)
        .where(table.kind == kind.value, table.name == name, table.vo.in_(vos), table.at >= since)
        .order_by(table.at.desc(), table.change_id.desc())
        .limit(limit)
    )
    return await fetch_as(tx, Change, statement)


def _row(claim: Claim) -> dict[str, Any]:
    element = {"kind": claim.element.kind.value, "name": claim.element.name, "access": claim.element.access}
    rest = {name: getattr(claim, name) for name in CLAIM_COLUMNS if name not in element}
    return {**element, **rest}


def _element(row: Mapping[str, Any]) -> Element:
    return Element(Kind(row["kind"]), row["name"], row["access"])


def _claim(row: Mapping[str, Any]) -> Claim:
    return Claim(
        _element(row),
        vo=row["vo"],
        source=row["source"],
        status=None if row["status"] is None else StatusWord(row["status"]),
        reason=row["reason"],
        author=row["author"],
        set_at=row["set_at"],
        expires_at=row["expires_at"],
        until=row["until"],
        force=row["force"],
    )
