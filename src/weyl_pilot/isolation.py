"""How a payload is fenced in: which walls this machine can build, and the command line that builds them.

A payload must never read what the pilot knows. The strongest wall that works is taken:
`namespace` (bubblewrap: read-only system, its own /tmp and process table, of all files only its own directory),
`user` (as root without bubblewrap: another user id for each job) and `clean` (an environment without secrets).
"""

from __future__ import annotations

import contextlib
import logging
import os
import pkgutil
import pwd
import shutil
import stat
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from weyl_pilot.uids import NoFreeUid, Uids

log = logging.getLogger("weyl_pilot.isolation")

ALWAYS_HIDDEN = ("/home", "/root", "/run", "/mnt", "/media")
TOKEN_FILE = "token"
# Where a payload finds its things behind a namespace. The way to the real directories may be closed to its user, and
# says more about the machine than it needs to know; /run is an empty directory there.
INSIDE_RUN, INSIDE_TOKENS, INSIDE_ENGINE = "/run/weyl/job", "/run/weyl/token", "/run/weyl/engine"
PROBE_TIMEOUT_S, APART_TIMEOUT_S = 20, 180


@dataclass(frozen=True)
class Cell:
    """The directories of one job; `run` is where the payload starts."""

    run: Path
    tmp: Path
    token: Path
    uid: Optional[int] = None
    devices: Tuple[str, ...] = ()
    """Devices that the payload may use beside the harmless ones."""
    fixed: Tuple[str, ...] = ()
    """Names in `run` that a namespace shows read-only."""
    engine: Optional[Path] = None
    """The unpacked engine of a CWL job."""

    @classmethod
    def below(cls, directory: Path, uid: Optional[int] = None) -> Cell:
        """The usual names in a job's directory."""
        return cls(directory / "run", directory / "tmp", directory / "token", uid)

    def directories(self) -> Tuple[Path, Path, Path]:
        """All that belongs to the payload."""
        return self.run, self.tmp, self.token


@dataclass(frozen=True)
class Walls:
    """What the command line is built from, found out once at the start of the pilot."""

    level: str
    pilot_dir: Path
    hidden: Tuple[str, ...] = ()
    software: Tuple[str, ...] = ()
    bwrap: Optional[str] = None
    setpriv: Optional[str] = None
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)

    @property
    def needs_uid(self) -> bool:
        """Whether every payload runs under a user id of its own, and not under the pilot's."""
        return self.is_root and self.level != "clean"

    def token_path(self, cell: Cell) -> str:
        """Where the payload finds its job token."""
        return INSIDE_TOKENS + "/" + TOKEN_FILE if self.level == "namespace" else str(cell.token / TOKEN_FILE)

    def run_path(self, cell: Cell) -> str:
        """What the payload's own directory is called where the payload runs."""
        return INSIDE_RUN if self.level == "namespace" else str(cell.run)

    def tmp_path(self, cell: Cell) -> str:
        """Where the payload may put temporary files."""
        return "/tmp" if self.level == "namespace" else str(cell.tmp)

    def engine_path(self, directory: Path) -> str:
        """What an unpacked engine is called where the payload runs."""
        return INSIDE_ENGINE if self.level == "namespace" else str(directory)

    def command(self, cell: Cell, command: Sequence[str]) -> List[str]:
        """Wraps the payload's command; whoever kills the pilot kills what this starts."""
        if self.level == "namespace":
            assert self.bwrap is not None
            return [self.bwrap, *self._namespace(cell), "--", *self._drop(cell), *command]
        source = pkgutil.get_data("weyl_pilot", "keeper.py")
        assert source is not None
        uid = "-" if cell.uid is None else str(cell.uid)
        return [sys.executable, "-I", "-c", source.decode(), uid, uid, str(cell.run), *command]

    def _namespace(self, cell: Cell) -> List[str]:
        arguments = ["--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        arguments += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        for device in cell.devices:
            arguments += ["--dev-bind-try", device, device]
        for place in ("/tmp", "/var/tmp"):
            if os.path.isdir(place) and not os.path.islink(place):
                arguments += ["--bind", str(cell.tmp), place]
        masks = outermost([*self.hidden, str(self.pilot_dir)])
        for mask in masks:
            arguments += ["--tmpfs", mask]
        private = [*masks, "/tmp", "/var/tmp"]
        for path in self.software:
            if os.path.exists(path) and is_below(path, private):
                arguments += [*_way_to(path, private), "--ro-bind", path, path]
        arguments += _name_service(masks)
        arguments += [*_way_to(INSIDE_RUN, masks), "--bind", str(cell.run), INSIDE_RUN]
        for name in cell.fixed:
            arguments += ["--ro-bind", str(cell.run / name), INSIDE_RUN + "/" + name]
        arguments += ["--ro-bind", str(cell.token), INSIDE_TOKENS]
        if cell.engine is not None:
            arguments += ["--ro-bind", str(cell.engine), INSIDE_ENGINE]
        for mask in masks:
            arguments += ["--remount-ro", mask]
        return [*arguments, "--chdir", INSIDE_RUN]

    def _drop(self, cell: Cell) -> List[str]:
        if cell.uid is None:
            return []
        assert self.setpriv is not None
        uid = str(cell.uid)
        drop = ["--reuid", uid, "--regid", uid, "--clear-groups", "--no-new-privs"]
        return [self.setpriv, *drop, "--inh-caps=-all", "--bounding-set=-all", "--"]


def find_walls(
    level: str, pilot_dir: Path, *, hide: Iterable[str], software: Iterable[str], scratch: Path, uids: Uids
) -> Walls:
    """Takes the strongest level that works here, or checks the one that was asked for.

    Root falls back to another user, never to payloads that run as root, unless it was told so.
    """
    base = Walls(
        level="clean",
        pilot_dir=Path(os.path.realpath(pilot_dir)),
        hidden=hidden_paths(hide),
        software=with_their_base(software),
        bwrap=shutil.which("bwrap"),
        setpriv=shutil.which("setpriv"),
    )
    levels = ("namespace", "user") if base.is_root else ("namespace", "clean")
    wanted = levels if level == "auto" else (level,)
    for name in wanted:
        walls = replace(base, level=name)
        trouble = _trouble(walls, scratch, uids)
        if trouble is None:
            return walls
        log.warning("isolation level %r does not work here: %s", name, trouble)
    raise IsolationUnavailable("payloads cannot be isolated on this machine: tried %s" % ", ".join(wanted))


class IsolationUnavailable(Exception):
    """Payloads cannot be run here as the pilot was told to."""


def _trouble(walls: Walls, scratch: Path, uids: Uids) -> Optional[str]:
    if walls.level == "namespace" and walls.bwrap is None:
        return "bubblewrap is not installed"
    if walls.level == "namespace" and walls.is_root and walls.setpriv is None:
        return "setpriv is not installed, and a payload must not run as root"
    if walls.level == "user" and not walls.is_root:
        return "only root can run payloads as another user"
    return try_walls(walls, scratch, uids)


def try_walls(walls: Walls, scratch: Path, uids: Uids) -> Optional[str]:
    """Runs a small command behind the walls; returns what is wrong with them."""
    secret = scratch / "probe-secret"
    try:
        with _probe_cell(walls, scratch / "probe", uids) as cell:
            prepare(cell)
            hand_over(cell)
            write_private(secret, b"not for the payload")
            write_token(cell, "probe")
            return _run_probe(walls, cell, secret)
    except (NoFreeUid, OSError, subprocess.SubprocessError) as error:
        return str(error)
    finally:
        if secret.exists():
            secret.unlink()


def run_apart(
    walls: Walls, command: Sequence[str], *, engine: Optional[Path], scratch: Path, uids: Uids, path: str
) -> "subprocess.CompletedProcess[bytes]":
    """Runs a small command behind the walls in a cell of its own; raises OSError, SubprocessError or NoFreeUid."""
    with _probe_cell(walls, scratch / ("apart-%d" % threading.get_ident()), uids) as cell:
        prepare(cell)
        hand_over(cell)
        return subprocess.run(
            walls.command(replace(cell, engine=engine), command),
            env={"PATH": path, "LANG": "C.UTF-8", "HOME": walls.run_path(cell), "TMPDIR": walls.tmp_path(cell)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=APART_TIMEOUT_S,
            check=False,
        )


@contextlib.contextmanager
def _probe_cell(walls: Walls, directory: Path, uids: Uids) -> Iterator[Cell]:
    lease = uids.lease(directory) if walls.needs_uid else None
    try:
        yield Cell.below(directory, None if lease is None else lease.uid)
    finally:
        remove_tree(directory)
        if lease is not None:
            lease.give_back()


def _run_probe(walls: Walls, cell: Cell, secret: Path) -> Optional[str]:
    script = 'cd "$3" && cat "$1" >/dev/null && : >written && if cat "$2" >/dev/null 2>&1; then exit 7; fi'
    command = ["/bin/sh", "-c", script, "sh", walls.token_path(cell), str(secret), walls.run_path(cell)]
    done = subprocess.run(
        walls.command(cell, command),
        env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PROBE_TIMEOUT_S,
        check=False,
    )
    if done.returncode == 7 and walls.level == "clean":
        return None  # the last resort: same user, so only the environment is clean
    return None if done.returncode == 0 else "exit %d %s" % (done.returncode, done.stdout.decode("utf-8", "replace"))


def prepare(cell: Cell) -> None:
    """Makes a job's directories; the way to them can be walked, but not listed, by the payload's user."""
    top = cell.run.parent
    top.mkdir(parents=True, exist_ok=True)
    top.chmod(0o711 if cell.uid is not None else 0o700)
    for directory in cell.directories():
        directory.mkdir(exist_ok=True)
        directory.chmod(0o700)
    if cell.uid is not None:
        cell.token.chmod(0o711)


def hand_over(cell: Cell) -> None:
    """Makes the payload's user own what it may change; without another user there is nothing to do.

    The token's directory stays ours: in one of its own, a payload could put something else where we write the next.
    """
    if cell.uid is None:
        return
    for directory in cell.directories():
        for parent, directories, files in os.walk(str(directory)):
            for name in [*directories, *files]:
                os.lchown(os.path.join(parent, name), cell.uid, cell.uid)
    for directory in (cell.run, cell.tmp):
        os.lchown(str(directory), cell.uid, cell.uid)


def write_token(cell: Cell, token: str) -> None:
    """Puts the job token where the payload may read it, in one step so that it is never seen half written."""
    fresh = cell.token / ".token"
    write_private(fresh, token.encode(), uid=cell.uid)
    os.replace(str(fresh), str(cell.token / TOKEN_FILE))


def write_private(path: Path, content: bytes, *, uid: Optional[int] = None) -> None:
    """Writes a file that only its owner can read, from its first moment on."""
    if path.exists() or path.is_symlink():
        path.unlink()
    descriptor = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        if uid is not None:
            # By descriptor: what a path means can change between two calls.
            os.fchown(descriptor, uid, uid)
        stream.write(content)


def remove_tree(directory: Path) -> None:
    """Removes a job's directory, also what its payload locked against itself.

    Root needs no permission, and gives none: a payload of another job may put a link in the place of a directory.
    """
    for parent, directories, _ in os.walk(str(directory)) if os.geteuid() != 0 else ():
        for name in directories:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, stat.S_IRWXU)
    shutil.rmtree(str(directory), ignore_errors=True)


def hidden_paths(extra: Iterable[str]) -> Tuple[str, ...]:
    """What no payload may see: homes of people, run-time sockets, and what the pilot was told."""
    homes = [os.environ.get("HOME", "")]
    try:
        homes.append(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        log.info("user %d has no entry in the user database", os.geteuid())
    found = (os.path.realpath(path) for path in (*ALWAYS_HIDDEN, *homes, *extra) if path)
    # Hiding `/` or what the system is made of would leave nothing to run.
    vital = ("/", "/usr", "/etc", "/bin", "/lib", "/lib64", "/sbin", "/var", "/opt", "/proc", "/dev", "/sys")
    return tuple(path for path in outermost(found) if os.path.isdir(path) and path not in vital)


def outermost(paths: Iterable[str]) -> List[str]:
    """Sorted without those that lie inside another, or in a temporary directory that is private anyway."""
    kept: List[str] = []
    for path in sorted(set(paths)):
        if not is_below(path, [*kept, "/tmp", "/var/tmp"]):
            kept.append(path)
    return kept


def is_below(path: str, parents: Iterable[str]) -> bool:
    """Whether a path is one of the parents or inside one."""
    return any(path == parent or path.startswith(parent.rstrip("/") + "/") for parent in parents)


def with_their_base(software: Iterable[str]) -> Tuple[str, ...]:
    """Adds to each Python environment the Python that it is made from: its `python` is a link to there."""
    found: Dict[str, None] = {}
    for path in software:
        found[path] = None
        python = os.path.join(path, "bin", "python3")
        if os.path.exists(os.path.join(path, "pyvenv.cfg")) and os.path.exists(python):
            link = python
            while os.path.islink(link):
                link = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
                found[os.path.dirname(os.path.dirname(link))] = None
    return tuple(path for path in found if path not in ("", "/", "/usr"))


def _way_to(path: str, masks: Sequence[str]) -> List[str]:
    """Makes the directories above a path inside a hidden place; left to bubblewrap they would be closed to others."""
    above = [str(parent) for parent in Path(path).parents if is_below(str(parent), masks) and str(parent) not in masks]
    return [word for parent in reversed(above) for word in ("--dir", parent)]


def _name_service(masks: Sequence[str]) -> List[str]:
    """Keeps names of hosts resolvable where the resolver's file lives in a hidden place."""
    target = os.path.realpath("/etc/resolv.conf")
    return ["--ro-bind-try", target, target] if is_below(target, masks) else []
