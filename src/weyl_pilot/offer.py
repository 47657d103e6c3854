"""What the pilot offers to the matcher: what its allocation has, less what running payloads hold."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Optional, Sequence, Tuple

from weyl_pilot.engine import Engine
from weyl_pilot.gpus import Gpus
from weyl_pilot.work import Work

SAFETY_S = 300
WALL_DEFAULT_S = 86400


@dataclass(frozen=True)
class Allocation:
    """Cores, memory, disk and slots; what is left after `without` may be zero, never less."""

    cores: int
    ram_mb: int
    scratch_mb: int
    slots: int
    gpus: int = 0

    def without(self, works: Sequence[Work]) -> Allocation:
        """What remains beside these jobs."""
        return replace(
            self,
            cores=max(0, self.cores - sum(work.cores for work in works)),
            ram_mb=max(0, self.ram_mb - sum(work.ram_mb for work in works)),
            scratch_mb=max(0, self.scratch_mb - sum(work.scratch_mb for work in works)),
            slots=max(0, self.slots - len(works)),
            gpus=max(0, self.gpus - sum(work.gpus for work in works)),
        )

    @property
    def is_full(self) -> bool:
        """Whether asking for a job is pointless."""
        return self.slots == 0 or self.cores == 0


@dataclass(frozen=True)
class Node:
    """What does not change while the pilot lives."""

    host: str
    model: str
    features: Tuple[str, ...]
    tags: Tuple[str, ...]
    power_db12: float
    allocation: Allocation
    gpus: Gpus = field(default_factory=Gpus)
    is_whole: bool = False
    """Whether the pilot has the machine for itself."""
    engine: Optional[Engine] = None
    """What runs CWL jobs, and says whether it still can."""

    def offer(self, running: Sequence[Work], wall_s: float) -> Dict[str, Any]:
        """The node document of a match request."""
        left = self.allocation.without(running)
        return {
            "host": self.host,
            "system": {"name": platform.system()},
            "wall_time": max(0, int(wall_s)),
            "cpu_power_db12": self.power_db12,
            "cpu": {
                "num_nodes": 1,
                "num_cores": left.cores,
                # A job that wants a node for itself cannot have one where others run.
                "whole_node": self.is_whole and not running,
                "ram_mb": left.ram_mb,
                "architecture": {"name": platform.machine(), "features": list(self.features)},
            },
            "gpu": self.gpus.offer(left.gpus),
            "io": {"scratch_mb": left.scratch_mb},
            "tags": list(self.tags) if self.engine is None else self.engine.tags(self.tags),
        }
