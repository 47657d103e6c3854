"""Processes of a payload: who descends from it, what they use, and how they are ended."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, List, Set

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True)
class Process:
    """One line of the process table."""

    pid: int
    parent: int
    state: str
    cpu_s: float
    memory_kb: int
    virtual_kb: int


@dataclass(frozen=True)
class Usage:
    """What a payload and all that it started use now; CPU time includes children that have ended."""

    processes: int = 0
    cpu_s: float = 0.0
    memory_kb: int = 0
    virtual_kb: int = 0


def snapshot() -> Dict[int, Process]:
    """Reads the process table once, for all payloads together."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as stream:
                process = parse_stat(stream.read().decode("ascii", "replace"))
        except (OSError, ValueError, IndexError):
            continue  # it ended while we looked
        table[process.pid] = process
    return table


def parse_stat(line: str) -> Process:
    """Reads a line of /proc/PID/stat; the command in parentheses may itself hold blanks and parentheses."""
    head, _, tail = line.rpartition(")")
    fields = tail.split()
    ticks = sum(int(fields[number]) for number in (11, 12, 13, 14))
    return Process(
        pid=int(head.split(" ", 1)[0]),
        parent=int(fields[1]),
        state=fields[0],
        cpu_s=ticks / TICKS,
        memory_kb=int(fields[21]) * PAGE_KB,
        virtual_kb=int(fields[20]) // 1024,
    )


def descendants(root: int, table: Dict[int, Process]) -> List[Process]:
    """The root and everything below it, parents first."""
    children: Dict[int, List[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: List[Process] = []
    seen: Set[int] = set()
    open_ends = [root]
    while open_ends:
        pid = open_ends.pop()
        if pid in seen or pid not in table:
            continue
        seen.add(pid)
        found.append(table[pid])
        open_ends.extend(children.get(pid, ()))
    return found


def usage(root: int, table: Dict[int, Process]) -> Usage:
    """Sums what the tree below `root` uses."""
    family = [process for process in descendants(root, table) if process.state != "Z"]
    return Usage(
        processes=len(family),
        cpu_s=sum(process.cpu_s for process in family),
        memory_kb=sum(process.memory_kb for process in family),
        virtual_kb=sum(process.virtual_kb for process in family),
    )


def signal_all(pids: Iterable[int], number: int) -> None:
    """Sends a signal to each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def end(root: int, *, first: int, grace_s: float, is_over: Callable[[float], bool]) -> None:
    """Asks the tree below `root` to stop, and after the grace time makes it.

    The root is our own launcher, which ends by itself once the payload has: a signal to it would end the payload
    at once and leave it no time to write its results. `is_over(seconds)` waits for the root's end.
    """
    family = [process.pid for process in descendants(root, snapshot()) if process.pid != root]
    signal_all(family, first)
    if is_over(grace_s):
        return
    kill_all(root, is_over)


def kill_all(root: int, is_over: Callable[[float], bool], *, rounds: int = 50) -> None:
    """Kills the tree below `root` until nothing is left, however fast it forks."""
    for _ in range(rounds):
        family = [process.pid for process in descendants(root, snapshot())]
        # The launcher last: as long as it lives, orphans stay below it and are found.
        signal_all((pid for pid in family if pid != root), signal.SIGKILL)
        if is_over(0.1):
            return
    signal_all([root], signal.SIGKILL)
    is_over(5.0)


def hide_memory() -> None:
    """Forbids other processes of this user to look into our memory, where the tokens are."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        return


def adopt_orphans() -> None:
    """Makes what our children leave behind our own, so that we can wait for it and learn what it used."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        return


def start_time(pid: int) -> float:
    """When a process started, in seconds since boot; 0 when it is gone."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[19]) / TICKS
    except (OSError, IndexError, ValueError):
        return 0.0


def now_s() -> float:
    """The clock that durations are measured with."""
    return time.monotonic()
