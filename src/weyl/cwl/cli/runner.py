"""`weyl cwl-runner`: runs a CWL document as one job and answers as every CWL runner does; for cwltest and people."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated, Any
from uuid import uuid4

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, EndedInFailure, Refused, StillWaiting, Unreachable, UsageFault
from weyl.client.results import Result, Text
from weyl.client.times import parse_span
from weyl.cwl import calls
from weyl.cwl.cli import guard
from weyl.cwl.cli.landing import land, local_place
from weyl.cwl.cli.objects import Carrier, flag_values, found, has_files, over_all, read_objects
from weyl.cwl.cli.overrides import hint_values
from weyl.cwl.cli.sources import Source, open_source, problems_of
from weyl.cwl.cli.words import FLAGS, FlagsCommand, Hint
from weyl.cwl.flags import help_text, wants_help
from weyl.jobs.calls import changes, lists, results
from weyl.jobs.cli.outage import Outage
from weyl.jobs.cli.selection import by_ids
from weyl.jobs.states import FINAL, JobStatus
from weyl.kit.search import SearchParams
from weyl.sandboxes import calls as sandbox_calls
from weyl.sandboxes.archive import ArchiveFault
from weyl.sandboxes.transfer import read

UNSUPPORTED = "unsupported-requirement"
ENDED = FINAL | {JobStatus.DELETED}
PAUSE_MIN_S, PAUSE_MAX_S = 0.2, 2.0
SHOWN_LINES = 30

app = typer.Typer(rich_markup_mode=None)


class RunFailed(ClientError):
    """Raised when the document was not run, or its job failed."""

    exit_code = 1
    code = "run_failed"


class UnsupportedFeature(ClientError):
    """Raised when a document needs what this installation cannot do: the exit code that runners agree on."""

    exit_code = 33
    code = "unsupported"


class _Terminated(BaseException):
    """Raised when somebody asks the runner to end."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"weyl cwl-runner {_version()}")
        raise typer.Exit


def _version() -> str:
    try:
        return version("weyl")
    except PackageNotFoundError:
        return "unknown"


@app.command("cwl-runner", cls=FlagsCommand)
def cwl_runner(
    context: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="Document in CWL: a path or a file:// URI.")],
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="Input object, in YAML or JSON.")] = None,
    *,
    outdir: Annotated[Path, typer.Option("--outdir", metavar="DIR", help="Where outputs are put.")] = Path(),
    hint: Hint = None,
    wait_timeout: Annotated[
        str | None, typer.Option("--wait-timeout", metavar="SPAN", help="Give up, and kill the job, after this, as 2h.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the job on the server when it has ended well.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> Result:
    """Runs a document in CWL as a job of the grid, waits for it and prints its output object.

    Files are uploaded and fetched; stdout has the output object and nothing else. The exit code is 0, 33 for what is
    not supported, else 1.

    Example: weyl cwl-runner --outdir results reco.cwl inputs.yml
    """
    session = session_of(context)
    words: list[str] = context.meta.get(FLAGS, [])
    try:
        hints = hint_values(hint or [])
        timeout_s = parse_span(wait_timeout).total_seconds() if wait_timeout else None
        if wants_help(words):
            source = open_source(session, tool)
            return Text([help_text(source.schema, name=tool, doc=source.checked.doc)])
        with _Stopping() as stopping:
            run = Run(session, stopping, hints=hints, keep=keep)
            outputs = run.carry_out(tool, job, words, outdir=outdir, timeout_s=timeout_s)
    except _Terminated:
        raise RunFailed("Ended by a signal; the job is killed.", hint="") from None
    except (ClientError, ArchiveFault) as error:
        raise _as_runner(error) from error
    return Text([json.dumps(outputs, indent=4) + "\n"])


class Run:
    """One run: submits, waits, fetches; and ends the job if it cannot go on."""

    def __init__(self, session: Session, stopping: "_Stopping", *, hints: Mapping[str, Any], keep: bool) -> None:
        self._session = session
        self._stopping = stopping
        self._hints = hints
        self._keeps = keep

    def carry_out(
        self, tool: str, job: str | None, words: Sequence[str], *, outdir: Path, timeout_s: float | None
    ) -> dict[str, Any]:
        """Run the document and return its output object, all files of which are below `outdir`."""
        client = self._session.client
        source = open_source(self._session, tool)
        call = self._submission(source, job, words)
        # Whatever ends this block before the guard is released, ends the job.
        with _Guard(self._session) as watching:
            watching.tell(body=call.body.decode(), key=call.headers["Idempotency-Key"])
            try:
                [inserted] = client.send(call)
            except Refused as refusal:
                watching.release()
                raise source.explained(refusal, [job or tool]) from refusal
            job_id = int(inserted["JobID"])
            watching.tell(jobs=[job_id])
            for warning in inserted.get("Warnings") or ():
                self._session.say(f"Warning: {warning}")
            self._session.say(f"Job {job_id} of {tool}")
            row = self._wait(job_id, timeout_s)
            watching.release()
        self._stopping.check()
        if row["Status"] != JobStatus.DONE:
            raise self._failure(row)
        reported = client.send(results.get_outputs(job_id))
        outputs = land(client, reported, outdir)
        if not self._keeps:
            client.send(changes.delete([job_id]))
        return outputs

    def _submission(self, source: Source, job: str | None, words: Sequence[str]) -> Any:
        objects = read_objects([local_place(job)] if job else [])
        if len(objects) > 1:
            raise UsageFault(f"{job} holds several input objects; a runner takes one.", hint="Use: weyl jobs submit")
        [one] = over_all(objects, flag_values(words, source.schema) if words else {})
        schema = source.schema if has_files(one.value) else {}
        value = Carrier(self._session).place(found(one, schema), one.origin)
        options = {"allow_unknown": True, **({"hints": self._hints} if self._hints else {})}
        return calls.submit_cwl_jobs(
            inputs=[value] if value else [], options=options, idempotency_key=uuid4().hex, **source.reference()
        )

    def _wait(self, job_id: int, timeout_s: float | None) -> Mapping[str, Any]:
        """Look at the job, less and less often, until it has ended."""
        columns = ["JobID", "Status", "MinorStatus", "ApplicationStatus"]
        call = lists.search(SearchParams(parameters=columns, search=[by_ids([job_id])]))
        began = time.monotonic()
        outage = Outage(self._session.say)
        pause_s, shown = PAUSE_MIN_S, ""
        while True:
            self._stopping.check()
            try:
                rows = self._session.client.send(call)
                outage.end()
                if not rows:
                    raise RunFailed(f"Job {job_id} is not there any more.", hint="Somebody has removed it.")
                if rows[0]["Status"] in ENDED:
                    return rows[0]
                if rows[0]["Status"] != shown:
                    shown = rows[0]["Status"]
                    self._session.say(f"Job {job_id}: {shown}")
            except Unreachable as error:
                outage.bear(error, time.monotonic())
            if timeout_s is not None and time.monotonic() - began > timeout_s:
                hint = f"It is killed. See what it waited for: weyl jobs why {job_id}"
                raise StillWaiting(f"Job {job_id} was {shown or 'not seen'} after {timeout_s:g} s.", hint=hint)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.2, PAUSE_MAX_S)

    def _failure(self, row: Mapping[str, Any]) -> EndedInFailure:
        reasons = [row[name] for name in ("MinorStatus", "ApplicationStatus") if row[name] not in ("Unknown", "", None)]
        told = f" ({', '.join(reasons)})" if reasons else ""
        message = "\n".join([f"Job {row['JobID']} ended as {row['Status']}{told}.", *self._last_errors(row["JobID"])])
        return EndedInFailure(message, hint=f"See what happened: weyl jobs why {row['JobID']}")

    def _last_errors(self, job_id: int) -> list[str]:
        """Return what the job wrote last to its standard error, which is most often why it failed."""
        client = self._session.client
        try:
            pfns = client.send(sandbox_calls.get_job_sandbox(job_id, "output"))
            texts = [(read(client, pfn, "std.err") or b"").decode(errors="replace") for pfn in pfns]
        except (ClientError, ArchiveFault) as error:
            return [f"Its standard error cannot be read: {error}"]
        return [f"  {line}" for text in texts for line in text.splitlines()[-SHOWN_LINES:]]


def _as_runner(error: Exception) -> ClientError:
    """Return an error with the exit code of a runner: 33 if nothing is wrong but what is not supported, else 1."""
    if not isinstance(error, ClientError):
        return RunFailed(str(error), hint="")
    kind: type[ClientError] = RunFailed
    if isinstance(error, Refused):
        errors = [each for each in problems_of(error) if each.get("severity", "error") == "error"]
        if errors and all(each.get("code") == UNSUPPORTED for each in errors):
            kind = UnsupportedFeature
    return kind(error.message, hint=error.hint, request_id=error.request_id, details=error.details, status=error.status)


class _Stopping:
    """Signals that ask the runner to end become exceptions for the length of the block, so that the job is ended."""

    def __init__(self) -> None:
        self._asked: BaseException | None = None
        self._before: dict[int, Any] = {}

    def check(self) -> None:
        """Raise what was asked for: an exception of a handler is lost if Python was just calling one of its own."""
        if self._asked is not None:
            raise self._asked

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = KeyboardInterrupt() if number == signal.SIGINT else _Terminated()
        raise self._asked

    def __enter__(self) -> "_Stopping":
        self._before = {each: signal.signal(each, self._ask) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class _Guard:
    """A process beside us that ends the job if we are killed, or leave the block without having released it."""

    def __init__(self, session: Session) -> None:
        # In a session of its own: what kills our process group leaves it.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(guard.__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.tell(url=session.client.url, profile=session.options.profile)

    def tell(self, **state: Any) -> None:
        """Say what has to be known to end the job."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(state).encode() + b"\n")
        self._process.stdin.flush()

    def release(self) -> None:
        """Say that there is nothing to end any more."""
        self.tell(is_done=True)
        self._process.communicate()

    def __enter__(self) -> "_Guard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            # It may take a while where the server does not answer: nobody waits for that.
            self._process.stdin.close()
            self._process.returncode = 0
