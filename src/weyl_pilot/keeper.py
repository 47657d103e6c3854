"""Runs one command where no namespace can hold it: ends with its parent, and lets no process outlive the command.

This file is started as `python -I -c SOURCE UID GID DIRECTORY COMMAND...`, so it imports nothing of the pilot. UID
and GID may be `-` for "as I am".
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import List, Optional

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38


def prctl(option: int, value: int) -> None:
    """Calls prctl(2), and goes on without it where the kernel does not know the option."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def descendants(root: int) -> List[int]:
    """Process ids below `root`, without it."""
    children = {}  # type: dict[int, list[int]]
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as stream:
                parent = int(stream.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(name))
    found, open_ends = [], [root]
    while open_ends:
        for pid in children.get(open_ends.pop(), []):
            found.append(pid)
            open_ends.append(pid)
    return found


def kill_descendants() -> None:
    """Kills what is below us until nothing is left."""
    for _ in range(100):
        below = descendants(os.getpid())
        if not below:
            return
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        reap(block=False)


def reap(*, block: bool, wanted: Optional[int] = None) -> Optional[int]:
    """Collects ended children; returns the wait status of the wanted one as soon as it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        if pid == wanted:
            return status


def become(user: str, group: str) -> None:
    """Gives up the pilot's user for good."""
    if group != "-":
        os.setgroups([])
        os.setresgid(int(group), int(group), int(group))
    if user != "-":
        os.setresuid(int(user), int(user), int(user))


def run(user: str, group: str, *, directory: str, command: List[str]) -> None:
    """The child's part: from here on it is the payload."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    become(user, group)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.chdir(directory)
        os.execvpe(command[0], command, dict(os.environ))
    except OSError as error:
        sys.stderr.write("cannot run %s: %s\n" % (command[0], error))
    os._exit(127)


def main(arguments: List[str]) -> int:
    """Keeps the command company until its end and answers with its exit code."""
    user, group, directory = arguments[:3]
    parent = os.getppid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)

    def parent_died(number: int, frame: object) -> None:
        kill_descendants()
        os._exit(137)

    signal.signal(signal.SIGUSR2, parent_died)
    prctl(PR_SET_PDEATHSIG, signal.SIGUSR2)
    if os.getppid() != parent:
        return 137
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        run(user, group, directory=directory, command=arguments[3:])
    status = reap(block=True, wanted=child)
    kill_descendants()
    if status is None:
        return 1
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
