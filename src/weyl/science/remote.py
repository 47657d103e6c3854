"""Calls that run in jobs: packed into one sandbox, submitted together, and answered when their jobs have ended."""

import pickle
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import cloudpickle

from weyl.client.errors import ClientError, NotLoggedIn, Unreachable, UsageFault
from weyl.descriptions.jdl import Document
from weyl.jobs.cli.describe import STREAMS, Description, apply
from weyl.jobs.cli.outage import Outage
from weyl.jobs.cli.selection import find_some
from weyl.jobs.waiting import ENDED, Wait
from weyl.sandboxes import calls as sandboxes
from weyl.sandboxes.archive import ArchiveFault
from weyl.sandboxes.transfer import read, upload_members
from weyl.science import remote_call
from weyl.science.errors import CannotSend, JobLost
from weyl.science.handles import FETCHED_AT_ONCE, Job, Jobs
from weyl.science.options import Options, texts
from weyl.science.packing import RESULT_BYTES_MAX, unpacked
from weyl.science.remote_call import CALLS, RESULTS
from weyl.science.session import ProgramSession
from weyl.science.submission import sent

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
FOLDER = "weyl-call"
SCRIPT = "weyl-call.sh"
CHUNKS_MAX = 100_000
# A node may have the version under any of these names.
_SHELL = f"""#!/bin/sh
for python in python{PYTHON} python3 python; do
    if "$python" -c "import sys; sys.exit(sys.version_info[:2] != ({PYTHON.replace(".", ", ")}))" 2>/dev/null; then
        exec "$python" {FOLDER}/{Path(remote_call.__file__).name} "$@"
    fi
done
echo "There is no Python {PYTHON} on this node." >&2
exit 127
"""


class RemoteFuture(Future[Any]):
    """The answer to one call; `job` is the job that runs it, None until it is submitted. Cancelling it ends the job."""

    def __init__(self, lock: threading.RLock, dropped: Callable[["RemoteFuture"], None]) -> None:
        super().__init__()
        self.job: Job | None = None
        self.is_running = False
        self._own_lock = lock
        self._dropped = dropped

    def running(self) -> bool:
        """Say whether the job runs now, as far as is known."""
        return self.is_running and not self.done()

    def cancel(self) -> bool:
        """Give the call up; its job is ended once all calls of the job are given up. False if it is answered."""
        with self._own_lock:
            if self.cancelled():
                return True
            if not super().cancel():
                return False
            self.set_running_or_notify_cancel()
        self._dropped(self)
        return True

    def answer(self, value: Any, error: BaseException | None) -> None:
        """Note what came of the call, unless it was given up."""
        with self._own_lock:
            if self.done():
                return
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)


@dataclass(frozen=True, slots=True)
class Call:
    """One call on its way."""

    future: RemoteFuture
    function: bytes
    arguments: bytes


Chunk = list[Call]


class Remote:
    """Submits chunks of calls, one job each, and answers their futures from a thread of its own."""

    def __init__(self, session: ProgramSession, options: Options, *, name: str) -> None:
        self.lock = threading.RLock()
        self.jobs = Jobs([], client=session.client)
        self._session = session
        self._options = options
        self._name = name
        self._open: dict[int, Chunk] = {}
        self._ending: list[int] = []
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def call(self, function: bytes, arguments: bytes) -> Call:
        """Return a call with a future for its answer."""
        return Call(RemoteFuture(self.lock, self._drop), function, arguments)

    def send(self, chunks: Sequence[Chunk]) -> None:
        """Submit chunks of calls, all of them or none, and begin to wait for their answers."""
        if len(chunks) > CHUNKS_MAX:
            raise UsageFault(f"{len(chunks):,} jobs are too many for one submission.", hint="Take larger chunks.")
        pfn = self._uploaded(chunks)
        ids = sent(self._session, [self._description(pfn, len(chunks))], key=uuid4().hex)
        with self.lock:
            for job_id, chunk in zip(ids, chunks, strict=True):
                self._open[job_id] = chunk
                for call in chunk:
                    call.future.job = Job(job_id, client=self._session.client)
                if all(call.future.cancelled() for call in chunk):
                    self._ending.append(job_id)
            self.jobs = self.jobs + Jobs(ids)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="weyl-calls", daemon=True)
                self._thread.start()
        self._wake.set()

    def join(self) -> None:
        """Wait until every future is answered, and what was given up is ended."""
        while (thread := self._thread) is not None:
            thread.join()

    def cancel(self) -> None:
        """Give up every call that is not answered, and end the jobs."""
        with self.lock:
            calls = [call for chunk in self._open.values() for call in chunk]
        for call in calls:
            call.future.cancel()
        self.end_now()

    def end_now(self) -> None:
        """End the jobs of calls that were given up, without waiting for the thread."""
        with self.lock:
            ending, self._ending = self._ending, []
        if ending:
            Jobs(ending, client=self._session.client).kill()

    def _uploaded(self, chunks: Sequence[Chunk]) -> str:
        """Upload what the jobs need, once for all of them, and return the name of the sandbox."""
        functions = list(dict.fromkeys(call.function for chunk in chunks for call in chunk))
        numbers = {function: number for number, function in enumerate(functions)}
        calls = {
            "functions": functions,
            "chunks": [[(numbers[call.function], call.arguments) for call in chunk] for chunk in chunks],
            "bytes_max": RESULT_BYTES_MAX,
        }
        with tempfile.TemporaryDirectory(prefix="weyl-call-") as directory:
            place = Path(directory)
            (place / CALLS).write_bytes(pickle.dumps(calls, protocol=remote_call.PROTOCOL))
            (place / SCRIPT).write_text(_SHELL)
            (place / SCRIPT).chmod(0o755)
            members = {SCRIPT: place / SCRIPT, f"{FOLDER}/{CALLS}": place / CALLS}
            members |= {f"{FOLDER}/{path.name}": path for path in [Path(remote_call.__file__)]}
            library = Path(cloudpickle.__file__).parent
            members |= {f"{FOLDER}/cloudpickle/{path.name}": path for path in sorted(library.glob("*.py"))}
            members |= self._files()
            try:
                return upload_members(self._session.client, members)
            except ArchiveFault as error:
                raise CannotSend(str(error), hint="Put large data with weyl.data.put, and send its name.") from error

    def _files(self) -> dict[str, Path]:
        files = {Path(each).name: Path(each) for each in texts(self._options.files)}
        for path in files.values():
            if not path.exists():
                raise UsageFault(f"{path} does not exist.", hint="`files` takes files and directories.")
        return files

    def _description(self, pfn: str, count: int) -> Description:
        document: Document = {
            "JobName": self._name,
            "Executable": SCRIPT,
            "Arguments": "%(chunk)s",
            "InputSandbox": [pfn],
            "StdOutput": STREAMS[0],
            "StdError": STREAMS[1],
            "OutputSandbox": [*STREAMS, RESULTS],
            "Tags": [f"hostfeat:python-{PYTHON}"],
        }
        return Description("the calls", apply(document, self._options.changes([f"chunk=0..{count - 1}"])))

    def _drop(self, future: RemoteFuture) -> None:
        """Have the job ended if nobody wants an answer of it any more."""
        with self.lock:
            job_id = None if future.job is None else future.job.id
            chunk = self._open.get(job_id) if job_id is not None else None
            if job_id is not None and chunk is not None and all(call.future.cancelled() for call in chunk):
                self._ending.append(job_id)
        self._wake.set()

    def _watch(self) -> None:
        outage = Outage(self._session.say)
        waited = Wait([])
        while True:
            with self.lock:
                waited.ids = list(self._open)
                if not waited.ids:
                    self._thread = None
                    return
            self._wake.clear()
            try:
                self.end_now()
                ended = self._look(waited)
                outage.end()
                with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
                    list(pool.map(self._answer, ended.items()))
            except Unreachable as error:
                try:
                    outage.bear(error, time.monotonic())
                except Unreachable as still:
                    self._fail(still)
            except Exception as error:  # noqa: BLE001 - whoever waits for an answer hears of it
                self._fail(error)
            if not self._ending:
                self._wake.wait(waited.pause_s)

    def _look(self, waited: Wait) -> dict[int, str]:
        """Ask for the statuses of all open jobs, and return those that have ended."""
        rows, missing = find_some(self._session, waited.ids, ["Status"])
        statuses = {row["JobID"]: str(row["Status"]) for row in rows} | dict.fromkeys(missing, "Deleted")
        waited.accept(statuses)
        with self.lock:
            self.jobs.known |= statuses
            for job_id, status in statuses.items():
                for call in self._open.get(job_id, ()):
                    call.future.is_running = status == "Running"
        return {job_id: status for job_id, status in statuses.items() if status in ENDED}

    def _answer(self, ended: tuple[int, str]) -> None:
        """Answer the calls of a job that has ended."""
        job_id, status = ended
        chunk = self._open[job_id]
        if not all(call.future.cancelled() for call in chunk):
            left, why = self._left(job_id, status)
            if left is None or len(left) != len(chunk):
                for call in chunk:
                    call.future.answer(None, _lost(job_id, status, why))
            else:
                for call, outcome in zip(chunk, left, strict=True):
                    call.future.answer(*unpacked(outcome))
        with self.lock:
            del self._open[job_id]

    def _left(self, job_id: int, status: str) -> tuple[list[Any] | None, Exception | None]:
        """Return what a job has left of its calls, or None and what kept it from being read."""
        if status == "Deleted":
            return None, None
        client, why = self._session.client, None
        try:
            pfns = client.send(sandboxes.get_job_sandbox(job_id, "output"))
            for pfn in reversed(pfns):
                content = read(client, pfn, RESULTS)
                if content is not None:
                    return list(pickle.loads(content)), None
        except (NotLoggedIn, Unreachable):
            raise
        except (ClientError, ArchiveFault, pickle.UnpicklingError, EOFError) as error:
            why = error
        return None, why

    def _fail(self, error: BaseException) -> None:
        """Tell everybody who waits that there will be no answer."""
        with self.lock:
            chunks, self._open = list(self._open.values()), {}
        for chunk in chunks:
            for call in chunk:
                call.future.answer(None, error)


def _lost(job_id: int, status: str, why: Exception | None) -> JobLost:
    lost = JobLost(
        f"Job {job_id} has ended as {status} and left no answer.",
        job_id=job_id,
        hint=f"See why: weyl.Job({job_id}).why(), and what it wrote: weyl.Job({job_id}).logs(stderr=True)",
    )
    lost.__cause__ = why
    return lost
