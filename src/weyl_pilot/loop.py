"""The match loop: fill the allocation with payloads, ask again when one ends, and know when to stop."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from weyl_pilot.connection import Refused, Unreachable
from weyl_pilot.offer import SAFETY_S, Node
from weyl_pilot.outcome import Outcome, broken
from weyl_pilot.server import Server, new_request_id
from weyl_pilot.watchdog import DISK_RESERVE_MB, Verdict
from weyl_pilot.work import Work
from weyl_pilot.wrapper import Wrapper

log = logging.getLogger("weyl_pilot.loop")

TIME_LEFT_MIN_S = 600
HOST_FAILURES_MAX = 3
FINALLY_S = 60.0
BUSY_POLL_S = 5
PAUSE_MAX_S = 300.0
DRAIN_LOOK_S = 2.0
COUNT_MAX = 1000
ROOM_LOOK_S = 10.0

Event = Tuple[str, Any]


@dataclass(frozen=True)
class Rules:
    """When to ask and when to stop."""

    ends_at: float
    """By the monotonic clock: when the allocation is over."""
    idle_s: float = 1200
    empty_matches_max: int = 10
    jobs_max: int = 0
    long_poll_s: int = 20
    pause_first_s: float = 30.0
    """After the first empty match, or one that failed; then twice as long each time."""
    work_dir: Optional[Path] = None
    """Holds the file `drain` when the pilot is to finish; when it goes away, so does the pilot."""


@dataclass
class Tally:
    """What happened so far."""

    jobs: int = 0
    empty: int = 0
    host_failures: int = 0
    last_job_at: float = field(default_factory=time.monotonic)
    pause_s: float = 0.0
    miss: str = "queue"
    """Why the last request got no job, in the server's word."""


class Loop:
    """Everything that happens is an event in one queue, so that nothing waits where a signal cannot reach it."""

    def __init__(self, server: Server, node: Node, *, rules: Rules, make: Callable[[Work], Wrapper]) -> None:
        self._server = server
        self._node = node
        self._rules = rules
        self._make = make
        self._events: "queue.SimpleQueue[Event]" = queue.SimpleQueue()
        self._running: Dict[int, Wrapper] = {}
        self._closing: List[Wrapper] = []
        self._tally = Tally(pause_s=rules.pause_first_s)
        self._is_asking = False
        self._request_id = ""
        self._is_short = False
        self._ask_at = 0.0
        self._stop_reason: Optional[str] = None
        self._is_terminated = False

    def drain(self, reason: str) -> None:
        """Takes no more jobs; from any thread."""
        self._events.put(("drain", reason))

    def install_signals(self) -> None:
        """SIGUSR1 drains, SIGTERM and SIGINT end the pilot and its payloads."""
        signal.signal(signal.SIGUSR1, lambda number, frame: self._events.put(("drain", "drained by SIGUSR1")))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_terminate)

    def _on_terminate(self, number: int, frame: object) -> None:
        self._events.put(("terminate", "ended by " + signal.Signals(number).name))

    def run(self) -> Tuple[bool, str]:
        """Works until there is a reason to stop; returns whether that was a good end, and the reason."""
        while True:
            self._look_for_reasons()
            if self._is_terminated:
                break
            if self._stop_reason is not None and not self._running and not self._is_asking:
                break
            self._maybe_ask()
            try:
                self._handle(self._events.get(timeout=self._wait_s()))
            except queue.Empty:
                continue
        self._wind_up()
        return not self._is_terminated, "%s; %d jobs" % (self._stop_reason, self._tally.jobs)

    def _wait_s(self) -> float:
        is_full = self._node.allocation.without(self._works()).is_full
        if self._is_asking or is_full or self._stop_reason is not None:
            return DRAIN_LOOK_S
        return max(0.05, min(DRAIN_LOOK_S, self._ask_at - time.monotonic()))

    # -- asking ----------------------------------------------------------------------------------------------------

    def _works(self) -> List[Work]:
        return [wrapper.work for wrapper in self._running.values()]

    def _wall_left_s(self) -> float:
        return self._rules.ends_at - time.monotonic() - SAFETY_S

    def _maybe_ask(self) -> None:
        left = self._node.allocation.without(self._works())
        if self._is_asking or self._stop_reason is not None or left.is_full or time.monotonic() < self._ask_at:
            return
        if self._lacks_room():
            self._ask_at = time.monotonic() + ROOM_LOOK_S
            return
        count = min(left.slots, left.cores, COUNT_MAX)
        if self._rules.jobs_max:
            count = min(count, self._rules.jobs_max - self._tally.jobs)
        # A question that nobody answered may have got jobs all the same: asked once more, it brings them.
        self._request_id = self._request_id or new_request_id()
        request = {
            "request_id": self._request_id,
            "offer": self._node.offer(self._works(), self._wall_left_s()),
            "count": max(1, count),
            "fill": True,
            # With payloads running the rest of the node may change any moment: do not stay away for long.
            "wait_s": min(self._rules.long_poll_s, BUSY_POLL_S) if self._running else self._rules.long_poll_s,
        }
        self._is_asking = True
        threading.Thread(target=self._ask, args=(request,), name="match", daemon=True).start()

    def _lacks_room(self) -> bool:
        if self._rules.work_dir is None:
            return False
        try:
            free_mb = shutil.disk_usage(str(self._rules.work_dir)).free >> 20
        except OSError:
            return False
        was_short, self._is_short = self._is_short, free_mb < DISK_RESERVE_MB
        if self._is_short and not was_short:
            log.warning("no job is asked for: only %d MB are free in %s", free_mb, self._rules.work_dir)
        if self._is_short:
            # What it ends for if this goes on: that nothing waits would be a good reason to send the next pilot here.
            self._tally.miss = "scratch"
        return self._is_short

    def _ask(self, request: Mapping[str, Any]) -> None:
        start = time.monotonic()
        try:
            answer = self._server.match(request)
        except (Refused, Unreachable) as error:
            self._events.put(("unmatched", error))
        except Exception as error:
            log.exception("asking for jobs failed")
            self._events.put(("unmatched", error))
        else:
            waited = time.monotonic() - start >= 0.8 * float(request["wait_s"]) > 0
            self._events.put(("matched", (answer, waited)))

    # -- events ----------------------------------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        name, what = event
        if name == "matched":
            self._on_matched(*what)
        elif name == "unmatched":
            self._on_unmatched(what)
        elif name == "ended":
            self._on_ended(*what)
        elif name == "drain":
            self._stop(str(what))
        elif name == "terminate":
            self._stop_reason, self._is_terminated = str(what), True

    def _on_matched(self, answer: Mapping[str, Any], waited: bool) -> None:
        self._is_asking, self._request_id = False, ""
        for job_id in answer.get("kill") or ():
            if int(job_id) in self._running:
                self._running[int(job_id)].stop(Verdict("Received Kill signal", status=None, error_class="user"))
        jobs = answer.get("jobs") or []
        for job in jobs:
            self._start(Work.from_match(job))
        if jobs:
            self._tally.empty, self._tally.pause_s, self._ask_at = 0, self._rules.pause_first_s, 0.0
        else:
            self._on_empty(answer.get("miss") or {}, waited)
        if answer.get("action") in ("drain", "stop"):
            self._stop("the server said " + str(answer["action"]))

    def _on_empty(self, miss: Mapping[str, Any], waited: bool) -> None:
        if not self._running:
            self._tally.empty += 1
        self._tally.miss = str(miss.get("condition") or "queue")
        wanted_s = miss.get("retry_after_s")
        if wanted_s is None and waited:
            wanted_s = 0
        if wanted_s is None:
            wanted_s = self._tally.pause_s
            self._tally.pause_s = min(2 * self._tally.pause_s, PAUSE_MAX_S)
        self._ask_at = time.monotonic() + float(wanted_s)
        log.info("no job: %s; asking again in %.0f s", miss.get("condition") or "nothing waits", float(wanted_s))

    def _on_unmatched(self, error: Exception) -> None:
        self._is_asking = False
        if isinstance(error, Refused):
            self._request_id = ""
        if isinstance(error, Refused) and error.status in (401, 403):
            self._stop("the server no longer knows this pilot: %s" % error)
            return
        log.warning("could not ask for jobs: %s", error)
        self._ask_at = time.monotonic() + self._tally.pause_s
        self._tally.pause_s = min(2 * self._tally.pause_s, PAUSE_MAX_S)

    def _start(self, work: Work) -> None:
        log.info("job %d: matched, %d cores, %d MB", work.job_id, work.cores, work.ram_mb)
        self._tally.jobs += 1
        wrapper = self._make(work)
        self._running[work.job_id] = wrapper
        # One thread from start to end of the job: the kernel ends a payload together with the thread that started it.
        threading.Thread(target=self._carry, args=(wrapper,), name="job-%d" % work.job_id, daemon=True).start()

    def _carry(self, wrapper: Wrapper) -> None:
        try:
            outcome = wrapper.run()
        except Exception as error:
            log.exception("job %d: what it had could not be given back", wrapper.work.job_id)
            outcome = broken(error)
        self._events.put(("ended", (wrapper, outcome)))

    def _on_ended(self, wrapper: Wrapper, outcome: Outcome) -> None:
        self._running.pop(wrapper.work.job_id, None)
        self._closing = [old for old in self._closing if not old.outbox.is_finished]
        self._closing.append(wrapper)
        self._tally.last_job_at, self._ask_at = time.monotonic(), 0.0
        is_host = outcome.error_class in ("host", "pilot")
        self._tally.host_failures = self._tally.host_failures + 1 if is_host else 0

    # -- the end ---------------------------------------------------------------------------------------------------

    def _stop(self, reason: str) -> None:
        if self._stop_reason is None:
            log.info("no further jobs: %s", reason)
            self._stop_reason = reason

    def _look_for_reasons(self) -> None:
        tally, rules = self._tally, self._rules
        if self._is_abandoned():
            self._stop_reason, self._is_terminated = "left alone: its directory was removed", True
        elif rules.work_dir is not None and os.path.exists(str(rules.work_dir / "drain")):
            self._stop("drain file found")
        elif rules.jobs_max and tally.jobs >= rules.jobs_max:
            self._stop("the wanted number of jobs is done")
        elif self._wall_left_s() < TIME_LEFT_MIN_S:
            self._stop("the time of the allocation is nearly over")
        elif tally.host_failures >= HOST_FAILURES_MAX:
            self._stop("%d jobs in a row failed because of this host" % tally.host_failures)
        elif self._running:
            return
        elif tally.empty >= rules.empty_matches_max:
            self._stop("no job in %d requests, the last for `%s`" % (tally.empty, tally.miss))
        elif time.monotonic() - tally.last_job_at > rules.idle_s and not self._is_asking:
            self._stop("no job in %d s, the last for `%s`" % (rules.idle_s, tally.miss))

    def _is_abandoned(self) -> bool:
        """Whether whoever started the pilot has cleared it away; the kernel ends its payloads when it exits."""
        return self._rules.work_dir is not None and not os.path.isdir(str(self._rules.work_dir))

    def _wind_up(self) -> None:
        """Ends payloads if the pilot was told to end, and gives the last reports their time."""
        give_up = time.monotonic() + FINALLY_S
        if self._is_terminated:
            for wrapper in self._running.values():
                reason = "Pilot %s" % self._stop_reason
                wrapper.stop(Verdict("Received Kill signal", reason, error_class="pilot"), hurry=True)
            while self._running and time.monotonic() < give_up and not self._is_abandoned():
                try:
                    name, what = self._events.get(timeout=1.0)
                except queue.Empty:
                    continue
                if name == "ended":
                    self._on_ended(*what)
        if self._is_abandoned():
            return
        patience_s = max(5.0, give_up - time.monotonic()) if self._is_terminated else max(60.0, self._wall_left_s())
        until = time.monotonic() + patience_s
        for wrapper in [*self._closing, *self._running.values()]:
            if not wrapper.outbox.join(max(1.0, until - time.monotonic())):
                log.error("job %d: its last reports could not be delivered", wrapper.work.job_id)
