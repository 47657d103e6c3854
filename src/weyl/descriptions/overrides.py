"""What retries have added to what a job asks for: more memory, more time, places to avoid; its description stays."""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from weyl.task_queues.validation import AVOID_MAX, CPU_WORK_MAX, RAM_MB_MAX, WALL_TIME_MAX


@dataclass(frozen=True, slots=True)
class Overrides:
    """Factors and exclusions of the next run, and how often each class of error has been answered by a retry."""

    memory: float = 1.0
    time: float = 1.0
    # What a job without a need of memory is to get: the run before had less.
    memory_mb: int = 0
    hosts: tuple[str, ...] = ()
    # When the hosts may have it again.
    hosts_until: datetime | None = None
    sites: tuple[str, ...] = ()
    retries: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> "Overrides":
        """Return what is stored with a job."""
        if not document:
            return NONE
        avoid = document.get("avoid") or {}
        until = avoid.get("hosts_until")
        return cls(
            memory=document.get("memory", 1.0),
            time=document.get("time", 1.0),
            memory_mb=document.get("memory_mb", 0),
            hosts=tuple(avoid.get("hosts") or ()),
            hosts_until=None if until is None else datetime.fromisoformat(until),
            sites=tuple(avoid.get("sites") or ()),
            retries=document.get("retries") or {},
        )

    def document(self) -> dict[str, Any]:
        """Return the form that is stored and shown; what is as authored is left out."""
        avoid: dict[str, Any] = {name: list(entries) for name, entries in self.avoid.items() if entries}
        if self.hosts and self.hosts_until is not None:
            avoid["hosts_until"] = self.hosts_until.isoformat().replace("+00:00", "Z")
        said = {
            "memory": self.memory if self.memory != 1.0 else None,
            "time": self.time if self.time != 1.0 else None,
            "memory_mb": self.memory_mb or None,
            "avoid": avoid or None,
            "retries": dict(self.retries) or None,
        }
        return {name: value for name, value in said.items() if value is not None}

    @property
    def avoid(self) -> dict[str, Sequence[str]]:
        """Return the places to avoid, as classes have them."""
        return {"hosts": self.hosts, "sites": self.sites}

    def applied(self, requirements: Mapping[str, Any]) -> dict[str, Any]:
        """Return a requirements document with the factors laid over it."""
        wanted: dict[str, Any] = deepcopy(dict(requirements))
        _scale(wanted, "cpu_work_db12", self.time, CPU_WORK_MAX)
        _scale(wanted, "wall_time", self.time, WALL_TIME_MAX)
        if self.memory == 1.0:
            return wanted
        terms = [each for each in ((wanted.get("cpu") or {}).get("ram_mb") or {}).values() if each]
        for each in terms:
            _scale(each, "overhead", self.memory, RAM_MB_MAX)
            _scale(each, "per_core", self.memory, RAM_MB_MAX)
        if not terms and self.memory_mb:
            cpu = wanted["cpu"] = dict(wanted.get("cpu") or {})
            cpu["ram_mb"] = {"request": {"overhead": self.memory_mb, "per_core": 0}}
        return wanted


NONE = Overrides()


def joined(known: Sequence[str], place: str | None) -> tuple[str, ...]:
    """Add a place to those that are avoided; the oldest is forgotten when there are too many."""
    if not place:
        return tuple(known)
    return (*(each for each in known if each != place), place)[-AVOID_MAX:]


def _scale(document: dict[str, Any], name: str, factor: float, most: int) -> None:
    value = document.get(name)
    if factor != 1.0 and isinstance(value, int) and value:
        document[name] = min(most, math.ceil(value * factor))
