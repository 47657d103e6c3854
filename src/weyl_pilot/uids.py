"""User ids for the payloads of a pilot that runs as root: one for each job, and no other on this machine has it.

A lock on a file holds an id, in a directory that all pilots of root here share, of whatever VO and installation. The
kernel lets go of the lock with the pilot, however that ends; the file then still says where the payload's things are,
and the id is not given to anybody as long as something of it lives.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import json
import logging
import os
import pwd
import random
import stat
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from weyl_pilot import leftovers
from weyl_pilot.starts import sync_directory

log = logging.getLogger("weyl_pilot.uids")

# The range that systemd gives to services without a user of their own: no person has such an id.
UIDS = range(61184, 65520)
SYSTEMD_LOCKS = "/run/systemd/dynamic-uid"
# The first in which root can write; it is the same for all pilots of a machine, unless they see different files. What
# killed pilots left on a disk is still there after a restart of the machine, and so is what is known of it.
LOCK_PLACES = ("/var/lib", "/run", "/dev/shm", "/tmp")
LOCK_DIRECTORY = "weyl-pilot-uids"


class NoFreeUid(Exception):
    """No user id can be had for a payload."""


class Lease:
    """One user id, held until it is given back."""

    def __init__(self, uid: int, descriptor: int) -> None:
        self.uid = uid
        self._descriptor = descriptor

    def note(self, directory: Path, groups: Sequence[str]) -> None:
        """Returns once it is on disk where the things of the payload will be; what raises here must not be used."""
        content = json.dumps({"directory": str(directory), "groups": list(groups)}).encode()
        os.ftruncate(self._descriptor, 0)
        if os.pwrite(self._descriptor, content, 0) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._descriptor)

    def rest(self) -> Optional[str]:
        """What lives of the id; what can be cleared away is, if nothing runs."""
        record = self._record()
        directory = str(record.get("directory") or "")
        if directory and os.path.lexists(directory):
            return "its files are in %s" % directory
        for group in record.get("groups") or ():
            if _has_members(Path(group)):
                return "processes are in its control group %s" % group
        if self.uid in leftovers.users_of_processes():
            return "processes run under it"
        left = leftovers.clear(self.uid)
        return None if left is None else "it left behind: %s" % left

    def give_back(self) -> None:
        """Lets others have the id; with something of it still here, it stays unused until that is gone."""
        try:
            left = self.rest()
            if left is None:
                os.ftruncate(self._descriptor, 0)
            else:
                log.warning("user id %d is not free yet: %s", self.uid, left)
        finally:
            self.close()

    def close(self) -> None:
        """Lets go of the lock."""
        os.close(self._descriptor)

    def _record(self) -> Dict[str, Any]:
        try:
            record = json.loads(os.pread(self._descriptor, 65536, 0) or b"{}")
        except ValueError:
            return {}  # cut short, and so before the payload had anything
        return record if isinstance(record, dict) else {}


class Uids:
    """Hands out user ids. Safe to use from several threads, pilots and installations."""

    def __init__(self, uids: Sequence[int] = UIDS, places: Sequence[str] = LOCK_PLACES) -> None:
        self._uids = uids
        self._places = places

    def lease(self, directory: Path, groups: Sequence[str] = ()) -> Lease:
        """Takes an id that is free, for a payload whose things will be in these places."""
        locks = self._lock_directory()
        first = random.randrange(len(self._uids)) if self._uids else 0
        for uid in [*self._uids[first:], *self._uids[:first]]:
            lease = None if _is_known(uid) else _lock(locks / str(uid), uid)
            if lease is None:
                continue
            try:
                left = lease.rest()
                if left is None:
                    lease.note(directory, groups)
                    sync_directory(locks)  # for a file that is new
                    return lease
            except OSError as error:
                lease.close()
                raise NoFreeUid("user id %d cannot be noted in %s: %s" % (uid, locks, error.strerror)) from error
            log.info("user id %d is not free: %s", uid, left)
            lease.close()
        raise NoFreeUid(
            "none of the %d user ids for payloads is free on this machine: look into %s for what holds them"
            % (len(self._uids), locks)
        )

    def _lock_directory(self) -> Path:
        for place in self._places:
            directory = Path(place) / LOCK_DIRECTORY
            try:
                if not os.path.lexists(str(directory)):
                    directory.mkdir(mode=0o700, exist_ok=True)
                    sync_directory(directory.parent)
                state = directory.lstat()
            except OSError:
                continue
            is_ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid() and not state.st_mode & 0o022
            if is_ours and os.access(str(directory), os.W_OK):
                return directory
        raise NoFreeUid(
            "user ids for payloads need a directory %s that only root can write, in one of %s"
            % (LOCK_DIRECTORY, ", ".join(self._places))
        )


def _lock(path: Path, uid: int) -> Optional[Lease]:
    try:
        descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("the lock of user id %d cannot be opened: %s", uid, error)
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Somebody may have removed the file while we opened it: then ours holds nothing.
        if os.path.samestat(os.fstat(descriptor), os.lstat(str(path))):
            return Lease(uid, descriptor)
    except OSError:
        log.debug("user id %d is in use", uid)
    os.close(descriptor)
    return None


def _is_known(uid: int) -> bool:
    """Whether the id belongs to an account or a group of this machine, or to a service that systemd has started."""
    for find in (pwd.getpwuid, grp.getgrgid):
        try:
            find(uid)
        except KeyError:
            continue
        return True
    return os.path.exists(os.path.join(SYSTEMD_LOCKS, str(uid)))


def _has_members(group: Path) -> bool:
    try:
        return bool((group / "cgroup.procs").read_text().strip())
    except OSError:
        return False
