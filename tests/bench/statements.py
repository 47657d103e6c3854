"""Counts what PostgreSQL is told of for one act, by its own log."""

import time
from collections.abc import Callable
from pathlib import Path

import asyncpg

from weyl.kit.db import libpq_dsn

TIMES = 5
QUIET_S = 2.0


async def log_statements(url: str) -> None:
    """Let the server log every statement from now on."""
    await _set(url, "ALTER SYSTEM SET log_statement = 'all'")


async def log_no_statements(url: str) -> None:
    """Let it log none any more."""
    await _set(url, "ALTER SYSTEM RESET log_statement")


def statements(log: Path, act: Callable[[], object]) -> int:
    """Count the statements of an act, the least of some times: what others send meanwhile is not the act's."""
    counted = []
    for _ in range(TIMES):
        time.sleep(QUIET_S)
        before = log.stat().st_size
        act()
        said = log.read_bytes()[before:].decode(errors="replace")
        counted.append(sum(_is_statement(line) for line in said.splitlines()))
    return min(counted)


def _is_statement(line: str) -> bool:
    told = line.partition("execute ")[2].partition(": ")[2] or line.partition("statement: ")[2]
    return bool(told) and not told.startswith(("BEGIN", "COMMIT", "ROLLBACK"))


async def _set(url: str, statement: str) -> None:
    connection = await asyncpg.connect(libpq_dsn(url))
    await connection.execute(statement)
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
