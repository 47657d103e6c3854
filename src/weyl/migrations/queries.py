"""All SQL of what is applied beside the revisions."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from weyl.kit.db import Tx, driver_connection
from weyl.migrations.tables import room_triggers
from weyl.migrations.triggers import Applied, TriggerFile

# A script may wait for the locks of several tables, each for as long as `lock_timeout` allows.
SCRIPT_TIMEOUT_S = 3_600.0


async def select_applied(tx: Tx) -> dict[str, Applied]:
    """Return which file of each room the database has; it must have the table."""
    rows = await tx.execute(sa.select(room_triggers.c.room, room_triggers.c.edition, room_triggers.c.hash))
    return {room: Applied(edition, hash_) for room, edition, hash_ in rows}


async def apply_file(tx: Tx, file: TriggerFile) -> None:
    """Run the script of a room, and note which it was."""
    connection = await driver_connection(tx)
    await connection.execute(file.script, timeout=SCRIPT_TIMEOUT_S)
    values = {"edition": file.edition, "hash": file.hash, "applied_at": sa.func.now()}
    statement = insert(room_triggers).values(room=file.room, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["room"], set_=values))


async def forget_applied(tx: Tx) -> None:
    """Let the next migration apply every file."""
    await tx.execute(sa.delete(room_triggers))
