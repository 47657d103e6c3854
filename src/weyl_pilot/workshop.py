"""What jobs need of this machine, made ready once: directories, walls, what there is to offer, and who looks on."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from weyl_pilot import batch, logs, probe
from weyl_pilot.bundles import Bundles
from weyl_pilot.cgroups import Groups, find_groups
from weyl_pilot.engine import Engine, EngineArchive, find_engine, make_behind, paths_of, search_path
from weyl_pilot.gpus import find_gpus
from weyl_pilot.hashed import Shelf
from weyl_pilot.isolation import Walls, find_walls, remove_tree
from weyl_pilot.offer import WALL_DEFAULT_S, Allocation, Node
from weyl_pilot.processes import adopt_orphans
from weyl_pilot.pythons import python_tags
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.server import AGENT, Server
from weyl_pilot.settings import Settings
from weyl_pilot.shares import Shares, own_cpus
from weyl_pilot.shop import CwlTools, Shop
from weyl_pilot.starts import Starts
from weyl_pilot.uids import Uids
from weyl_pilot.uploads import Uploads
from weyl_pilot.watchdog import DISK_RESERVE_MB, Watchdog
from weyl_pilot.work import DEFAULT_PATH

log = logging.getLogger("weyl_pilot.workshop")

REPORT_EVERY_S = 120.0
POWER_DB12 = 10.0


@dataclass(frozen=True)
class Told:
    """What this machine cannot know by itself: who speaks for its jobs, under which stamp, and what the queue gives."""

    server: Server
    stamp: str
    options: Mapping[str, Any]
    ends_at: float
    """By the monotonic clock: when the allocation is over."""
    sandboxes: Callable[[Path], Sandboxes]
    """Makes what moves sandboxes, from the directory of its cache."""
    shelf: Optional[Shelf] = None
    """What has the archives of engines and commands, if they are not to be fetched."""
    uploads: Optional[Uploads] = None
    """What takes output data, if they are not to be stored from here."""


class Workshop:
    """The shop of all jobs here, and the node that it stands on; `close` clears away what jobs left."""

    def __init__(self, settings: Settings, told: Told) -> None:
        options = told.options
        self._private, self._jobs_dir = _directories(settings.work_dir)
        self._engines = settings.work_dir / "engine"
        engine_directory = settings.engine or str(options.get("payload_engine") or "") or None
        uids = Uids()
        walls = find_walls(
            settings.isolation,
            settings.work_dir,
            hide=[*settings.hide, *_texts(options, "hide")],
            software=[
                *settings.software,
                *_texts(options, "payload_software"),
                *paths_of(engine_directory),
            ],
            scratch=self._jobs_dir,
            uids=uids,
        )
        groups = find_groups()
        names = ", ".join(groups.controllers) or "none"
        log.info("payloads are isolated by level %r; control groups: %s", walls.level, names)
        if walls.level == "namespace":
            adopt_orphans()
        environment = {str(k): str(v) for k, v in (options.get("payload_environment") or {}).items()}
        shelf = told.shelf or Shelf(told.server, self._private / "archives")
        path = search_path(environment)
        behind = make_behind(walls, scratch=self._jobs_dir, uids=uids, path=path)
        archives = [EngineArchive.from_document(entry) for entry in options.get("engines") or ()]
        found = find_engine(engine_directory, archives, behind=behind, path=path)
        engine = Engine(found, walls, place=self._engines, shelf=shelf, behind=behind)
        features = probe.feature_tags(walls.level, limits_memory=groups.limits_memory)
        pythons = python_tags(behind, environment.get("PATH") or DEFAULT_PATH)
        node = _node(settings, options, tags=[*features, *pythons])
        self.node = replace(node, engine=engine)
        self._watchdog = Watchdog(settings.report_every_s or float(options.get("report_every_s") or REPORT_EVERY_S))
        self._watchdog.start()
        self.starts = Starts(settings.place)
        self.shop = Shop(
            server=told.server,
            sandboxes=told.sandboxes(self._private / "cache"),
            uploads=told.uploads or Uploads(told.server, ends_at=told.ends_at),
            walls=walls,
            watchdog=self._watchdog,
            starts=self.starts,
            jobs_dir=self._jobs_dir,
            spool=self._private / "spool",
            facts=_facts(settings, told.stamp, node=self.node, walls=walls),
            environment=environment,
            shelf=shelf,
            cwl=CwlTools(engine, Bundles(told.server, self._private / "bundles")),
            mask=lambda text: logs.mask(text, list(told.server.secrets)),
            power_db12=self.node.power_db12,
            ends_at=told.ends_at,
            shares=_shares(settings, self.node, groups, uids=uids if walls.needs_uid else None),
        )

    def close(self) -> None:
        """Ends the watch, lets no further payload start, and removes what is not needed any more."""
        self._watchdog.close()
        self.starts.seal()
        remove_tree(self._jobs_dir)
        for directory in (self._private / "cache", self._private / "archives", self._private / "bundles"):
            remove_tree(directory)
        remove_tree(self._engines)


def wall_s(settings: Settings, options: Mapping[str, Any]) -> float:
    """The least number of seconds that anybody gives us."""
    told = [int(options.get(name) or 0) for name in ("wall_s", "token_life_s")]
    limits = [settings.wall_s, *told, batch.seconds_left(os.environ) or 0]
    known = [limit for limit in limits if limit > 0]
    return float(min(known)) if known else float(WALL_DEFAULT_S)


def _directories(work_dir: Path) -> "tuple[Path, Path]":
    """The pilot's own directory, which nobody else can enter, and the one of the jobs, beside it."""
    work_dir.mkdir(parents=True, exist_ok=True)
    private, jobs_dir = work_dir / "private", work_dir / "jobs"
    for directory in (private, *(private / name for name in ("cache", "spool", "archives", "bundles"))):
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    jobs_dir.mkdir(exist_ok=True)
    jobs_dir.chmod(0o711)
    engines = work_dir / "engine"
    engines.mkdir(exist_ok=True)
    engines.chmod(0o755)
    return private, jobs_dir


def _shares(settings: Settings, node: Node, groups: Groups, *, uids: Optional[Uids]) -> Shares:
    cpus = own_cpus(
        node.allocation.cores,
        is_whole_node=settings.whole_node,
        usable=sorted(os.sched_getaffinity(0)),
        online=os.cpu_count() or 1,
    )
    return Shares(cpus=cpus, gpus=node.gpus.ids, groups=groups, memory_mb=node.allocation.ram_mb, uids=uids)


def _node(settings: Settings, options: Mapping[str, Any], *, tags: Sequence[str]) -> Node:
    cores, memory_mb = settings.cores, settings.memory_mb
    if settings.whole_node:  # nodes differ, and all of this one is ours, whatever was expected
        cores = memory_mb = 0
    cores = cores or int(options.get("cores") or 0) or probe.usable_cores()
    cpu, gpus = probe.processor(), find_gpus(os.environ).taken(settings.gpus, Path("/tmp/weyl-gpus-%d" % os.geteuid()))
    tags = [*settings.tags, *_texts(options, "tags"), *tags]
    system = probe.os_tag()
    return Node(
        host=probe.host_name(),
        model=str(cpu["model"]),
        features=tuple(cpu["features"]),
        tags=tuple(sorted({*tags, system} if system else set(tags))),
        power_db12=settings.power_db12 or float(options.get("power_db12") or POWER_DB12),
        gpus=gpus,
        is_whole=settings.whole_node,
        allocation=Allocation(
            cores=cores,
            ram_mb=memory_mb or int(options.get("memory_mb") or 0) or probe.usable_memory_mb(),
            scratch_mb=settings.scratch_mb
            or int(options.get("scratch_mb") or 0)
            or max(1, probe.free_disk_mb(settings.work_dir) - DISK_RESERVE_MB),
            slots=settings.slots or int(options.get("slots") or 0) or cores,
            gpus=len(gpus.ids),
        ),
    )


def _facts(settings: Settings, stamp: str, *, node: Node, walls: Walls) -> Dict[str, Any]:
    return {
        "HostName": node.host,
        "ModelName": node.model,
        "LocalAccount": probe.account(),
        "Pilot_Reference": stamp,
        "PilotAgent": AGENT,
        "Isolation": walls.level,
        "WeylURL": settings.url,
    }


def _texts(options: Mapping[str, Any], name: str) -> List[str]:
    return [str(value) for value in options.get(name) or ()]
