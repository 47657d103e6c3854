"""Removes files and directories when the process that started it is gone, however it went.

Run as a script, with the standard library only:
`python -I -S sweeper.py PATH...` waits for the end of its standard input, which only its parent holds open.
"""

import shutil
import sys
import time
from pathlib import Path

ATTEMPTS_MAX = 100


def sweep(paths: list[Path]) -> list[Path]:
    """Remove what can be removed and return what is still there."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [path for path in paths if path.exists()]


def main(arguments: list[str]) -> None:
    """Wait for the parent's end, then sweep until nothing is left."""
    paths = [Path(argument) for argument in arguments]
    sys.stdin.buffer.read()
    # Programs that died with the parent may still be writing their last lines into the directory.
    for _ in range(ATTEMPTS_MAX):
        paths = sweep(paths)
        if not paths:
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1:])
