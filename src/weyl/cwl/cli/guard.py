"""Outlives a runner that is killed and ends its jobs: started as a program, reads what the runner does from a pipe.

Alone with the standard library, so that it is there in some milliseconds; `aftermath` does the work, if there is any.
"""

import json
import os
import sys
import tempfile


def main() -> None:
    """Note what the runner says until it is done; if it ends without saying so, go on as `aftermath`."""
    state: dict[str, object] = {}
    for line in sys.stdin.buffer:
        try:
            state.update(json.loads(line))
        except ValueError:
            # Killed in the middle of a line.
            break
    if state.get("is_done") or not (state.get("jobs") or state.get("body")):
        return
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(state).encode())
        file.seek(0)
        os.dup2(file.fileno(), 0)
        os.execv(sys.executable, [sys.executable, "-P", "-m", "weyl.cwl.cli.aftermath"])


if __name__ == "__main__":
    main()
