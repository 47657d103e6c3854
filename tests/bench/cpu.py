"""CPU time of other processes: of a server with its workers, of a database with its connections."""

import os
import time
from contextlib import suppress
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants, of threads and children that have ended as well.

    A process that runs is read by its own clock, to the nanosecond. Children that ended and were waited for are in
    their parent's account, to the hundredth of a second.
    """
    total, todo = 0.0, [pid]
    while todo:
        process = todo.pop()
        with suppress(OSError):
            total += time.clock_gettime(_clock(process)) + _ended_children_s(process)
            todo += descendants(process)
    return total


def descendants(pid: int, *, deep: bool = False) -> list[int]:
    """Return the children of a process; with `deep` also theirs."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found + [each for child in found for each in descendants(child, deep=True)] if deep else found


def _clock(pid: int) -> int:
    """Return the number of the clock of a process, as clock_getcpuclockid(3) makes it."""
    return (~pid << 3) | 2


def _ended_children_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / TICKS_PER_S
