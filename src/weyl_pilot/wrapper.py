"""Runs one job from its match to its last report: setup, pre, payload, post, finally."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
import time
from dataclasses import replace
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from weyl_pilot.carriage import Carriage
from weyl_pilot.commands import Commands
from weyl_pilot.connection import Refused, Unreachable
from weyl_pilot.delivery import STORING, Delivery
from weyl_pilot.errand import Errand, Halted
from weyl_pilot.isolation import Cell, hand_over, prepare, write_token
from weyl_pilot.outbox import Outbox
from weyl_pilot.outcome import Outcome, StageFailure, broken, short
from weyl_pilot.payload import Payload, Result, Streams
from weyl_pilot.programs import Program
from weyl_pilot.results import BAD, GOOD, RunResult, read_result
from weyl_pilot.sandbox import SandboxFailure
from weyl_pilot.shares import Share
from weyl_pilot.shop import Shop
from weyl_pilot.uids import NoFreeUid
from weyl_pilot.watchdog import MEMORY_EXCEEDED, Verdict, Watched
from weyl_pilot.work import ApplicationNotFound, Work, payload_environment
from weyl_pilot.workflows import WorkflowRun

log = logging.getLogger("weyl_pilot.wrapper")

KILL_GRACE_S = 10.0
OUTPUT_PATIENCE_S = 3600.0
HURRIED_PATIENCE_S = 20.0
MEMORY_NEAR = 0.9
APPLICATION = "Application"
# A command that runs after its job was made to end is not watched any more.
COMMAND_PATIENCE_S = 60.0


class Wrapper:
    """One job. `run` belongs to the thread of the job, `stop` to anybody."""

    def __init__(self, work: Work, shop: Shop) -> None:
        self.work = work
        self._shop = shop
        self.cell = Cell.below(shop.jobs_dir / str(work.job_id))
        self.outbox = Outbox(shop.server, work.job_id, spool=shop.spool, on_command=self._obey)
        self._errand = Errand()
        kind = WorkflowRun if work.workflow is not None else Program
        self._program = kind(work, shop, self.outbox, self._errand)
        self._commands = Commands(work.commands, shop)
        self._delivery = Delivery(self._program, shop, self.outbox, self._commands)
        self._verdict: Optional[Verdict] = None
        self._payload: Optional[Payload] = None
        self._attended: Optional[Payload] = None
        """What runs now, or ran last: the payload, or a command of the community."""
        self._is_started = False
        self._lock = threading.Lock()
        self._is_hurried = False
        self._stages_s: Dict[str, float] = {}
        self._share = Share()
        self._result: Optional[Result] = None

    # -- from outside ---------------------------------------------------------------------------------------------

    def stop(self, verdict: Verdict, *, hurry: bool = False) -> None:
        """Makes the job end for this reason; only the first reason counts. Returns at once."""
        with self._lock:
            self._is_hurried = self._is_hurried or hurry
            if self._verdict is not None:
                return
            self._verdict = verdict
            payload = self._attended
        self._errand.halt()
        self.outbox.state(minor=verdict.minor, application=verdict.application)
        if payload is not None:
            is_time = verdict.error_class == "time"
            how = (self.work.stop_grace_s, self.work.stop_signal) if is_time else (KILL_GRACE_S, signal.SIGTERM)
            threading.Thread(target=payload.end, args=how, daemon=True).start()

    def _obey(self, command: Mapping[str, Any]) -> None:
        name = command.get("command")
        log.info("job %d: command %s", self.work.job_id, name)
        if name == "Kill":
            self.stop(Verdict("Received Kill signal", status=None, error_class="user"))
        elif name == "Peek":
            self._shop.watchdog.peek(self.work.job_id)
        elif name == "Drain":
            self._shop.drain("the server said drain")

    # -- the life of the job ----------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Runs all stages, whatever happens in them, and leaves the last report to the outbox."""
        # What was taken is given back, last first, also if something before it raises.
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self._shop.shares.give_back(self.work.job_id, self.cell.run.parent))
            stack.callback(self._close_payload)
            stack.callback(self._shop.server.unwatch_job_token, self.work.job_id)
            stack.callback(self.outbox.close)
            try:
                outcome = self._until_the_end()
            except Exception as error:
                log.exception("job %d: the wrapper failed", self.work.job_id)
                outcome = broken(error)
            try:
                outcome = self._finally(outcome)
                self._report_end(outcome)
            except Exception as error:
                log.exception("job %d: the end of the wrapper failed", self.work.job_id)
                outcome = broken(error, outcome)
                self._report_state(outcome)
        log.info("job %d: %s / %s", self.work.job_id, outcome.status or "as the server says", outcome.minor)
        return outcome

    def _close_payload(self) -> None:
        if self._payload is not None:
            self._payload.close()

    def _until_the_end(self) -> Outcome:
        try:
            with self._stage("setup"):
                command = self._set_up()
        except StageFailure as failure:
            return self._ruled(failure.outcome)
        outcome = self._run_before()
        if outcome is None:
            with self._stage("payload"):
                outcome = self._run_payload(command)
        with self._stage("post"):
            return self._run_after(outcome)

    @contextlib.contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self._stages_s[name] = round(time.monotonic() - start, 3)
            log.info("job %d: stage %s took %.3f s", self.work.job_id, name, self._stages_s[name])

    def _set_up(self) -> List[str]:
        work, shop = self.work, self._shop
        self.outbox.state("Running", minor="Job Initialization")
        self.outbox.parameters(shop.facts)
        try:
            self._share = shop.shares.take(work, self.cell.run.parent)
        except NoFreeUid as error:
            raise StageFailure("Job Wrapper Initialization", short(error), error_class="host") from error
        self._share.pin()
        cell = self.cell = self._program.cell(replace(self.cell, uid=self._share.uid))
        prepare(cell)
        if len(self._share.gpus) < work.gpus:
            text = "%d GPUs are its own, and %d of them are free here" % (work.gpus, len(self._share.gpus))
            raise StageFailure("Job Wrapper Initialization", text, error_class="host")
        try:
            if work.token:
                shop.server.accept_job_token(work.job_id, work.token)
            if shop.server.has_tokens:
                write_token(cell, shop.server.job_token(work.job_id))
                shop.server.watch_job_token(work.job_id, lambda text: write_token(cell, text))
            with self._carrying():
                command = self._program.set_up(cell, self._environment()["PATH"])
                self._commands.bring(cell)
        except Halted as error:
            raise StageFailure("Received Kill signal", "", error_class="user") from error
        except (SandboxFailure, Unreachable) as error:
            raise StageFailure("Failed Downloading InputSandbox", short(error), error_class="site") from error
        except Refused as error:
            raise StageFailure("Job Wrapper Initialization", short(error), error_class="host") from error
        except ApplicationNotFound as error:
            raise StageFailure("Application not found", "%s not found" % error, error_class="payload") from error
        facts = {"job_id": work.job_id, "cores": work.cores, "ram_mb": work.ram_mb, "owner": work.owner}
        (cell.token / "job.json").write_text(json.dumps({**facts, **self._program.facts()}), encoding="utf-8")
        hand_over(cell)
        return command

    def _environment(self) -> Dict[str, str]:
        walls, cell = self._shop.walls, self.cell
        token = walls.token_path(cell)
        facts = {
            "HOME": walls.run_path(cell),
            "TMPDIR": walls.tmp_path(cell),
            "WEYL_JOB_FILE": os.path.join(os.path.dirname(token), "job.json"),
            "WEYL_RESULT_FILE": self._program.result_inside(cell),
        }
        if self._shop.server.has_tokens:
            facts.update(WEYL_JOB_TOKEN_FILE=token, WEYL_URL=str(self._shop.facts.get("WeylURL", "")))
        facts.update(self._share.environment())
        return payload_environment(self.work, queue=self._shop.environment, facts=facts)

    def _run_payload(self, command: Sequence[str]) -> Outcome:
        output, error = (self.cell.run / name for name in self._program.stream_names())
        self.outbox.state("Running", minor=APPLICATION)
        try:
            self._payload = self._start(command, Streams(output, error))
        except StageFailure as failure:
            return self._ruled(failure.outcome)
        self.outbox.parameters({"PayloadPID": self._payload.pid})
        self._result = self._attend(self._payload)
        self._program.tell(self.cell, is_last=True)
        return self._judge(self._result.exit_code)

    def _start(self, command: Sequence[str], streams: Streams, *, is_late: bool = False) -> Payload:
        """Starts what can be stopped from now on; the first of a job is noted before. After a verdict nothing starts
        but what is `is_late`."""
        shop = self._shop
        with self._lock:
            if self._verdict is not None and not is_late:
                raise StageFailure("Received Kill signal", "", error_class="user")
            try:
                if not self._is_started:
                    shop.starts.note(self.work.job_id)
            except OSError as error:
                text = "The start of the payload could not be recorded: %s" % error
                raise StageFailure("Job Wrapper Initialization", short(text), error_class="host") from error
            self._is_started = True
            self._attended = Payload(
                shop.walls.command(replace(self.cell, devices=self._share.devices()), command),
                self._environment(),
                streams=streams,
                uid=self.cell.uid,
                in_namespace=shop.walls.level == "namespace",
                prefix=self._share.prefix(),
            )
            return self._attended

    def _attend(self, payload: Payload) -> Result:
        """Waits for its end, under the eye of the watchdog."""
        self._watch(payload, lambda: self._program.tell(self.cell))
        try:
            return payload.wait()
        finally:
            self._shop.watchdog.remove(self.work.job_id)

    def _watch(self, payload: Union[Payload, Carriage], look: Callable[[], None]) -> None:
        cell, shop = self.cell, self._shop
        shop.watchdog.add(
            Watched(
                work=self.work,
                payload=payload,
                outbox=self.outbox,
                directory=cell.run,
                disk_paths=(cell.run, cell.tmp),
                stop=self.stop,
                mask=shop.mask,
                ends_at=shop.ends_at,
                look=look,
            )
        )

    def _judge(self, exit_code: int) -> Outcome:
        complaint = self._memory_complaint(exit_code) if exit_code else None
        with self._lock:
            if complaint is not None and self._verdict is None:
                self._verdict = Verdict(MEMORY_EXCEEDED, complaint, error_class="memory")
        if self._verdict is not None:
            outcome = self._ruled(Outcome("Failed", BAD))
            if outcome.status is not None:
                self.outbox.state("Completing", minor=outcome.minor, application=outcome.application)
            return outcome
        outcome = self._program.ended(self.cell, exit_code)
        minor = GOOD if outcome.is_good else outcome.minor
        self.outbox.state("Completing", minor=minor, application=outcome.application)
        return outcome

    def _memory_complaint(self, exit_code: int) -> Optional[str]:
        """What to say of a payload that had too much: what the kernel tells, else who was killed near its limit."""
        result, limit_mb = self._result, self.work.ram_limit_mb
        was_killed = exit_code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        if was_killed and limit_mb and result is not None and result.memory_kb >= MEMORY_NEAR * limit_mb * 1024:
            near = "Memory limit exceeded: killed at %d MB of %d MB" % (result.memory_kb // 1024, limit_mb)
            return self._share.memory_complaint() or near
        return self._share.memory_complaint()

    def _ruled(self, otherwise: Outcome) -> Outcome:
        """The verdict that was passed on the job, if there is one."""
        with self._lock:
            verdict = self._verdict
        if verdict is None:
            return otherwise
        return Outcome(verdict.status, verdict.minor, verdict.application, verdict.error_class)

    # -- commands of the community ----------------------------------------------------------------------------------

    def _run_before(self) -> Optional[Outcome]:
        """Runs the commands of stage `pre`; returns the outcome of the job if one fails."""
        with self._stage("pre"):
            try:
                for command in self._commands.of("pre"):
                    self._commands.run(command, self.cell, self._run_command)
            except StageFailure as failure:
                return self._ruled(failure.outcome)
        return None

    def _run_after(self, outcome: Outcome) -> Outcome:
        """Runs the commands of stage `post`, which see how the job ended and may change it."""
        before: Optional[RunResult] = None
        for command in self._commands.of("post"):
            if self._is_hurried or not (outcome.is_good or command.is_always):
                continue
            before = before or self._note_result(outcome)
            try:
                self._commands.run(command, self.cell, self._run_command)
            except StageFailure as failure:
                outcome = failure.outcome if outcome.is_good else outcome
                continue
            after = read_result(self._program.result_path(self.cell), self.cell.uid)
            is_decided = self._verdict is not None or outcome.error_class == "host"
            if not is_decided and after is not None and after.status != before.status:
                outcome, before = after.outcome(), after
        return self._ruled(outcome)

    def _note_result(self, outcome: Outcome) -> RunResult:
        exit_code = self._result.exit_code if self._result is not None else 1
        return self._program.note_result(self.cell, outcome, exit_code)

    def _run_command(self, words: Sequence[str], streams: Streams) -> int:
        with self._lock:
            is_late = self._verdict is not None
        process = self._start(words, streams, is_late=is_late)
        timer = threading.Timer(COMMAND_PATIENCE_S, process.end, (KILL_GRACE_S,))
        try:
            if is_late:
                timer.start()
            return self._attend(process).exit_code
        finally:
            timer.cancel()
            process.close()

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finally(self, outcome: Outcome) -> Outcome:
        if outcome.is_good and self.work.output_data:
            outcome = self._store(outcome)
        with self._stage("finally"):
            with self._lock:
                patience_s = HURRIED_PATIENCE_S if self._is_hurried else OUTPUT_PATIENCE_S
            return self._delivery.send(self.cell, outcome, patience_s=patience_s, facts=self._stages_s)

    def _store(self, outcome: Outcome) -> Outcome:
        with self._stage("outputs"), self._carrying():
            try:
                return self._delivery.store(self.cell, self._errand)
            except Halted:
                return self._ruled(Outcome("Failed", STORING, "It was ended", "host"))

    @contextlib.contextmanager
    def _carrying(self) -> Iterator[None]:
        """Tells the server that the job lives while its files are on their way."""
        carriage = Carriage(self._errand, self._payload)
        self._watch(carriage, lambda: None)
        try:
            yield
        finally:
            self._shop.watchdog.remove(self.work.job_id)

    def _report_end(self, outcome: Outcome) -> None:
        parameters: Dict[str, Any] = {"StageTimes(s)": dict(self._stages_s)}
        if self._result is not None:
            parameters.update(self._result.parameters(self._shop.power_db12))
        if outcome.error_class is not None:
            parameters["ErrorClass"] = outcome.error_class
        self.outbox.parameters(parameters)
        self._report_state(outcome)

    def _report_state(self, outcome: Outcome) -> None:
        if outcome.status is not None:
            self.outbox.state(
                outcome.status, minor=outcome.minor, application=outcome.application, error_class=outcome.error_class
            )
