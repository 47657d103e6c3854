"""What each payload gets for itself: processors, GPUs, a control group with its limits, and, of root, a user id."""

from __future__ import annotations

import glob
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, FrozenSet, List, Optional, Sequence, Tuple

from weyl_pilot.cgroups import Group, Groups, Limits, group_name
from weyl_pilot.isolation import remove_tree
from weyl_pilot.uids import Lease, Uids
from weyl_pilot.work import Work

PROCESSES_A_CORE, PROCESSES_MIN = 512, 1024
# Where no control group can be had, a single process cannot write to more than this many times the job's limit.
DATA_MARGIN = 2
# Enters the groups, sets the limit of the data segment, and becomes the command.
ENTER = (
    'limit=$1; shift; while [ "$1" != -- ]; do echo $$ 2>/dev/null >"$1" || :; shift; done; shift; '
    'if [ "$limit" != 0 ]; then ulimit -d "$limit"; fi; exec "$@"'
)


@dataclass
class Share:
    """One payload's part. Without processors it shares those of the allocation with the others."""

    cpus: Tuple[int, ...] = ()
    gpus: Tuple[str, ...] = ()
    group: Optional[Group] = None
    memory_mb: int = 0
    is_held: bool = False
    """Whether the kernel holds it to its memory."""
    lease: Optional[Lease] = None
    """What holds the user id that it runs under."""

    @property
    def uid(self) -> Optional[int]:
        """The user id that it runs under; None is the pilot's own."""
        return None if self.lease is None else self.lease.uid

    def prefix(self) -> List[str]:
        """The words before a command that is to run inside."""
        data_kb = 0 if self.is_held else self.memory_mb * 1024 * DATA_MARGIN
        entrances = self.group.entrances() if self.group is not None else []
        if not entrances and not data_kb:
            return []
        return ["/bin/sh", "-c", ENTER, "sh", str(data_kb), *entrances, "--"]

    def environment(self) -> Dict[str, str]:
        """Tells programs what is theirs; a payload without GPUs is shown none."""
        return {
            "CUDA_VISIBLE_DEVICES": ",".join(self.gpus),
            **({"WEYL_CPUS": ",".join(map(str, self.cpus))} if self.cpus else {}),
        }

    def devices(self) -> Tuple[str, ...]:
        """Device files of GPUs; which of them are this payload's, the driver's own variable says."""
        return tuple(sorted(glob.glob("/dev/nvidia*"))) if self.gpus else ()

    def pin(self) -> None:
        """Binds the calling thread, and so what it starts, to the processors."""
        if self.cpus:
            os.sched_setaffinity(0, self.cpus)

    def memory_complaint(self) -> Optional[str]:
        """What to say if the kernel has ended a process of it for its memory."""
        if self.group is None or not self.group.kills_for_memory():
            return None
        return "Memory limit exceeded: the kernel ended it at %d MB" % self.memory_mb


@dataclass
class Shares:
    """Hands out what there is, and takes it back. Safe to use from several threads."""

    cpus: FrozenSet[int] = frozenset()
    """Processors that are ours alone; empty where we cannot know that, and then nobody is bound to any."""
    gpus: Tuple[str, ...] = ()
    groups: Groups = field(default_factory=lambda: Groups(1, {}))
    memory_mb: int = 0
    """The allocation's: the limit of jobs that have none of their own."""
    uids: Optional[Uids] = None
    """Where each payload gets a user of its own from."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Dict[int, Share] = {}

    def take(self, work: Work, directory: Path) -> Share:
        """Gives a job its part, and notes its directory; with too few processors left it goes unbound."""
        limit_mb = work.ram_limit_mb or self.memory_mb
        with self._lock:
            cpus = self._free_cpus(work.cores)
            share = Share(cpus, self._free_gpus(work.gpus), memory_mb=limit_mb)
            self._taken[work.job_id] = share
        processes = max(PROCESSES_MIN, PROCESSES_A_CORE * work.cores)
        limits = Limits(limit_mb or None, work.cores, processes, cpus)
        share.group = self.groups.make(group_name(str(work.job_id)), limits)
        share.is_held = share.group is not None and self.groups.limits_memory
        if self.uids is not None:
            groups = share.group.directories.values() if share.group is not None else ()
            share.lease = self.uids.lease(directory, sorted(map(str, groups)))
        return share

    def give_back(self, job_id: int, directory: Path) -> None:
        """Takes back what a job had: ends what runs of it, removes its files, and then lets others have its user."""
        with self._lock:
            share = self._taken.pop(job_id, Share())
        try:
            if share.group is not None:
                share.group.close()
            remove_tree(directory)
        finally:
            if share.lease is not None:
                share.lease.give_back()

    def _free_cpus(self, wanted: int) -> Tuple[int, ...]:
        free = sorted(self.cpus.difference(*(share.cpus for share in self._taken.values())))
        return tuple(free[:wanted]) if len(free) >= wanted else ()

    def _free_gpus(self, wanted: int) -> Tuple[str, ...]:
        used = {gpu for share in self._taken.values() for gpu in share.gpus}
        return tuple([gpu for gpu in self.gpus if gpu not in used][:wanted])


def own_cpus(cores: int, *, is_whole_node: bool, usable: Sequence[int], online: int) -> FrozenSet[int]:
    """Processors that no other pilot uses: those that the batch system bound us to, or all of a whole node.

    A mask of all processors says nothing: a second pilot here would have the same, and both would crowd the first ones.
    """
    if is_whole_node or (len(usable) == cores and len(usable) < online):
        return frozenset(usable)
    return frozenset()
