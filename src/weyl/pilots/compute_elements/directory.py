"""The directory of pilots on this machine: ours alone, or none at all."""

import os
import stat
import tempfile
from pathlib import Path


class UntrustedDirectory(ValueError):
    """A directory in which somebody else could put programs that we would run, or links that we would follow."""


def default_directory() -> Path:
    """Return where pilots are kept if nothing else is set; each account has its own."""
    return Path(tempfile.gettempdir()) / f"weyl-pilots-{os.geteuid()}"


def make_trusted(directory: Path) -> None:
    """Make a directory that nobody else can enter, or see that one that is there cannot be changed by others.

    As root, payloads run as other users: these may walk through, though not look around.
    """
    try:
        if not os.path.lexists(directory):
            directory.parent.mkdir(parents=True, exist_ok=True)
            directory.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
        _check(directory)
        for parent in directory.absolute().parents:
            _check_above(parent, directory)
    except OSError as error:
        raise UntrustedDirectory(f"{directory} cannot hold pilots: {error.strerror}") from error


def _check(directory: Path) -> None:
    # Not followed: who may change a link decides where it leads.
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise _untrusted(directory, "is no directory")
    if status.st_uid != os.geteuid():
        raise _untrusted(directory, f"belongs to user {status.st_uid}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _untrusted(directory, f"can be changed by others (mode {stat.S_IMODE(status.st_mode):04o})")


def _check_above(parent: Path, directory: Path) -> None:
    """In a directory that everybody may change, only the sticky bit keeps ours from being replaced."""
    mode = parent.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise _untrusted(directory, f"lies in {parent}, where everybody can replace it")


def _untrusted(directory: Path, reason: str) -> UntrustedDirectory:
    return UntrustedDirectory(f"{directory} {reason}: set WEYL_PILOT_DIRECTORY to one that is yours alone")
