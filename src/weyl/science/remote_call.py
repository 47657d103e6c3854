"""What runs on the node for `weyl.map` and `weyl.Executor`: calls functions on one chunk, and leaves what came of each.

It travels in the sandbox, beside cloudpickle and `calls.pkl`, and needs nothing but the Python that runs it.
"""

import pickle
import sys
import traceback
from pathlib import Path
from typing import Any

import cloudpickle

CALLS, RESULTS = "calls.pkl", "weyl-results.pkl"
VALUE, ERROR, TOO_LARGE = "value", "error", "too large"
PROTOCOL = 4


def main(words: list[str]) -> int:
    """Run the chunk with this number; returns the exit code, 1 if one of its calls failed."""
    with (Path(__file__).resolve().parent / CALLS).open("rb") as file:
        calls = pickle.load(file)
    room = calls["bytes_max"]
    left: list[tuple[Any, ...]] = []
    for function, arguments in calls["chunks"][int(words[0])]:
        left.append(outcome(calls["functions"][function], arguments, room))
        room -= len(left[-1][1] or b"")
    Path(RESULTS).write_bytes(pickle.dumps(left, protocol=PROTOCOL))
    return 0 if all(each[0] == VALUE for each in left) else 1


def outcome(function: bytes, arguments: bytes, room: int) -> tuple[Any, ...]:
    """Call a function; returns (`value`, pickle), (`error`, pickle, summary, traceback) or (`too large`, None, bytes).

    `room` is how many bytes there are for the pickle of the value.
    """
    try:
        positional, named = pickle.loads(arguments)
        packed = cloudpickle.dumps(pickle.loads(function)(*positional, **named), protocol=PROTOCOL)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is belongs to the one who called
        return failure(error)
    if len(packed) > room:
        sys.stderr.write(f"The result has {len(packed):,} bytes, and there is room for {room:,}.\n")
        return TOO_LARGE, None, len(packed)
    return VALUE, packed


def failure(error: BaseException) -> tuple[Any, ...]:
    """Return an exception as it travels; one that cannot be pickled, or would not come back, goes as its text."""
    trace = error.__traceback__
    # Without our own frame: who reads it looks for the function.
    text = "".join(traceback.format_exception(type(error), error, trace and (trace.tb_next or trace)))
    sys.stderr.write(text)
    try:
        packed = cloudpickle.dumps(error, protocol=PROTOCOL)
        pickle.loads(packed)
    except Exception:  # noqa: BLE001 - an exception may do anything when it is pickled
        packed = None
    return ERROR, packed, f"{type(error).__name__}: {error}", text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
