"""Control groups: one for each payload, below the pilot's own, where the machine lets us make them.

Version 2 counts where it has the memory controller, else version 1. What cannot be limited here is the watchdog's.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

log = logging.getLogger("weyl_pilot.cgroups")

CONTROLLERS = ("memory", "cpu", "pids", "cpuset")
PERIOD_US = 100_000
PROBE_MEMORY_MB = 64
LEAF = "weyl-pilot"
REMOVE_TRIES, REMOVE_PAUSE_S = 20, 0.05


@dataclass(frozen=True)
class Limits:
    """What a payload may use; None or empty leaves it free."""

    memory_mb: Optional[int] = None
    cores: Optional[int] = None
    processes: Optional[int] = None
    cpus: Tuple[int, ...] = ()


@dataclass
class Group:
    """The directories of one payload's group: one for each controller in version 1, a single one in version 2."""

    directories: Mapping[str, Path]
    version: int
    limits: Limits = field(default_factory=Limits)

    def entrances(self) -> List[str]:
        """The files that a process writes itself into."""
        return sorted({str(directory / "cgroup.procs") for directory in self.directories.values()})

    def kills_for_memory(self) -> int:
        """How many processes the kernel has ended because the group had used up its memory."""
        directory = self.directories.get("memory")
        if directory is None:
            return 0
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _fields(directory / name).get("oom_kill", 0)

    def close(self) -> None:
        """Ends whatever is left inside, and removes the group."""
        for directory in sorted(set(self.directories.values())):
            _end_members(directory)
            _remove(directory)


class Groups:
    """Makes groups. `controllers` are those that were found to work when the pilot started."""

    def __init__(self, version: int, bases: Mapping[str, Path]) -> None:
        self.version = version
        self._bases = dict(bases)

    @property
    def controllers(self) -> Tuple[str, ...]:
        """Names of the controllers that limit payloads here."""
        return tuple(name for name in CONTROLLERS if name in self._bases)

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel holds payloads to their memory."""
        return "memory" in self._bases

    def make(self, name: str, limits: Limits) -> Optional[Group]:
        """Makes a group with limits; None where no controller is ours or the machine refuses."""
        if not self._bases:
            return None
        group = Group({controller: base / name for controller, base in self._bases.items()}, self.version, limits)
        try:
            for directory in set(group.directories.values()):
                directory.mkdir(exist_ok=True)
            for path, text in _settings(group):
                path.write_text(text)
        except OSError as error:
            log.warning("no control group %s: %s", name, error)
            group.close()
            return None
        return group


def find_groups(root: Path = Path("/")) -> Groups:
    """Finds the controllers that payloads can be held with, by making a group and setting its limits."""
    unified, separate = _own_groups(root)
    for base in {*separate.values(), *([unified] if unified is not None else [])}:
        _sweep(base)
    for version, candidates in ((2, _version_2(unified)), (1, separate)):
        bases = {name: base for name, base in candidates.items() if _works(version, name, base)}
        if "memory" in bases:
            return Groups(version, bases)
    return Groups(1, {name: base for name, base in separate.items() if _works(1, name, base)})


def group_name(what: str, pid: Optional[int] = None) -> str:
    """The name of a group of the pilot with a process id, of this one if none is given.

    It names its namespace of processes, too: who comes later must know whether the pilot lives, and two in one group,
    as where each has a container, may have ids of their own each.
    """
    return "weyl-%s-%d-%d" % (what, _namespace(), os.getpid() if pid is None else pid)


def _namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _sweep(base: Path) -> None:
    """Removes the groups of pilots that were killed, and what has outlived them.

    That is a payload's first process, if it was killed just before it asked to die with the pilot: it waits for ever.
    """
    for directory in base.glob("weyl-*-%d-*" % _namespace()):
        owner = directory.name.rpartition("-")[2]
        if owner.isdigit() and _has_ended(int(owner)):
            _end_members(directory)
            _remove(directory)


def _has_ended(pid: int) -> bool:
    """Whether there is no such process; /proc would not tell, as it may show nobody the processes of others."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _own_groups(root: Path) -> Tuple[Optional[Path], Dict[str, Path]]:
    """The directories of the groups that we are in: that of version 2, and by controller those of version 1."""
    mount = root / "sys/fs/cgroup"
    unified: Optional[Path] = None
    separate: Dict[str, Path] = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            unified = _deepest(mount / "unified" if (mount / "unified").is_dir() else mount, path)
            continue
        for name in controllers.split(","):
            if name in CONTROLLERS and (mount / name).is_dir():
                separate[name] = _deepest(mount / name, path)
    return unified, separate


def _deepest(mount: Path, path: str) -> Path:
    """A group's directory; inside a container the mount may begin at the group itself."""
    whole = mount.joinpath(*[part for part in path.split("/") if part and part != ".."])
    return whole if whole.is_dir() else mount


def _version_2(base: Optional[Path]) -> Dict[str, Path]:
    """Lets a group of version 2 have children with controllers: for that it must itself hold no process."""
    if base is None:
        return {}
    available = [name for name in CONTROLLERS if name in _text(base / "cgroup.controllers").split()]
    if "memory" not in available or not os.access(str(base), os.W_OK):
        return {}
    if "memory" not in _text(base / "cgroup.subtree_control").split() and not _move_into_leaf(base):
        return {}
    for name in available:
        try:
            (base / "cgroup.subtree_control").write_text("+" + name)
        except OSError as error:
            log.info("the controller %s is not ours to use: %s", name, error)
    enabled = _text(base / "cgroup.subtree_control").split()
    return {name: base for name in available if name in enabled}


def _move_into_leaf(base: Path) -> bool:
    leaf = base / LEAF
    try:
        leaf.mkdir(exist_ok=True)
        for pid in _text(base / "cgroup.procs").split():
            (leaf / "cgroup.procs").write_text(pid)
    except OSError as error:
        log.info("this control group cannot be divided: %s", error)
        return False
    return True


def _works(version: int, controller: str, base: Path) -> bool:
    limits = Limits(memory_mb=PROBE_MEMORY_MB, cores=1, processes=64, cpus=tuple(sorted(os.sched_getaffinity(0)))[:1])
    group = Group({controller: base / group_name("probe")}, version, limits)
    directory = group.directories[controller]
    try:
        directory.mkdir()
        wanted = _settings(group)
        for path, text in wanted:
            path.write_text(text)
        return bool(wanted)
    except OSError:
        return False
    finally:
        if directory.is_dir():
            group.close()


def _settings(group: Group) -> List[Tuple[Path, str]]:
    """Files and what to write into them, in an order that the kernel takes."""
    found: List[Tuple[Path, str]] = []
    for controller in CONTROLLERS:
        directory = group.directories.get(controller)
        if directory is not None:
            found += [(directory / name, text) for name, text in _files(controller, group.limits, group.version)]
    optional = ("memory.swap.max", "memory.memsw.limit_in_bytes", "memory.oom.group")
    return [(path, text) for path, text in found if path.name not in optional or path.exists()]


def _files(controller: str, limits: Limits, version: int) -> Sequence[Tuple[str, str]]:
    if controller == "memory" and limits.memory_mb:
        size = str(limits.memory_mb << 20)
        if version == 2:
            return [("memory.max", size), ("memory.swap.max", "0"), ("memory.oom.group", "1")]
        return [("memory.limit_in_bytes", size), ("memory.memsw.limit_in_bytes", size)]
    if controller == "cpu" and limits.cores:
        quota = str(limits.cores * PERIOD_US)
        if version == 2:
            return [("cpu.max", "%s %d" % (quota, PERIOD_US))]
        return [("cpu.cfs_period_us", str(PERIOD_US)), ("cpu.cfs_quota_us", quota)]
    if controller == "pids" and limits.processes:
        return [("pids.max", str(limits.processes))]
    if controller == "cpuset":
        return _cpuset(limits, version)
    return []


def _cpuset(limits: Limits, version: int) -> Sequence[Tuple[str, str]]:
    """In version 1 a new group has neither processors nor memory, and no process can enter until it has both."""
    cpus = limits.cpus or (tuple(sorted(os.sched_getaffinity(0))) if version == 1 else ())
    wanted = [("cpuset.cpus", ",".join(map(str, cpus)))] if cpus else []
    return [*wanted, ("cpuset.mems", _memory_nodes())] if version == 1 else wanted


def _memory_nodes() -> str:
    for line in _text(Path("/proc/self/status")).splitlines():
        if line.startswith("Mems_allowed_list:"):
            return line.split(":", 1)[1].strip()
    return "0"


def _end_members(directory: Path) -> None:
    if (directory / "cgroup.kill").exists():
        try:
            (directory / "cgroup.kill").write_text("1")
        except OSError as error:
            log.info("could not end the processes in %s: %s", directory, error)
        return
    for pid in _text(directory / "cgroup.procs").split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except OSError:
            continue  # it has ended


def _remove(directory: Path) -> None:
    for _ in range(REMOVE_TRIES):
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except PermissionError:
            break
        except OSError:
            # Processes that were just killed still count for a moment.
            time.sleep(REMOVE_PAUSE_S)
    log.warning("the control group %s could not be removed", directory)


def _fields(path: Path) -> Dict[str, int]:
    found = {}
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdigit():
            found[name] = int(value)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
