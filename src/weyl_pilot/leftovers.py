"""What lives of a user id on this machine, and what can be cleared away of it once nothing runs under it any more."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

# Where everybody may make files. A payload in a namespace sees others in their place.
SHARED_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")
IPC_RMID = 0
KEYCTL_NUMBERS = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
# Empties the keyrings of the user that it becomes; the persistent one may be unknown to the kernel.
CLEAR_KEYS = """
import ctypes, os, sys
number, uid = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
call = ctypes.CDLL(None).syscall
persistent = call(number, 22, uid, -2)
if persistent > 0:
    call(number, 7, persistent)
sys.exit(any(call(number, 7, keyring) for keyring in (-4, -5)))
"""
CLEAR_KEYS_TIMEOUT_S = 20


def users_of_processes() -> Set[int]:
    """User ids under which something runs, by whichever of its ids."""
    found: Set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            found.update(_users_of(name))
    return found


def _users_of(pid: str) -> Sequence[int]:
    try:
        with open("/proc/%s/status" % pid, encoding="ascii", errors="replace") as stream:
            lines = dict(line.split(":", 1) for line in stream if ":" in line)
        is_dead = lines["State"].split()[0] == "Z" and int(lines["Threads"]) <= 1
        return () if is_dead else [int(uid) for uid in lines["Uid"].split()]
    except (OSError, KeyError, ValueError):
        return ()  # it ended while we looked


def clear(uid: int, places: Sequence[str] = SHARED_PLACES) -> Optional[str]:
    """Removes files in shared places, IPC objects and keys of a user id; returns what could not be removed."""
    for path in files_of(uid, places):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            _unlink(path)
    for kind, number in ipc_objects_of(uid):
        _remove_ipc(kind, number)
    left = [*files_of(uid, places), *("%s %d" % item for item in ipc_objects_of(uid))]
    if left:
        return left[0]
    return None if _clear_keys(uid) else "its keys"


def files_of(uid: int, places: Sequence[str] = SHARED_PLACES) -> List[str]:
    """Paths right inside the shared places that belong to a user id."""
    return [path for place in places for path in _entries_of(uid, place)]


def _entries_of(uid: int, place: str) -> Iterator[str]:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                try:
                    if entry.stat(follow_symlinks=False).st_uid == uid:
                        yield entry.path
                except OSError:
                    continue  # it was removed while we looked
    except OSError:
        return  # there is no such place here


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # whoever asks looks again


def ipc_objects_of(uid: int) -> List[Tuple[str, int]]:
    """Shared memory, semaphores and message queues of System V that a user id has made or owns: kind and number."""
    return [
        (kind, int(row[number]))
        for kind, number in (("shm", "shmid"), ("sem", "semid"), ("msg", "msqid"))
        for row in _table(Path("/proc/sysvipc") / kind)
        if str(uid) in (row.get("uid"), row.get("cuid"))
    ]


def _table(path: Path) -> List[Dict[str, str]]:
    try:
        header, *lines = path.read_text().splitlines()
    except (OSError, ValueError):
        return []
    return [dict(zip(header.split(), line.split())) for line in lines]


def _remove_ipc(kind: str, number: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if kind == "shm":
        libc.shmctl(number, IPC_RMID, None)
    elif kind == "sem":
        libc.semctl(number, 0, IPC_RMID)
    else:
        libc.msgctl(number, IPC_RMID, None)


def _clear_keys(uid: int) -> bool:
    """Empties the keyrings that the kernel keeps of a user after its last process; says whether none holds anything."""
    try:
        users = [line.partition(":")[0].strip() for line in Path("/proc/key-users").read_text().splitlines()]
    except OSError:
        return True  # a kernel without keys
    if str(uid) not in users:
        return True
    number = KEYCTL_NUMBERS.get(os.uname().machine)
    if number is None:
        return False
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", CLEAR_KEYS, str(number), str(uid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=CLEAR_KEYS_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
