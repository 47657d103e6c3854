"""What a pilot is told when it starts: command line arguments, checked and with their defaults."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

ISOLATION_LEVELS = ("auto", "namespace", "user", "clean")


@dataclass(frozen=True)
class Settings:
    """Everything that does not come from the server; None means that the pilot finds out by itself."""

    url: str
    secret_file: Path
    work_dir: Path
    stamp: Optional[str] = None
    site: Optional[str] = None
    jobs_max: int = 0
    slots: int = 0
    cores: int = 0
    memory_mb: int = 0
    scratch_mb: int = 0
    gpus: int = -1
    whole_node: bool = False
    wall_s: int = 0
    idle_s: int = 1200
    empty_matches_max: int = 10
    long_poll_s: int = 20
    report_every_s: float = 0
    power_db12: float = 0
    isolation: str = "auto"
    tags: Tuple[str, ...] = ()
    software: Tuple[str, ...] = ()
    hide: Tuple[str, ...] = ()
    engine: Optional[str] = None
    """Directory of an environment with `weyl_engine`."""
    ca_file: Optional[str] = None
    bundle: Optional[Path] = None
    """The job to run where there is no network; everything that is needed of the server lies beside it."""
    place: Path = Path()
    """What is here when the pilot has ended can be carried back to the worker."""


def parse_arguments(arguments: Sequence[str], environment: Optional[dict] = None) -> Settings:  # type: ignore[type-arg]
    """Turns the command line into settings; the stamp may also come from `WEYL_PILOT_STAMP`."""
    environment = dict(os.environ) if environment is None else environment
    parser = _parser()
    options = parser.parse_args(list(arguments))
    if not options.bundle and not (options.url and options.secret_file):
        parser.error("--url and --secret-file are needed, or else --bundle")
    return Settings(
        url=options.url.rstrip("/"),
        secret_file=Path(options.secret_file).absolute(),
        work_dir=Path(options.work_dir).absolute(),
        place=Path(environment.get("WEYL_PLACE") or options.work_dir).absolute(),
        stamp=options.stamp or environment.get("WEYL_PILOT_STAMP") or None,
        site=options.site,
        jobs_max=options.max_jobs,
        slots=options.slots,
        cores=options.cores,
        memory_mb=options.memory_mb,
        scratch_mb=options.scratch_mb,
        gpus=options.gpus,
        whole_node=options.whole_node,
        wall_s=options.wall_s,
        idle_s=options.idle_s,
        empty_matches_max=options.empty_max,
        long_poll_s=options.long_poll_s,
        report_every_s=options.report_every_s,
        power_db12=options.power_db12,
        isolation=options.isolation,
        tags=tuple(options.tag),
        software=tuple(options.software),
        hide=tuple(options.hide) + _hidden_by_environment(environment.get("WEYL_PILOT_HIDE", "")),
        engine=options.engine,
        ca_file=options.ca_file,
        bundle=Path(options.bundle).absolute() if options.bundle else None,
    )


def _hidden_by_environment(value: str) -> Tuple[str, ...]:
    return tuple(part for part in value.split(os.pathsep) if part)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weyl-pilot.pyz",
        description="Takes jobs from a weyl server and runs them on this machine until none is left.",
    )
    required: List[Tuple[str, str]] = [
        ("--url", "address of the weyl server"),
        ("--secret-file", "file with the pilot's secret; it is deleted once it has been used"),
    ]
    for name, text in required:
        parser.add_argument(name, default="", help=text)
    parser.add_argument("--bundle", help="run this one job without a network, and leave its results here")
    parser.add_argument("--work-dir", default=".", help="directory for jobs and the pilot's own files [.]")
    parser.add_argument("--stamp", help="identity of this pilot [$WEYL_PILOT_STAMP, else the server gives one]")
    parser.add_argument("--site", help="name of the site, for the log only: the server knows it from the secret")
    numbers: List[Tuple[str, int, str]] = [
        ("--max-jobs", 0, "stop after this many jobs; 0 = no limit"),
        ("--slots", 0, "payloads side by side; 0 = one a core"),
        ("--cores", 0, "cores of the allocation; 0 = what the machine lets us use"),
        ("--memory-mb", 0, "memory of the allocation; 0 = what the machine lets us use"),
        ("--scratch-mb", 0, "disk of the allocation; 0 = free space of the work directory"),
        ("--gpus", -1, "GPUs of the allocation; -1 = those that the machine shows us"),
        ("--wall-s", 0, "seconds until the allocation ends; 0 = the server's figure for the queue"),
        ("--idle-s", 1200, "stop after this many seconds without a job"),
        ("--empty-max", 10, "stop after this many empty matches in a row"),
        ("--long-poll-s", 20, "seconds that an empty match request waits at the server, at most 30"),
    ]
    for name, default, text in numbers:
        parser.add_argument(name, type=int, default=default, help="%s [%d]" % (text, default))
    parser.add_argument("--whole-node", action="store_true", help="the machine is ours alone: use all of it")
    parser.add_argument("--report-every-s", type=float, default=0, help="seconds between heartbeats [server's figure]")
    parser.add_argument("--power-db12", type=float, default=0, help="benchmark of one core [server's figure, else 10]")
    parser.add_argument(
        "--isolation", choices=ISOLATION_LEVELS, default="auto", help="how payloads are fenced in [auto]"
    )
    parser.add_argument("--tag", action="append", default=[], help="atom added to the offer; may be repeated")
    parser.add_argument("--software", action="append", default=[], help="path that payloads may read; may be repeated")
    parser.add_argument("--hide", action="append", default=[], help="path that payloads may not see; may be repeated")
    parser.add_argument("--engine", help="environment whose weyl_engine runs CWL jobs [what the server says]")
    parser.add_argument("--ca-file", help="certificates to trust instead of the system's")
    return parser
