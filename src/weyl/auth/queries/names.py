"""Whose a user name is."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from weyl.auth.tables import user_names
from weyl.kit.db import Tx


async def select_holder(tx: Tx, vo: str, name: str) -> str | None:
    """Return the subject of the person who has a name; nothing if nobody has logged in with it yet."""
    statement = select(user_names.c.subject).where(user_names.c.vo == vo, user_names.c.name == name)
    holder: str | None = await tx.scalar(statement)
    return holder


async def take_name(tx: Tx, vo: str, name: str, *, subject: str, predecessors: Collection[str], now: datetime) -> bool:
    """Give a free name, or that of a predecessor, to a person; tells whether they have it now."""
    statement = insert(user_names).values(vo=vo, name=name, subject=subject, since=now)
    held_by = user_names.c.subject
    done = await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["vo", "name"],
            set_={"subject": statement.excluded.subject, "since": statement.excluded.since},
            where=or_(held_by == subject, held_by.in_(predecessors)),
        ).returning(held_by)
    )
    return done.first() is not None
