"""Where suites keep what lives for a minute: in memory where there is room, and with a database that is ready."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from weyl.demo.idp import USERS
from weyl.demo.postgres import start_postgres
from weyl.demo.stack import remove_directory
from weyl.kit.db import Database
from weyl.migrations import migrate

MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4 * 1024**3
PASSWORDS = {user.name: user.name for user in USERS}
"""What the users of the suites log in with at their identity provider."""


def memory() -> Path | None:
    """Return a directory in memory in which programs may run; None where there is no such place, or no room.

    Each database is some 700 files that live for a second. Before ext4 makes a file it looks at every inode that it
    freed within the last five seconds, and so took as much time for that as the tests took for everything else.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MEMORY_BYTES_MIN:
        return None
    return None if os.statvfs(MEMORY).f_flag & os.ST_NOEXEC else MEMORY


@contextmanager
def stack_directory(prefix: str, *, known_passwords: bool = True) -> Iterator[Path]:
    """Make the directory of a stack for the length of the block; its database has every migration applied.

    Not pytest's own directory: paths of sockets are short, and PostgreSQL's account must be able to pass.
    `known_passwords` says that its users have the passwords of the suites, in place of ones made at the first start.
    """
    directory = _new_directory(prefix)
    try:
        _furnish(directory / "pg")
        if known_passwords:
            write_passwords(directory / "secrets" / "passwords.json")
        yield directory
    finally:
        remove_directory(directory)


def write_passwords(file: Path) -> Path:
    """Write the passwords of the suites into a file for the identity provider; returns it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(json.dumps(PASSWORDS))
    return file


def forget() -> None:
    """Remove what the stacks of this process have copied."""
    if _prepared.cache_info().currsize:
        remove_directory(_prepared().parent)
        _prepared.cache_clear()


def _new_directory(prefix: str) -> Path:
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=memory()))
    directory.chmod(0o755)
    return directory


@cache
def _prepared() -> Path:
    """Make a database once a process: to copy it takes a tenth of the time."""
    directory = _new_directory("weyl-p-") / "pg"
    with start_postgres(directory) as running, ThreadPoolExecutor(1) as pool:
        # In a thread of its own: this one may have an event loop.
        pool.submit(asyncio.run, _migrate(running.url)).result()
    return directory


async def _migrate(url: str) -> None:
    db = Database(url, pool_size=1)
    await migrate.upgrade(db)
    await db.close()


def _furnish(directory: Path) -> None:
    prepared = _prepared()
    directory.mkdir(mode=0o711)
    for programs in prepared.glob("programs-*"):
        (directory / programs.name).symlink_to(programs)
    subprocess.run(["cp", "-a", prepared / "data", prepared / "password", directory], check=True)
