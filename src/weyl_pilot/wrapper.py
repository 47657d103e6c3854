"""Runs one job from its match to its last report: setup, pre, payload, post, finally."""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from weyl_pilot.archive import UNPACKED_MAX, find_outputs, pack
from weyl_pilot.connection import Refused, Unreachable
from weyl_pilot.isolation import Cell, Walls, hand_over, prepare, write_token
from weyl_pilot.outbox import Outbox
from weyl_pilot.outcome import Outcome, StageFailure, broken, short
from weyl_pilot.payload import Payload, Result, Streams
from weyl_pilot.sandbox import Sandboxes, SandboxFailure
from weyl_pilot.server import Server
from weyl_pilot.shares import Share, Shares
from weyl_pilot.starts import Starts
from weyl_pilot.uids import NoFreeUid
from weyl_pilot.watchdog import MEMORY_EXCEEDED, Verdict, Watchdog, Watched
from weyl_pilot.work import ApplicationNotFound, Work, payload_environment, resolve_command, safe_file_name

log = logging.getLogger("weyl_pilot.wrapper")

KILL_GRACE_S = 10.0
INPUT_PATIENCE_S = 600.0
OUTPUT_PATIENCE_S = 3600.0
HURRIED_PATIENCE_S = 20.0
MEMORY_NEAR = 0.9
APPLICATION, GOOD, BAD = "Application", "Application Finished Successfully", "Application Finished With Errors"


@dataclass(frozen=True)
class Shop:
    """What all jobs of the pilot share."""

    server: Server
    sandboxes: Sandboxes
    walls: Walls
    watchdog: Watchdog
    starts: Starts
    jobs_dir: Path
    spool: Path
    facts: Mapping[str, Any]
    """Job parameters that are the same for every job here: host, pilot, processor."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The queue's environment for payloads."""
    commands: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    """Commands of the community, for the stages `pre` and `post`."""
    mask: Any = str
    drain: Callable[[str], None] = log.info
    """Lets the pilot take no more jobs, for a reason."""
    power_db12: float = 10.0
    ends_at: float = float("inf")
    shares: Shares = field(default_factory=Shares)


class Wrapper:
    """One job. `run` belongs to the thread of the job, `stop` to anybody."""

    def __init__(self, work: Work, shop: Shop) -> None:
        self.work = work
        self._shop = shop
        self.cell = Cell.below(shop.jobs_dir / str(work.job_id))
        self.outbox = Outbox(shop.server, work.job_id, spool=shop.spool, on_command=self._obey)
        self._verdict: Optional[Verdict] = None
        self._payload: Optional[Payload] = None
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
            payload = self._payload
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
            with self._stage("pre"):
                self._run_commands("pre")
        except StageFailure as failure:
            return self._ruled(failure.outcome)
        with self._stage("payload"):
            outcome = self._run_payload(command)
        with self._stage("post"), contextlib.suppress(StageFailure):
            self._run_commands("post")
        return outcome

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
        cell = self.cell = replace(self.cell, uid=self._share.uid)
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
            if any("/S3/" in name for name in work.input_sandbox):
                self.outbox.state(minor="Downloading InputSandbox")
                shop.sandboxes.download(
                    work.job_id,
                    work.input_sandbox,
                    directory=cell.run,
                    bytes_max=(work.scratch_mb << 20) or UNPACKED_MAX,
                    patience_s=INPUT_PATIENCE_S,
                )
            environment_path = self._environment()["PATH"]
            command = resolve_command(work, cell.run, inside=shop.walls.run_path(cell), path=environment_path)
        except (SandboxFailure, Unreachable) as error:
            raise StageFailure("Failed Downloading InputSandbox", short(error), error_class="site") from error
        except Refused as error:
            raise StageFailure("Job Wrapper Initialization", short(error), error_class="host") from error
        except ApplicationNotFound as error:
            raise StageFailure("Application not found", "%s not found" % error, error_class="payload") from error
        description = json.dumps(
            {"job_id": work.job_id, "cores": work.cores, "ram_mb": work.ram_mb, "owner": work.owner}
        )
        (cell.token / "job.json").write_text(description, encoding="utf-8")
        hand_over(cell)
        return command

    def _environment(self) -> Dict[str, str]:
        walls, cell = self._shop.walls, self.cell
        token = walls.token_path(cell)
        facts = {
            "HOME": walls.run_path(cell),
            "TMPDIR": walls.tmp_path(cell),
            "WEYL_JOB_FILE": os.path.join(os.path.dirname(token), "job.json"),
        }
        if self._shop.server.has_tokens:
            facts.update(WEYL_JOB_TOKEN_FILE=token, WEYL_URL=str(self._shop.facts.get("WeylURL", "")))
        facts.update(self._share.environment())
        return payload_environment(self.work, queue=self._shop.environment, facts=facts)

    def _streams(self) -> Streams:
        return Streams(
            self.cell.run / safe_file_name(self.work.std_output, "std.out"),
            self.cell.run / safe_file_name(self.work.std_error, "std.err"),
        )

    def _run_payload(self, command: Sequence[str]) -> Outcome:
        work, cell, shop = self.work, self.cell, self._shop
        self.outbox.state("Running", minor=APPLICATION)
        with self._lock:
            if self._verdict is not None:
                return self._ruled(Outcome("Failed", "Received Kill signal"))
            try:
                shop.starts.note(work.job_id)
            except OSError as error:
                text = "The start of the payload could not be recorded: %s" % error
                return Outcome("Failed", "Job Wrapper Initialization", short(text), "host")
            self._payload = self._start(command, self._streams())
        self.outbox.parameters({"PayloadPID": self._payload.pid})
        shop.watchdog.add(
            Watched(
                work=work,
                payload=self._payload,
                outbox=self.outbox,
                directory=cell.run,
                disk_paths=(cell.run, cell.tmp),
                stop=self.stop,
                mask=shop.mask,
                ends_at=shop.ends_at,
            )
        )
        try:
            self._result = self._payload.wait()
        finally:
            shop.watchdog.remove(work.job_id)
        return self._judge(self._result.exit_code)

    def _start(self, command: Sequence[str], streams: Streams) -> Payload:
        walls = self._shop.walls
        return Payload(
            walls.command(replace(self.cell, devices=self._share.devices()), command),
            self._environment(),
            streams=streams,
            uid=self.cell.uid,
            in_namespace=walls.level == "namespace",
            prefix=self._share.prefix(),
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
        application = None if exit_code == 0 else "Exited With Status %d" % exit_code
        self.outbox.state("Completing", minor=BAD if exit_code else GOOD, application=application)
        if exit_code == 0:
            return Outcome("Done", "Execution Complete")
        return Outcome("Failed", BAD, application, "payload")

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

    def _run_commands(self, stage: str) -> None:
        for number, command in enumerate(self._shop.commands.get(stage, ())):
            streams = Streams(
                self.cell.tmp / ("%s-%d.log" % (stage, number)), self.cell.tmp / ("%s-%d.log" % (stage, number))
            )
            process = self._start(command, streams)
            try:
                code = process.wait().exit_code
            finally:
                process.close()
            if code != 0:
                text = "%s command %s exited with status %d" % (stage, command[0], code)
                raise StageFailure("JobWrapper execution", text, error_class="site")

    # -- the end ----------------------------------------------------------------------------------------------------

    def _finally(self, outcome: Outcome) -> Outcome:
        with self._stage("finally"):
            try:
                self._upload(outcome)
            except (SandboxFailure, Unreachable, OSError) as error:
                log.error("job %d: the output sandbox is lost: %s", self.work.job_id, error)
                self.outbox.parameters({"OutputSandboxProblem": short(error)})
                if outcome.is_good:
                    return Outcome("Failed", "Uploading Output Sandbox", short(error), "output_upload")
        return outcome

    def _upload(self, outcome: Outcome) -> None:
        """Uploads what the job listed and both standard streams, also after a failure: that is when they matter."""
        if not self.cell.run.is_dir():
            return
        streams = [safe_file_name(self.work.std_output, "std.out"), safe_file_name(self.work.std_error, "std.err")]
        names, missing = find_outputs(self.cell.run, self.work.output_sandbox)
        more, _ = find_outputs(self.cell.run, map(glob.escape, streams))
        names += [name for name in more if name not in names]
        names = [name for name in names if name not in streams or (self.cell.run / name).lstat().st_size]
        if missing and outcome.is_good:
            missing = [name for name in missing if name not in streams]
        if missing:
            self.outbox.parameters({"OutputSandboxMissingFiles": ", ".join(missing)[:1000]})
        extra: List[Tuple[str, bytes]] = [] if outcome.is_good else [("weyl-wrapper.txt", self._account(outcome))]
        if not names and not extra:
            return
        with self._lock:
            patience_s = HURRIED_PATIENCE_S if self._is_hurried else OUTPUT_PATIENCE_S
        tells_status = outcome.status is not None
        if tells_status:
            self.outbox.state(minor="Uploading Output Sandbox")
        content = pack(self.cell.run, names, extra=extra, owner=self.cell.uid)
        self._shop.sandboxes.upload(self.work.job_id, content, patience_s=patience_s)
        if tells_status:
            self.outbox.state(minor="Output Sandbox Uploaded")

    def _account(self, outcome: Outcome) -> bytes:
        """What went wrong, for whoever opens the output of a failed job."""
        lines = ["%s: %s" % (outcome.status or "Killed", outcome.minor)]
        if outcome.application:
            lines.append(outcome.application)
        lines += ["stage %-8s %8.3f s" % item for item in self._stages_s.items()]
        lines += ["%s: %s" % item for item in self._shop.facts.items()]
        return ("\n".join(lines) + "\n").encode()

    def _report_end(self, outcome: Outcome) -> None:
        parameters: Dict[str, Any] = {"StageTimes(s)": dict(self._stages_s)}
        if self._result is not None:
            result = self._result
            parameters.update(
                {
                    "PayloadExitCode": result.exit_code,
                    "TotalCPUTime(s)": int(result.cpu_s),
                    "NormCPUTime(s)": int(result.cpu_s * self._shop.power_db12),
                    "CPUNormalizationFactor": int(self._shop.power_db12),
                    "WallClockTime(s)": round(result.wall_s, 3),
                    "CPUTime(s)": round(result.cpu_s, 3),
                    "Memory(kB)": result.memory_kb,
                    "Memory(MB)": result.memory_kb // 1024,
                }
            )
        if outcome.error_class is not None:
            parameters["ErrorClass"] = outcome.error_class
        self.outbox.parameters(parameters)
        self._report_state(outcome)

    def _report_state(self, outcome: Outcome) -> None:
        if outcome.status is not None:
            self.outbox.state(
                outcome.status, minor=outcome.minor, application=outcome.application, error_class=outcome.error_class
            )
