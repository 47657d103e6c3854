"""`weyl db migrate` and `weyl db check`, as releases before and after the database's meet them."""

import asyncio
import os
import subprocess

import pytest
from sqlalchemy import text
from tests.admin.machine import weyl
from tests.migrations.test_triggers import BEFORE_FILES

from weyl.kit.db import Database
from weyl.migrations import migrate, revisions

pytestmark = pytest.mark.system


async def run(db: Database, *words: str) -> tuple[int, str]:
    """Run a command on the database; returns its exit code and what it said."""
    done = await asyncio.to_thread(
        subprocess.run,
        weyl("db", *words),
        env={**os.environ, "WEYL_DATABASE_URL": db.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_database_of_the_release_before_is_told_what_it_lacks_and_gets_it(bare: Database) -> None:
    await migrate.upgrade(bare, BEFORE_FILES)
    code, said = await run(bare, "check")
    assert (code != 0, "run: weyl db migrate" in said) == (True, True)
    code, said = await run(bare, "migrate")
    assert (code, said.strip()) == (
        0,
        f"The schema is at {revisions.needed_revision()}, it was at {BEFORE_FILES};"
        " new triggers: accounting, failures, file_catalog, jobs, tasks",
    )
    code, said = await run(bare, "migrate")
    assert (code, said.strip()) == (0, f"The schema is at {revisions.needed_revision()}")
    assert (await run(bare, "check"))[0] == 0


@pytest.mark.parametrize(
    ("change", "word", "hint"),
    [
        ("hash = 'x', edition = edition - 1", "are not those of this release", "run: weyl db migrate"),
        ("hash = 'x', edition = edition + 1", "are newer than this release", "install the newer release"),
    ],
)
async def test_a_check_tells_triggers_of_an_older_and_of_a_newer_release_apart(
    db: Database, change: str, word: str, hint: str
) -> None:
    async with db.transaction() as tx:
        await tx.execute(text(f"UPDATE room_triggers SET {change} WHERE room = 'jobs'"))
    code, said = await run(db, "check")
    assert code != 0
    assert f"The triggers of jobs {word}" in said
    assert hint in said


async def test_a_release_does_nothing_to_a_newer_schema(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '0999_future'"))
    for command in ("migrate", "check"):
        code, said = await run(db, command)
        assert code != 0
        assert f"The schema is at 0999_future, newer than this release ({revisions.needed_revision()})" in said
        assert "install the newer release" in said


@pytest.mark.long
async def test_a_migration_waits_for_its_locks_as_long_as_the_page_says(bare: Database) -> None:
    """Longer than the client of any other program waits for an answer: 35 s."""
    await migrate.upgrade(bare, "0033_bounded_figures")
    async with bare.transaction() as tx:
        await tx.execute(text("LOCK TABLE browser_sessions IN ACCESS SHARE MODE"))
        migrating = asyncio.create_task(run(bare, "migrate"))
        done, _ = await asyncio.wait([migrating], timeout=45)
        assert done == set()
    code, said = await migrating
    assert code == 0, said
