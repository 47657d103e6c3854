"""Start of the pilot: probe the machine, trade the secret for a token, work, say how it ended."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from weyl_pilot import batch, logs, probe
from weyl_pilot.cgroups import Groups, find_groups
from weyl_pilot.connection import Connections, Refused, Unreachable
from weyl_pilot.gpus import find_gpus
from weyl_pilot.isolation import IsolationUnavailable, Walls, find_walls
from weyl_pilot.loop import Loop, Rules
from weyl_pilot.offer import WALL_DEFAULT_S, Allocation, Node
from weyl_pilot.processes import adopt_orphans, hide_memory
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.server import AGENT, Server, Welcome
from weyl_pilot.settings import Settings, parse_arguments
from weyl_pilot.shares import Shares, own_cpus
from weyl_pilot.watchdog import Watchdog
from weyl_pilot.wrapper import Shop, Wrapper, remove_tree

log = logging.getLogger("weyl_pilot")

REPORT_EVERY_S = 120.0
POWER_DB12 = 10.0
DISK_RESERVE_MB = 600


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs one pilot; exit code 0 means that it ended as it should."""
    started = time.monotonic()
    settings = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    os.umask(0o022)
    hide_memory()
    server = Server(settings.url, Connections(settings.ca_file))
    formatter = logs.set_up(lambda: server.secrets)
    shipper = logs.Shipper(server.send_log)
    shipper.setFormatter(formatter)
    log.addHandler(shipper)
    # Until the loop takes over there is nothing to save.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        welcome = _redeem(settings, server)
    except (OSError, Refused, Unreachable) as error:
        log.error("the server did not accept this pilot: %s", error)
        return 1
    shipper.start()
    try:
        is_good, reason = _work(
            settings, server, welcome=welcome, ends_at=started + _wall_s(settings, welcome.settings)
        )
    except IsolationUnavailable as error:
        is_good, reason = False, str(error)
    except Exception as error:
        log.exception("the pilot failed")
        is_good, reason = False, "%s: %s" % (type(error).__name__, error)
    log.info("end: %s", reason)
    if settings.work_dir.is_dir():
        shipper.flush_now()
    _say_goodbye(server, welcome, is_good=is_good, reason=reason)
    return 0 if is_good else 1


def _redeem(settings: Settings, server: Server) -> Welcome:
    secret = settings.secret_file.read_text(encoding="utf-8").strip()
    host = probe.host_name()
    log.info("%s on %s, python %s", AGENT, host, sys.version.split()[0])
    welcome = server.redeem(secret, stamp=settings.stamp, host=host)
    # It is of no use any more, and what does not exist cannot be read.
    settings.secret_file.unlink()
    log.info("pilot %s of %s at %s", welcome.stamp, welcome.vo, welcome.site)
    return welcome


def _work(settings: Settings, server: Server, *, welcome: Welcome, ends_at: float) -> "tuple[bool, str]":
    options = welcome.settings
    private, jobs_dir = _directories(settings.work_dir)
    walls = find_walls(
        settings.isolation,
        settings.work_dir,
        hide=[*settings.hide, *_texts(options, "hide")],
        software=[*settings.software, *_texts(options, "payload_software")],
        scratch=jobs_dir,
    )
    groups = find_groups()
    log.info(
        "payloads are isolated by level %r; control groups: %s", walls.level, ", ".join(groups.controllers) or "none"
    )
    if walls.level == "namespace":
        adopt_orphans()
    node = _node(settings, options, tags=probe.feature_tags(walls.level, limits_memory=groups.limits_memory))
    log.info("offer: %s", node.allocation)
    watchdog = Watchdog(settings.report_every_s or float(options.get("report_every_s") or REPORT_EVERY_S))
    watchdog.start()
    shop = Shop(
        server=server,
        sandboxes=Sandboxes(server, private / "cache"),
        walls=walls,
        watchdog=watchdog,
        jobs_dir=jobs_dir,
        spool=private / "spool",
        facts=_facts(settings, welcome, node=node, walls=walls),
        environment={str(k): str(v) for k, v in (options.get("payload_environment") or {}).items()},
        commands=options.get("payload_commands") or {},
        mask=lambda text: logs.mask(text, list(server.secrets)),
        power_db12=node.power_db12,
        ends_at=ends_at,
        shares=_shares(settings, node, groups),
    )
    rules = Rules(
        ends_at=ends_at,
        idle_s=settings.idle_s,
        empty_matches_max=settings.empty_matches_max,
        jobs_max=settings.jobs_max,
        long_poll_s=max(0, min(30, settings.long_poll_s)),
        work_dir=settings.work_dir,
    )
    loop = Loop(server, node, rules=rules, make=lambda work: Wrapper(work, replace(shop, drain=loop.drain)))
    loop.install_signals()
    try:
        return loop.run()
    finally:
        watchdog.close()
        remove_tree(jobs_dir)
        remove_tree(private / "cache")


def _directories(work_dir: Path) -> "tuple[Path, Path]":
    """The pilot's own directory, which nobody else can enter, and the one of the jobs, beside it."""
    work_dir.mkdir(parents=True, exist_ok=True)
    private, jobs_dir = work_dir / "private", work_dir / "jobs"
    for directory in (private, private / "cache", private / "spool"):
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
    jobs_dir.mkdir(exist_ok=True)
    jobs_dir.chmod(0o711)
    return private, jobs_dir


def _shares(settings: Settings, node: Node, groups: Groups) -> Shares:
    cpus = own_cpus(
        node.allocation.cores,
        is_whole_node=settings.whole_node,
        usable=sorted(os.sched_getaffinity(0)),
        online=os.cpu_count() or 1,
    )
    return Shares(cpus=cpus, gpus=node.gpus.ids, groups=groups, memory_mb=node.allocation.ram_mb)


def _node(settings: Settings, options: Mapping[str, Any], *, tags: Sequence[str]) -> Node:
    cores, memory_mb = settings.cores, settings.memory_mb
    if settings.whole_node:  # nodes differ, and all of this one is ours, whatever was expected
        cores = memory_mb = 0
    cores = cores or int(options.get("cores") or 0) or probe.usable_cores()
    cpu, gpus = probe.processor(), find_gpus(os.environ).first(settings.gpus)
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


def _wall_s(settings: Settings, options: Mapping[str, Any]) -> float:
    told = [int(options.get(name) or 0) for name in ("wall_s", "token_life_s")]
    limits = [settings.wall_s, *told, batch.seconds_left(os.environ) or 0]
    known = [limit for limit in limits if limit > 0]
    return float(min(known)) if known else float(WALL_DEFAULT_S)


def _facts(settings: Settings, welcome: Welcome, *, node: Node, walls: Walls) -> Dict[str, Any]:
    return {
        "HostName": node.host,
        "ModelName": node.model,
        "LocalAccount": probe.account(),
        "Pilot_Reference": welcome.stamp,
        "PilotAgent": AGENT,
        "Isolation": walls.level,
        "WeylURL": settings.url,
    }


def _texts(options: Mapping[str, Any], name: str) -> List[str]:
    return [str(value) for value in options.get(name) or ()]


def _say_goodbye(server: Server, welcome: Welcome, *, is_good: bool, reason: str) -> None:
    fields = {"Status": "Done" if is_good else "Failed", "StatusReason": reason[:255]}
    try:
        server.report_pilot(welcome.stamp, fields)
    except (Refused, Unreachable) as error:
        log.error("the server did not take the last report: %s", error)


def start() -> None:
    """Entry of the archive: runs the pilot and ends the process with its exit code."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads may still sit in a request that nobody waits for; everything worth keeping has been sent.
    os._exit(code)


if __name__ == "__main__":
    start()
