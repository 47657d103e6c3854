"""How fast this machine is now, beside the machine that patience and benchmarks were written on.

Machines are shared and change their pace by a factor of two within an hour. Tests measure it once at their start and
wait longer on a slow one; benchmarks print it at their start, middle and end.
"""

import hashlib
import os
import statistics
import time

VARIABLE = "WEYL_TEST_PACE"
NOMINAL_S = 0.006
"""What one round takes on two quiet cores of the machine for which patience was chosen."""
ROUNDS = 41
SLOWEST = 5.0


def loop_s() -> float:
    """Return the seconds of a fixed loop, the median of many: interpreter, allocator and hashing."""
    return statistics.median(_round_s() for _ in range(ROUNDS))


def _round_s() -> float:
    began = time.perf_counter()
    found: dict[int, str] = {}
    for number in range(60_000):
        found[number % 997] = str(number * number)
    hashlib.sha256("".join(found.values()).encode() * 100).digest()
    return time.perf_counter() - began


def factor() -> float:
    """Return how many times longer than usual things take here: 1 to 5; measured once a session, and inherited."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = f"{min(SLOWEST, max(1.0, loop_s() / NOMINAL_S)):.2f}"
    return float(os.environ[VARIABLE])
