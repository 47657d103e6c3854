"""Looks at running payloads: what they use, whether they may go on, and tells the server that they live."""

from __future__ import annotations

import collections
import logging
import os
import random
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Deque, Dict, List, Optional, Tuple, Union

from weyl_pilot.carriage import Carriage
from weyl_pilot.outbox import Outbox
from weyl_pilot.payload import Payload
from weyl_pilot.probe import load_average
from weyl_pilot.processes import Process, Usage, snapshot
from weyl_pilot.work import Work

log = logging.getLogger("weyl_pilot.watchdog")

SAMPLE_EVERY_S = 10.0
FIRST_REPORT_SHARE = 0.4
FREE_DISK_MIN_MB = 500
# Neither offered nor used up: with less at its start a job would soon be stopped.
DISK_RESERVE_MB = FREE_DISK_MIN_MB + 100
MEMORY_MARGIN = 1.1
MEMORY_EXCEEDED = "Job has exceeded its memory limit"
IDLE_WINDOW_S = 1800.0
IDLE_SHARE = 0.05
STOP_BEFORE_END_S = 300.0
WALL_DEFAULT_S = 3 * 86400
PEEK_EVERY_S, PEEK_FOR_S = 10.0, 600.0
OPT_OUT_FILE = ".weyl-nowatch"
OPT_OUT_VARIABLE = "DISABLE_WATCHDOG_CPU_WALLCLOCK_CHECK"


@dataclass(frozen=True)
class Verdict:
    """Why a payload is made to stop. `status` None: the server has decided the status, the wrapper only obeys."""

    minor: str
    application: Optional[str] = None
    status: Optional[str] = "Failed"
    error_class: str = "payload"


@dataclass
class Watched:
    """A payload under watch, or files of it on their way, and what was seen of it."""

    work: Work
    payload: Union[Payload, Carriage]
    outbox: Outbox
    directory: Path
    disk_paths: Tuple[Path, ...]
    stop: Callable[[Verdict], None]
    mask: Callable[[str], str] = str
    ends_at: float = float("inf")
    """By the monotonic clock: when the pilot's allocation is over."""
    look: Callable[[], None] = lambda: None
    """Called with each sample."""
    next_report: float = 0.0
    peek_until: float = 0.0
    """By the monotonic clock: somebody looks on until then, so reports are frequent and long."""
    over_memory: int = 0
    history: Deque[Tuple[float, float]] = field(default_factory=collections.deque)

    @property
    def is_peeked_at(self) -> bool:
        """Whether somebody has asked for the output of late."""
        return time.monotonic() < self.peek_until

    @property
    def may_idle(self) -> bool:
        """Whether nothing is computed, or the job opted out of the check of CPU against wall time."""
        return (
            isinstance(self.payload, Carriage)
            or OPT_OUT_VARIABLE in self.work.environment
            or (self.directory / OPT_OUT_FILE).exists()
        )


def judge(watched: Watched, used: Usage, *, free_mb: int, disk_mb: Optional[int] = None) -> Optional[Verdict]:
    """Decides whether a payload must stop, from one sample and those before."""
    work, wall_s = watched.work, watched.payload.wall_s
    limit_s = work.wall_s or WALL_DEFAULT_S
    if wall_s > limit_s and not isinstance(watched.payload, Carriage):
        return Verdict("Job has exceeded maximum wall clock time", "Limit was %d s" % limit_s, error_class="time")
    if time.monotonic() > watched.ends_at - STOP_BEFORE_END_S:
        text = "The pilot's time is over in %d s" % STOP_BEFORE_END_S
        return Verdict("Job has exceeded maximum wall clock time", text, error_class="time")
    if free_mb < FREE_DISK_MIN_MB:
        text = "%d MB left on the disk" % free_mb
        return Verdict("Job has insufficient disk space to continue", text, error_class="host")
    if work.scratch_mb and disk_mb is not None and disk_mb > work.scratch_mb:
        text = "Used %d MB of %d MB" % (disk_mb, work.scratch_mb)
        return Verdict("Job has insufficient disk space to continue", text)
    limit_kb = work.ram_limit_mb * 1024 * MEMORY_MARGIN
    watched.over_memory = watched.over_memory + 1 if limit_kb and used.memory_kb > limit_kb else 0
    if watched.over_memory >= 2:
        text = "Memory limit exceeded: %d MB of %d MB" % (used.memory_kb // 1024, work.ram_limit_mb)
        return Verdict(MEMORY_EXCEEDED, text, error_class="memory")
    return _judge_idle(watched, used, wall_s=wall_s)


def _judge_idle(watched: Watched, used: Usage, *, wall_s: float) -> Optional[Verdict]:
    history = watched.history
    history.append((wall_s, used.cpu_s))
    while len(history) > 1 and history[1][0] <= wall_s - IDLE_WINDOW_S:
        history.popleft()
    span_s = wall_s - history[0][0]
    if span_s < IDLE_WINDOW_S or watched.may_idle:
        return None
    if used.cpu_s - history[0][1] >= IDLE_SHARE * span_s:
        return None
    return Verdict("Watchdog identified this job as stalled", "Less than 5 % CPU in 30 minutes", error_class="host")


def sample_fields(watched: Watched, used: Usage, *, free_mb: int) -> Dict[str, object]:
    """One heartbeat, in the words and units of the wire: kB, MB for disk, seconds."""
    fields: Dict[str, object] = {
        "LoadAverage": round(load_average(), 2),
        "MemoryUsed": float(used.memory_kb),
        "Vsize": float(used.virtual_kb),
        "AvailableDiskSpace": float(free_mb),
        "CPUConsumed": round(used.cpu_s, 2),
        "WallClockTime": round(watched.payload.wall_s, 2),
    }
    if watched.is_peeked_at:
        output, error = watched.payload.peek()
        return {**fields, "StandardOutput": watched.mask(output), "StandardError": watched.mask(error)}
    return {**fields, "StandardOutput": watched.mask(watched.payload.tail())}


def disk_usage_mb(paths: Tuple[Path, ...]) -> int:
    """Space that files below the paths take."""
    total = 0
    for top in paths:
        for parent, _, files in os.walk(str(top)):
            for name in files:
                try:
                    total += os.lstat(os.path.join(parent, name)).st_blocks * 512
                except OSError:
                    continue  # it was removed while we looked
    return total // (1024 * 1024)


class Watchdog:
    """One thread for all payloads of the pilot."""

    def __init__(self, report_every_s: float) -> None:
        self._report_every_s = max(0.2, report_every_s)
        self._sample_every_s = min(SAMPLE_EVERY_S, self._report_every_s)
        self._watched: Dict[int, Watched] = {}
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._is_ended = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._is_ended = True
        self._woken.set()

    def add(self, watched: Watched) -> None:
        """Watches a payload from now on; the first heartbeat comes early: whoever submitted it may be looking."""
        watched.next_report = time.monotonic() + self._period_s(watched) * FIRST_REPORT_SHARE
        with self._lock:
            self._watched[watched.work.job_id] = watched

    def peek(self, job_id: int) -> None:
        """Reports of this payload at once, and often and at length for a while."""
        with self._lock:
            watched = self._watched.get(job_id)
            if watched is None:
                return
            watched.peek_until = time.monotonic() + PEEK_FOR_S
            watched.next_report = time.monotonic()
        self._woken.set()

    def remove(self, job_id: int) -> None:
        """Watches it no more."""
        with self._lock:
            self._watched.pop(job_id, None)

    def _period_s(self, watched: Watched) -> float:
        every_s = min(self._report_every_s, PEEK_EVERY_S) if watched.is_peeked_at else self._report_every_s
        return every_s * random.uniform(0.9, 1.1)

    def _run(self) -> None:
        while True:
            self._woken.wait(self._pause_s())
            self._woken.clear()
            if self._is_ended:
                return
            with self._lock:
                everyone: List[Watched] = list(self._watched.values())
            if not everyone:
                continue
            table = snapshot()
            for watched in everyone:
                try:
                    self._look(watched, table)
                except OSError as error:
                    log.info("job %d ended while it was looked at: %s", watched.work.job_id, error)

    def _pause_s(self) -> float:
        """Until the next sample, or the next heartbeat if that is due before."""
        with self._lock:
            due = [watched.next_report for watched in self._watched.values()]
        until_report_s = min(due) - time.monotonic() if due else self._sample_every_s
        return min(self._sample_every_s, max(0.05, until_report_s))

    def _look(self, watched: Watched, table: Dict[int, Process]) -> None:
        is_due = time.monotonic() >= watched.next_report
        used = watched.payload.measure(table)
        watched.look()
        free_mb = shutil.disk_usage(str(watched.directory)).free // (1024 * 1024)
        disk_mb = disk_usage_mb(watched.disk_paths) if is_due and watched.work.scratch_mb else None
        if is_due:
            watched.next_report = time.monotonic() + self._period_s(watched)
            watched.outbox.heartbeat(sample_fields(watched, used, free_mb=free_mb))
        verdict = judge(watched, used, free_mb=free_mb, disk_mb=disk_mb)
        if verdict is not None:
            log.warning("job %d must stop: %s (%s)", watched.work.job_id, verdict.minor, verdict.application)
            watched.stop(verdict)
