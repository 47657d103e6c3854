"""SQL of what the compiler has said of documents."""

from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class CompilationKey(NamedTuple):
    """What was compiled: a bundle from one of its processes, by one edition of the compiler."""

    bundle_id: bytes
    fragment: str
    compiler: str


class CompilationRow(NamedTuple):
    """What the compiler has said, as JSON texts."""

    result: str
    problems: str
    is_sound: bool
    """False: the document has errors, and is looked at again in an hour."""
    at: datetime


_SELECT = Sql(
    """
    SELECT CAST(result AS text) AS result, CAST(problems AS text) AS problems, is_sound, at
    FROM workflow_compilations
    WHERE bundle_id = :bundle_id AND fragment = :fragment AND compiler = :compiler
    """,
    CompilationRow,
)


async def select_compilation(tx: Tx, key: CompilationKey) -> CompilationRow | None:
    """Return what was kept of a compilation."""
    return await _SELECT.first(tx, **key._asdict())


_UPSERT = Sql(
    """
    INSERT INTO workflow_compilations (bundle_id, fragment, compiler, result, problems, is_sound, at)
    VALUES (
      :bundle_id, :fragment, :compiler,
      CAST(CAST(:result AS text) AS json), CAST(CAST(:problems AS text) AS json), :is_sound, :at
    )
    ON CONFLICT (bundle_id, fragment, compiler) DO UPDATE
      SET result = excluded.result, problems = excluded.problems, is_sound = excluded.is_sound, at = excluded.at
    """
)


async def upsert_compilation(tx: Tx, key: CompilationKey, row: CompilationRow) -> None:
    """Keep what the compiler has said."""
    await _UPSERT.run(tx, **key._asdict(), **row._asdict())
