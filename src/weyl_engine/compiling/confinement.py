"""Walls around the process that reads documents of users: no network, no files, little time and memory."""

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take."""

    cpu_s: int = 10
    wall_s: float = 15.0
    memory_b: int = 1 << 30


def leave_network() -> bool:
    """Move this process into a network without a way out; returns False where the machine does not allow that.

    It must have one thread only.
    """
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return any(_LIBC.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that forked it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(limits: Limits) -> None:
    """Bound what this process may take; beyond its CPU time the kernel ends it, and it writes to no file."""
    _set(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 1)
    _set(resource.RLIMIT_AS, limits.memory_b, limits.memory_b)
    _set(resource.RLIMIT_FSIZE, 0, 0)
    _set(resource.RLIMIT_CORE, 0, 0)
    _set(resource.RLIMIT_NPROC, 0, 0)


def keep_only(kept: int) -> None:
    """Close every file and pipe but one; the standard streams lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    for number in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - in every fork, and a third as long
        if number > 2 and number != kept:
            with contextlib.suppress(OSError):  # the one that listed them is closed already
                os.close(number)


def _set(kind: int, soft: int, hard: int) -> None:
    highest = resource.getrlimit(kind)[1]
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(kind, (soft, hard))
