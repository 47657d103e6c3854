"""The engine that runs CWL: where it is on this machine, and whether it works behind the walls."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple

from weyl_pilot.archive import BadArchive, unpack
from weyl_pilot.connection import Refused, Unreachable
from weyl_pilot.hashed import Shelf
from weyl_pilot.isolation import Walls, remove_tree, run_apart
from weyl_pilot.uids import NoFreeUid, Uids
from weyl_pilot.work import DEFAULT_PATH

log = logging.getLogger("weyl_pilot.engine")

TAG = "hostfeat:cwl"
MODULE = ("-I", "-m", "weyl_engine")
FETCH_PATIENCE_S = 600.0
UNPACKED_MAX = 1 << 30
_ASK = (
    "import json, platform; print(json.dumps("
    "['.'.join(platform.python_version_tuple()[:2]), platform.machine(), ''.join(platform.libc_ver())]))"
)

Behind = Callable[[Sequence[str], Optional[Path]], "subprocess.CompletedProcess[bytes]"]
"""Runs a command behind the walls, which show it this engine."""


class EngineFailure(Exception):
    """The engine cannot be had here, or does not work; the text ends up in the job's status."""


@dataclass(frozen=True)
class EngineArchive:
    """An engine that the server offers, and the nodes that it is for."""

    python: str
    machine: str
    libc: str
    """The oldest that it runs with, such as `glibc2.28`."""
    sha256: str
    size: int

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> EngineArchive:
        """Reads one entry of the pilot's settings."""
        python, machine, libc, sha256 = (
            str(document.get(name) or "") for name in ("python", "machine", "libc", "sha256")
        )
        return cls(python, machine, libc, sha256, int(document.get("size") or 0))

    def fits(self, python: str, machine: str, libc: str) -> bool:
        """Whether it runs with a Python of this version, on such a machine, with this C library."""
        mine, theirs = _library(self.libc), _library(libc)
        return (self.python, self.machine) == (python, machine) and mine[0] == theirs[0] and mine[1] <= theirs[1]


@dataclass(frozen=True)
class Found:
    """An engine for this node: an environment with its own Python, or an archive and a Python that runs it."""

    python: str
    archive: Optional[EngineArchive] = None


class Engine:
    """The engine of all jobs of this pilot. Safe to use from several threads."""

    def __init__(self, found: Optional[Found], walls: Walls, *, place: Path, shelf: Shelf, behind: Behind) -> None:
        self._found = found
        self._walls = walls
        archive = None if found is None else found.archive
        self.directory = None if archive is None else place / archive.sha256
        """Where the archive is unpacked with the first job."""
        self._shelf = shelf
        self._behind = behind
        self._lock = threading.Lock()
        self._trouble: Optional[str] = None if found is not None else "no CWL engine fits this machine"

    def tags(self, others: Sequence[str]) -> List[str]:
        """The atoms of an offer: those given, with the engine's while it works, without it once it has failed."""
        if self._found is None:
            return list(others)
        return sorted({*others, TAG} if self._trouble is None else {tag for tag in others if tag != TAG})

    def command(self) -> List[str]:
        """The words before `run JOB.json`; raises EngineFailure, and from then on the tag is not offered any more."""
        with self._lock:
            if self._trouble is None:
                try:
                    self._make_ready()
                except (BadArchive, Refused, Unreachable, OSError, subprocess.SubprocessError) as error:
                    self._give_up("the CWL engine cannot be had: %s" % error)
            if self._trouble is not None:
                raise EngineFailure(self._trouble)
            return self._words()

    def doubt(self) -> None:
        """Looks again whether it works: a job of it has ended without a result."""
        with self._lock:
            if self._trouble is None:
                self._check()

    def _words(self) -> List[str]:
        assert self._found is not None
        if self.directory is None:
            return [self._found.python, *MODULE]
        return [self._found.python, "-I", self._walls.engine_path(self.directory)]

    def _make_ready(self) -> None:
        """Unpacks the archive with the first job. The directory gets its name last: a half of one is never used."""
        assert self._found is not None
        archive = self._found.archive
        if archive is None or self.directory is None or self.directory.is_dir():
            return
        packed = self._shelf.fetch("engines", archive.sha256, archive.size, patience_s=FETCH_PATIENCE_S)
        fresh = self.directory.with_suffix(".new")
        remove_tree(fresh)
        fresh.mkdir(mode=0o755, parents=True)
        unpack(packed, fresh, bytes_max=UNPACKED_MAX)
        # Payloads cannot write beside its modules: what is not compiled now is compiled by each job.
        compile_all = [self._found.python, "-I", "-m", "compileall", "-q", str(fresh)]
        subprocess.run(compile_all, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=600, check=False)
        os.rename(str(fresh), str(self.directory))
        self._check()

    def _check(self) -> None:
        trouble = check(self._behind, self._words(), self.directory)
        if trouble is not None:
            self._give_up("the CWL engine does not work here: %s" % trouble)

    def _give_up(self, trouble: str) -> None:
        log.error("%s; %s is offered no longer", trouble, TAG)
        self._trouble = trouble


def check(behind: Behind, words: Sequence[str], directory: Optional[Path] = None) -> Optional[str]:
    """Asks an engine whether it works; returns what is wrong."""
    try:
        done = behind([*words, "check"], directory)
    except (OSError, subprocess.SubprocessError, NoFreeUid) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return "exit %d: %s" % (done.returncode, lines[-1] if lines else "")


def find_engine(
    directory: Optional[str], archives: Sequence[EngineArchive], *, behind: Behind, path: str
) -> Optional[Found]:
    """Takes the directory if it works, else the first archive that fits this machine and a Python in `path`."""
    if directory:
        python = os.path.join(directory, "bin", "python3")
        trouble = check(behind, [python, *MODULE])
        if trouble is None:
            log.info("CWL engine: %s", directory)
            return Found(python)
        log.warning("the CWL engine in %s does not work behind the walls: %s", directory, trouble)
    for archive in archives:
        seen: List[str] = []
        for python in _pythons("python" + archive.python, path):
            facts = _facts(behind, python)
            if facts is not None and archive.fits(*facts):
                log.info("CWL engine: archive %s, with %s", archive.sha256[:12], python)
                return Found(python, archive)
            seen.append("%s is %s" % (python, "hidden from payloads" if facts is None else " ".join(facts)))
        needs = "python%s, %s, %s" % (archive.python, archive.machine, archive.libc)
        text = ", ".join(seen) or "no such Python in " + path
        log.info("CWL engine %s does not fit: needs %s; found %s", archive.sha256[:12], needs, text)
    return None


def _pythons(name: str, path: str) -> List[str]:
    found = [shutil.which(name, path=directory) for directory in path.split(os.pathsep)]
    return list(dict.fromkeys(python for python in found if python is not None))


def paths_of(directory: Optional[str]) -> List[str]:
    """What payloads must see of an environment: with it, the sources that one for developers only refers to."""
    if not directory:
        return []
    found = [directory]
    for listing in Path(directory).glob("lib/python3*/site-packages/*.pth"):
        sources = [line.strip() for line in listing.read_text(errors="replace").splitlines()]
        packages = [os.path.join(source, "weyl_engine") for source in sources if os.path.isabs(source)]
        found += [package for package in packages if os.path.isdir(package)]
    return found


def _facts(behind: Behind, python: str) -> Optional[Tuple[str, str, str]]:
    try:
        done = behind([python, "-I", "-c", _ASK], None)
        version, machine, libc = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, NoFreeUid, ValueError) as error:
        log.info("%s does not run behind the walls: %s", python, error)
        return None
    return str(version), str(machine), str(libc)


def _library(text: str) -> Tuple[str, Tuple[int, ...]]:
    """Splits `glibc2.28` into the name and a version that compares."""
    name = text.rstrip("0123456789.")
    return name, tuple(int(part) for part in text[len(name) :].split(".") if part)


def make_behind(walls: Walls, *, scratch: Path, uids: Uids, path: str) -> Behind:
    """Returns what runs commands behind these walls."""

    def behind(command: Sequence[str], engine: Optional[Path]) -> "subprocess.CompletedProcess[bytes]":
        return run_apart(walls, command, engine=engine, scratch=scratch, uids=uids, path=path)

    return behind


def search_path(environment: Mapping[str, str]) -> str:
    """Where a Python for the engine is looked for: where payloads look, then where the pilot does."""
    parts = [environment.get("PATH") or DEFAULT_PATH, os.environ.get("PATH", "")]
    return os.pathsep.join(part for part in parts if part)
