"""The rooms' triggers: what their files make is what a migrated database has, whatever it was before."""

from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application

from weyl.jobs.states import ACTIVE, SCOUTING, JobStatus
from weyl.kit.db import Database, Tx, driver_connection
from weyl.migrations import migrate, revisions
from weyl.migrations.triggers import Applied, TriggerFile, missing, outdated, read_file, trigger_files
from weyl.task_queues.queries.limits import LIMITS_LOCK

# The last revision that made triggers itself.
BEFORE_FILES = "0034_logins"
# The files that releases have had, by room, the first edition first. Who changes one raises the number in its first
# line and adds its hash here; one that no release has had yet may be replaced.
EDITIONS = {
    "accounting": ["dfc1cbcf001b1aaf1718dc761400f420a65521fc119fb688b2866485d3fa695e"],
    "failures": ["4e84607de518828b600e97d7c3737118f91a4b52c6852473f60577df2eef07a0"],
    "file_catalog": ["261bf358f0fb2219260595c86fda19a7e7f6d01dcf732772f8b525a5c4c56b51"],
    "jobs": ["4eec5ddde464a3ece00f574521e7aecdf2abc1fbd64f14992a89afe930ca7c2a"],
    "tasks": ["06b0c4ac076a939250a76a05a4ebddc2d9bdfb7166d51a209c1567933551f075"],
}
# The engine makes its own.
_FUNCTIONS = """
SELECT CAST(oid::regprocedure AS text) AS name, pg_get_functiondef(oid) AS definition FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proname <> 'fn_pgqueuer_changed'
"""
_TRIGGERS = """
SELECT tgname || ' ON ' || CAST(tgrelid::regclass AS text) AS name, pg_get_triggerdef(oid) AS definition FROM pg_trigger
WHERE NOT tgisinternal AND tgname <> 'tg_pgqueuer_changed'
"""


async def catalogue(tx: Tx) -> dict[str, str]:
    """Return what the database says of its functions and triggers."""
    found: dict[str, str] = {}
    for statement in (_FUNCTIONS, _TRIGGERS):
        found |= {row.name: row.definition for row in await tx.execute(text(statement))}
    return found


async def made_by_files(tx: Tx) -> dict[str, str]:
    """Return what the catalogue says when the files alone have made what is in it."""
    for row in (await tx.execute(text(_FUNCTIONS))).all():
        await tx.execute(text(f"DROP FUNCTION {row.name} CASCADE"))
    assert await catalogue(tx) == {}
    for file in trigger_files():
        await (await driver_connection(tx)).execute(file.script)
    return await catalogue(tx)


async def applied(db: Database) -> dict[str, Any]:
    async with db.read() as tx:
        return {row.room: row for row in await tx.execute(text("SELECT * FROM room_triggers"))}


async def execute(db: Database, *statements: str) -> None:
    async with db.transaction() as tx:
        for statement in statements:
            await tx.execute(text(statement))


async def test_a_migrated_database_has_what_the_files_make_and_nothing_else(tx: Tx) -> None:
    migrated = await catalogue(tx)
    assert len(migrated) > 20
    assert await made_by_files(tx) == migrated


async def test_a_database_of_the_last_revision_gets_what_an_empty_one_gets(bare: Database, db: Database) -> None:
    await migrate.upgrade(bare, BEFORE_FILES)
    async with bare.read() as tx:
        before = await catalogue(tx)
    assert await migrate.upgrade(bare) == sorted(EDITIONS)
    async with bare.read() as upgraded, db.read() as new:
        after = await catalogue(upgraded)
        assert after == await catalogue(new)
    assert before.keys() <= after.keys()


async def test_going_back_and_up_again_ends_where_it_began(bare: Database, db: Database) -> None:
    await migrate.upgrade(bare)
    await migrate.downgrade(bare, BEFORE_FILES)
    async with bare.read() as tx:
        left = await catalogue(tx)
    await migrate.upgrade(bare)
    async with bare.read() as again, db.read() as new:
        assert await catalogue(again) == await catalogue(new)
    assert "job_is_active(text)" not in left
    assert "job_is_active" not in "".join(left.values())


async def test_only_files_that_have_changed_are_applied(db: Database) -> None:
    async with db.read() as tx:
        before = await catalogue(tx)
    assert await migrate.upgrade(db) == []
    times = {room: row.applied_at for room, row in (await applied(db)).items()}
    await execute(
        db,
        "CREATE OR REPLACE FUNCTION job_is_active(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'",
        "UPDATE room_triggers SET hash = 'of the release before', edition = edition - 1 WHERE room = 'jobs'",
    )
    assert await migrate.upgrade(db) == ["jobs"]
    async with db.read() as tx:
        assert await catalogue(tx) == before
    after = await applied(db)
    assert {room for room, row in after.items() if row.applied_at != times[room]} == {"jobs"}
    assert {room: (row.edition, row.hash) for room, row in after.items()} == {
        file.room: (file.edition, file.hash) for file in trigger_files()
    }


async def test_a_release_leaves_the_triggers_of_a_newer_one_alone(start_application: Any, db: Database) -> None:
    """A replica of the release before that starts again must not put its own back."""
    newer = (
        "CREATE OR REPLACE FUNCTION job_is_active(status text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'"
    )
    await execute(db, newer, "UPDATE room_triggers SET hash = 'newer', edition = edition + 1 WHERE room = 'jobs'")
    async with db.read() as tx:
        before = await catalogue(tx)
    assert await migrate.upgrade(db) == []
    async with db.read() as tx:
        assert await catalogue(tx) == before
    application: Application = await start_application()
    answer = await application.client.get("/api/health/ready")
    assert answer.status_code == 200
    [warning] = answer.json()["warnings"]["schema"]
    assert warning == "The triggers of jobs are newer than this release: upgrade this server"


async def test_a_server_is_not_ready_before_its_triggers_are_applied(start_application: Any, db: Database) -> None:
    application: Application = await start_application()
    assert (await application.client.get("/api/health/ready")).json() == {"status": "ready"}
    await execute(db, "UPDATE room_triggers SET hash = 'older', edition = edition - 1 WHERE room = 'jobs'")
    answer = await application.client.get("/api/health/ready")
    assert answer.status_code == 503
    assert "The triggers of jobs are not those of this release: run weyl db migrate" in answer.text


async def test_a_file_that_fails_takes_the_revisions_back_with_it(bare: Database) -> None:
    await migrate.upgrade(bare, BEFORE_FILES)
    await execute(bare, "CREATE FUNCTION job_is_active(status text) RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    with pytest.raises(Exception, match="cannot change return type"):
        await migrate.upgrade(bare)
    assert await revisions.current_revision(bare) == BEFORE_FILES
    await execute(bare, "DROP FUNCTION job_is_active(text)")
    assert await migrate.upgrade(bare) == sorted(EDITIONS)


async def test_active_is_the_same_in_sql_and_in_python(tx: Tx) -> None:
    statuses = [*JobStatus, SCOUTING]
    rows = await tx.execute(
        text("SELECT s FROM unnest(CAST(:statuses AS text[])) AS s WHERE job_is_active(s)"), {"statuses": statuses}
    )
    assert set(rows.scalars()) == ACTIVE


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("pilot_stamp = ANY('{a,b}')", "ix_jobs_pilot_stamp_live"),
        ("heart_beat_time < now()", "ix_jobs_heart_beat_time_live"),
        ("allocated ->> 'host' = 'a'", "ix_jobs_host_live"),
    ],
)
async def test_an_index_of_active_jobs_serves_the_function(tx: Tx, condition: str, index: str) -> None:
    await tx.execute(text("SET LOCAL enable_seqscan = off"))
    plan = await tx.execute(text(f"EXPLAIN SELECT job_id FROM jobs WHERE {condition} AND job_is_active(status)"))
    assert index in "\n".join(plan.scalars())


def test_the_lock_of_limits_has_one_number() -> None:
    [script] = [file.script for file in trigger_files() if file.room == "jobs"]
    assert script.count("advisory") == script.count(f"pg_advisory_xact_lock_shared({LIMITS_LOCK})") == 3


def test_every_change_of_a_file_raises_its_edition() -> None:
    assert {file.room: (file.edition, file.hash) for file in trigger_files()} == {
        room: (len(hashes), hashes[-1]) for room, hashes in EDITIONS.items()
    }, "raise the edition in the first line of the file, and add its hash to EDITIONS"


def test_an_edition_is_never_replaced_by_an_older_one() -> None:
    file = TriggerFile("jobs", 2, "x")
    same, edited = Applied(2, file.hash), Applied(2, "y")
    older, newer = Applied(1, "y"), Applied(3, "y")
    assert [missing([file], found) for found in ({}, {"jobs": older}, {"jobs": edited})] == [[file]] * 3
    assert [missing([file], found) for found in ({"jobs": same}, {"jobs": newer}, {"jobs": newer, "x": older})] == [
        []
    ] * 3
    assert [outdated([file], {"jobs": found}) for found in (older, edited, same, newer)] == [[], [], [], [file]]
    assert outdated([file], {}) == []


def test_a_file_must_say_which_edition_it_is() -> None:
    assert read_file("jobs", "-- Edition 12\nSELECT 1").edition == 12
    with pytest.raises(ValueError, match=r"jobs/triggers.sql must begin with its edition"):
        read_file("jobs", "SELECT 1")
