"""Becomes another program that its parent cannot leave behind: run as a script, with the standard library only.

`python -I -S leash.py PARENT_PID SIGNAL UID GID PROGRAM ARG...`: drops to UID and GID (-1 keeps them), asks the kernel
for SIGNAL when the parent dies, and executes PROGRAM. A program of its own, because the same between fork and exec of a
parent that has threads is unsafe, and because a change of user clears the request.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drop the privileges, tie this process to its parent and execute the program."""
    parent, signal_number, uid, gid = (int(value) for value in arguments[:4])
    command = arguments[4:]
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    if gid >= 0:
        os.setgroups([])
        os.setgid(gid)
    if uid >= 0:
        os.setuid(uid)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    # The parent may have died before the request was made.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
