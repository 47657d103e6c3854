"""Everything a job tells the server, in order, without holding up the job; what cannot be sent now waits on disk."""

from __future__ import annotations

import datetime
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from weyl_pilot.connection import Dismissed, Refused, Unreachable
from weyl_pilot.server import Server

log = logging.getLogger("weyl_pilot.outbox")

SOURCE = "JobWrapper"
HEARTBEATS_KEPT_MAX = 500
PAUSE_MAX_S = 30.0
# A job of a few milliseconds has its whole life in one report.
LINGER_S, PARAMETERS_LINGER_S = 0.1, 2.0

Command = Mapping[str, Any]
Batch = Tuple[Dict[str, Dict[str, str]], Dict[str, Any], List[Dict[str, Any]]]


class Outbox:
    """The reports of one job. A thread sends them: states first, then parameters, then heartbeats.

    Heartbeats beyond a limit are forgotten, oldest first. States and parameters are never forgotten: they end with
    the server's answer, or with the pilot.
    """

    def __init__(self, server: Server, job_id: int, *, spool: Path, on_command: Callable[[Command], None]) -> None:
        self._server = server
        self._job_id = job_id
        self._file = spool / ("%d.json" % job_id)
        self._on_command = on_command
        self._clock = server.clock.now
        self._last: Optional[datetime.datetime] = None
        self._states: Dict[str, Dict[str, str]] = {}
        self._parameters: Dict[str, Any] = {}
        self._heartbeats: List[Dict[str, Any]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._give_up_at = float("inf")
        self._thread = threading.Thread(target=self._run, name="outbox-%d" % job_id, daemon=True)
        self._thread.start()

    # -- what the wrapper and the watchdog call -------------------------------------------------------------------

    def state(
        self,
        status: Optional[str] = None,
        *,
        minor: Optional[str] = None,
        application: Optional[str] = None,
        error_class: Optional[str] = None,
    ) -> None:
        """Reports a change with the time of this call, however late it gets through.

        The class of the error goes with the final status: by it the server decides whether the job runs again.
        """
        update = {"Source": SOURCE}
        fields = (("Status", status), ("MinorStatus", minor), ("ApplicationStatus", application))
        for name, value in (*fields, ("ErrorClass", error_class)):
            if value is not None:
                update[name] = value[:255]
        with self._changed:
            self._states[self._timestamp()] = update
            self._changed.notify_all()

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Reports job parameters; a later value of the same name wins."""
        with self._changed:
            self._parameters.update(values)
            self._changed.notify_all()

    def heartbeat(self, sample: Mapping[str, Any]) -> None:
        """Reports that the job lives."""
        with self._changed:
            self._heartbeats.append(dict(sample))
            del self._heartbeats[:-HEARTBEATS_KEPT_MAX]
            self._changed.notify_all()

    def close(self) -> None:
        """Lets the thread end once everything has been sent."""
        with self._changed:
            self._closing = True
            self._heartbeats.clear()
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Waits until everything has been sent; False when that did not happen in time."""
        self._give_up_at = time.monotonic() + timeout_s
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to send and nothing more will come."""
        return not self._thread.is_alive()

    # -- the thread -----------------------------------------------------------------------------------------------

    def _timestamp(self) -> str:
        now = self._clock()
        if self._last is not None and now <= self._last:
            now = self._last + datetime.timedelta(microseconds=1)
        self._last = now
        return now.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def _run(self) -> None:
        pause_s = 0.5
        while True:
            batch = self._take()
            if batch is None:
                break
            try:
                left = self._send(batch)
            except Exception:
                log.exception("job %d: a report was lost: %s", self._job_id, batch)
                left = None
            if left is None:
                pause_s = 0.5
                self._save()
                continue
            self._put_back(left)
            self._save()
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
            if time.monotonic() + pause_s > self._give_up_at:
                log.error("job %d: gave up reporting; what is left is in %s", self._job_id, self._file)
                break
            time.sleep(pause_s)
        self._server.forget_job(self._job_id)

    def _take(self) -> Optional[Batch]:
        """Waits for something to send and gathers what comes right after it; None when all is said."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_urgent() or self._closing, self._parameters_wait_s())
            self._changed.wait_for(lambda: self._closing, LINGER_S)
            batch = self._states, self._parameters, self._heartbeats
            if self._closing and not any(batch):
                return None
            self._states, self._parameters, self._heartbeats = {}, {}, []
            return batch

    def _is_urgent(self) -> bool:
        return bool(self._states or self._heartbeats)

    def _parameters_wait_s(self) -> Optional[float]:
        return PARAMETERS_LINGER_S if self._parameters else None

    def _send(self, batch: Batch) -> Optional[Batch]:
        """Sends a batch; returns what is left of it when the server cannot be reached.

        Parameters first: after a final state the job may be closed for them.
        """
        states, parameters, heartbeats = batch
        try:
            if parameters:
                self._once(lambda: self._server.set_parameters(self._job_id, parameters, patience_s=0), parameters)
                parameters = {}
            if states:
                self._once(lambda: self._server.set_status(self._job_id, states, patience_s=0), states)
                states = {}
            while heartbeats:
                self._beat(heartbeats[0])
                heartbeats = heartbeats[1:]
        except Unreachable as error:
            log.warning("job %d: the server does not take reports now: %s", self._job_id, error)
            return states, parameters, heartbeats
        return None

    def _once(self, send: Callable[[], object], what: object) -> None:
        try:
            send()
        except Refused as refused:
            # The server has read it and will not have it: a repetition changes nothing.
            log.error("job %d: report refused: %s; it was %s", self._job_id, refused, what)
            self._end_if_dismissed(refused)

    def _beat(self, sample: Mapping[str, Any]) -> None:
        try:
            commands = self._server.heartbeat(self._job_id, sample, patience_s=0)
        except Refused as refused:
            log.error("job %d: heartbeat refused: %s", self._job_id, refused)
            self._end_if_dismissed(refused)
            return
        for command in commands:
            self._on_command(command)

    def _end_if_dismissed(self, refused: Refused) -> None:
        # What the job comes to will not be heard either, and others have it, or will.
        if isinstance(refused, Dismissed):
            self._on_command({"command": "Kill"})

    def _put_back(self, left: Batch) -> None:
        states, parameters, heartbeats = left
        with self._changed:
            self._states = {**states, **self._states}
            self._parameters = {**parameters, **self._parameters}
            if not self._closing:
                self._heartbeats = (heartbeats + self._heartbeats)[-HEARTBEATS_KEPT_MAX:]

    def _save(self) -> None:
        """Mirrors what waits to a file: it travels with the pilot's log if the pilot has to end first."""
        with self._changed:
            waiting = {"states": self._states, "parameters": self._parameters, "heartbeats": self._heartbeats}
        if not any(waiting.values()):
            if self._file.exists():
                self._file.unlink()
            return
        fresh = self._file.with_suffix(".tmp")
        try:
            fresh.write_text(json.dumps({str(self._job_id): waiting}), encoding="utf-8")
            os.replace(str(fresh), str(self._file))
        except OSError as error:
            # The reports themselves need no disk: they are sent from memory as soon as the server takes them.
            log.warning("job %d: reports that wait are not on disk: %s", self._job_id, error)
