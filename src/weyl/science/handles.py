"""Jobs as objects of a program: how they are, waiting for them, their files, and why they wait or failed."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, overload

from weyl.client.errors import NotFound, Refused, StillWaiting, UsageFault
from weyl.client.sync import Client
from weyl.jobs.calls import changes, lists, results
from weyl.jobs.cli.fetch import fetch_files
from weyl.jobs.cli.follow import final_output, looks, running_output
from weyl.jobs.cli.selection import BATCH, COLUMNS, batches, find_some, no_such
from weyl.jobs.cli.why import lines
from weyl.jobs.waiting import ENDED, GOOD, Wait, tally
from weyl.kit.search import SearchParams, SearchSpec
from weyl.sandboxes import calls as sandboxes
from weyl.sandboxes.transfer import contents
from weyl.science.errors import WaitTimeout
from weyl.science.explanations import Why
from weyl.science.progress import Progress, counted, summary_page
from weyl.science.session import ProgramSession, session_of

T = TypeVar("T")

FETCHED_AT_ONCE = 4
EXPLAINED_MAX = 100


class Job:
    """One job: `weyl.Job(12)`. Every method asks the server anew."""

    def __init__(self, job_id: int, *, client: Client | None = None) -> None:
        self.id = int(job_id)
        self.client = client
        self._jobs = Jobs([self.id], client=client)

    def status(self) -> str:
        """Return the status, such as `Waiting`; raises `NotFound` if there is no such job, or it is not yours."""
        return self._jobs.statuses()[self.id]

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> "Job":
        """Wait until the job has ended, at most `timeout` seconds; raises `WaitTimeout` if it has not."""
        self._jobs.wait(timeout, progress=progress)
        return self

    def fetch(self, directory: str | Path = ".") -> list[Path]:
        """Fetch what the job has left into a directory of its own below this one, and return the paths."""
        found = self._jobs.fetch(directory)
        return found[self.id]

    def outputs(self) -> dict[str, Any]:
        """Return the output object of a workflow; of another job its files and their sizes in bytes."""
        return self._jobs.outputs()[self.id]

    def logs(self, *, stderr: bool = False) -> str:
        """Return what the job has written to its standard output: the last lines while it runs, all when it has ended.

        Its standard error comes when it has ended.
        """
        session = self._jobs.session
        if self.status() in ENDED:
            return final_output(session, self.id, stderr=stderr) or ""
        return "" if stderr else running_output(session, self.id) or ""

    def why(self) -> Why:
        """Return why the job waits or failed, in the words of `weyl jobs why`; a mapping with what the API says."""
        told = self._jobs.session.client.send(lists.explain(self.id))
        return Why(told, "\n".join(lines(told)))

    def kill(self) -> bool:
        """End the job, wherever it is; returns whether there was anything to end."""
        return bool(self._jobs.kill())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        known = self._jobs.known.get(self.id)
        return f"Job({self.id})" + (f"  # {known}" if known else "")

    def _repr_html_(self) -> str:
        return f"<b>Job {self.id}</b>: {self._jobs.known.get(self.id, 'submitted')}"


class Jobs(Sequence[Job]):
    """Many jobs, in the order of their submission: `weyl.Jobs([12, 13])`, `weyl.Jobs.of_group("scan-7")`.

    Statuses of all of them are asked for in one search per 5,000 jobs.
    """

    def __init__(self, ids: Iterable[int], *, client: Client | None = None) -> None:
        self.ids = [int(job_id) for job_id in ids]
        # The statuses as they were last seen, by id.
        self.known: dict[int, str] = {}
        self.client = client

    @classmethod
    def of_group(cls, group: str, *, client: Client | None = None) -> "Jobs":
        """Return the jobs of a job group, the oldest first."""
        named = {"parameter": "JobGroup", "operator": "eq", "value": group}
        return cls._found(COLUMNS.conditions(more=[named]), client)

    @classmethod
    def where(cls, condition: str, *, client: Client | None = None) -> "Jobs":
        """Return the jobs that meet a condition as `weyl jobs search --where` takes it, the oldest first."""
        return cls._found(COLUMNS.conditions(where=condition), client)

    @classmethod
    def _found(cls, specs: list[SearchSpec], client: Client | None) -> "Jobs":
        order: Any = [{"parameter": "JobID", "direction": "asc"}]
        params = SearchParams(parameters=["JobID", "Status"], search=specs, sort=order)
        rows = list(session_of(client).client.rows(lists.search(params), limit=0, per_page=BATCH))
        jobs = cls((row["JobID"] for row in rows), client=client)
        jobs.known = {row["JobID"]: str(row["Status"]) for row in rows}
        return jobs

    @property
    def session(self) -> ProgramSession:
        """What commands need of this program."""
        return session_of(self.client)

    def statuses(self) -> dict[int, str]:
        """Return the status of each job by its id; raises `NotFound` if one does not exist, or is not yours to see."""
        rows, missing = find_some(self.session, self.ids, ["Status"])
        if missing:
            raise no_such(missing)
        self.known = {row["JobID"]: str(row["Status"]) for row in rows}
        return dict(self.known)

    def status(self) -> dict[str, int]:
        """Return how many jobs have each status: `{"Done": 47, "Failed": 3}`."""
        return counted(self.statuses().values())

    def failed(self) -> "Jobs":
        """Return the jobs that have ended, and not well."""
        statuses = self.statuses()
        return self._part(job_id for job_id in self.ids if statuses[job_id] in ENDED - GOOD)

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> "Jobs":
        """Wait until all have ended, well or not, at most `timeout` seconds; returns the jobs themselves.

        Raises `WaitTimeout` when the time is over. After Ctrl-C the jobs go on.
        """
        for _ in self.looks(timeout, progress=progress):
            pass
        if progress:
            self.tell_failures()
        return self

    def tell_failures(self) -> None:
        """Say to the person how many have ended badly, if some have, and how to see why."""
        if not all(status in GOOD for status in self.known.values()):
            ask = "jobs.failed().why()" if len(self.ids) > 1 else "job.why()"
            self.session.say(f"Ended: {tally(self.known.values())}. See why: {ask}")

    def as_completed(self, timeout: float | None = None, *, progress: bool = False) -> Iterator[Job]:
        """Yield each job when it has ended, whatever the order; raises as `wait` does."""
        told: set[int] = set()
        for news in self.looks(timeout, progress=progress):
            for job_id, status in news.items():
                if status in ENDED and job_id not in told:
                    told.add(job_id)
                    yield self._job(job_id)

    def fetch(self, directory: str | Path = ".", *, progress: bool = True) -> dict[int, list[Path]]:
        """Fetch what the jobs have left, each into a directory with the name of its id, and return the paths.

        Those that have left nothing are told of on stderr, and are not in the answer; raises `NotFound` if that is
        all of them.
        """
        place = Path(directory)
        statuses = self.statuses()
        session = self.session

        def fetched(job_id: int) -> list[str] | str:
            return fetch_files(session, job_id, place / str(job_id), kind="output", status=statuses[job_id])

        answers = _of_each(fetched, self.ids)
        failed = {job_id: reason for job_id, reason in answers.items() if isinstance(reason, str)}
        if failed:
            job_id, reason = next(iter(failed.items()))
            more = f" (and {len(failed) - 1:,} more)" if len(failed) > 1 else ""
            sentence = f"Job {job_id}{more} {reason}."
            if len(failed) == len(self.ids):
                raise NotFound(sentence, hint="", details={str(key): why for key, why in failed.items()})
            if progress:
                session.say(sentence)
        return {
            job_id: [place / str(job_id) / name for name in names]
            for job_id, names in answers.items()
            if not isinstance(names, str)
        }

    def outputs(self) -> dict[int, dict[str, Any]]:
        """Return by id the output object of a workflow; of another job its files and their sizes in bytes."""
        self.statuses()
        return _of_each(self._outputs, self.ids)

    def logs(self, *, stderr: bool = False) -> dict[int, str]:
        """Return what each job has written to its standard output."""
        return _of_each(lambda job_id: self._job(job_id).logs(stderr=stderr), self.ids)

    def why(self) -> dict[int, Why]:
        """Return why each of at most 100 jobs waits or failed."""
        if len(self.ids) > EXPLAINED_MAX:
            raise UsageFault(
                f"{len(self.ids):,} jobs are too many to explain.",
                hint=f"Choose at most {EXPLAINED_MAX}: jobs.failed()[:10].why()",
            )
        return {job.id: job.why() for job in self}

    def kill(self) -> list[int]:
        """End all that have not ended, wherever they are, and return their ids."""
        statuses = self.statuses()
        killed: list[int] = []
        for batch in batches(job_id for job_id in self.ids if statuses[job_id] not in ENDED):
            try:
                answer: Any = self.session.client.send(changes.kill(batch)).model_dump(by_alias=True)
            except (NotFound, Refused) as error:
                if not isinstance(error.details, Mapping) or "failed" not in error.details:
                    raise
                answer = {"success": {}, **error.details}
            killed += [int(key) for key, told in answer["success"].items() if told["Status"] == "Killed"]
        return killed

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> "Jobs": ...

    def __getitem__(self, index: int | slice) -> "Job | Jobs":
        if isinstance(index, slice):
            return self._part(self.ids[index])
        return self._job(self.ids[index])

    def __add__(self, other: "Jobs") -> "Jobs":
        return self._part([*self.ids, *other.ids])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Jobs) and other.ids == self.ids

    def __hash__(self) -> int:
        return hash(tuple(self.ids))

    def __repr__(self) -> str:
        known = f"  # {tally(self.known[key] for key in self.ids if key in self.known)}" if self.known else ""
        return f"Jobs({named(self.ids)}){known}"

    def _repr_html_(self) -> str:
        known = [self.known.get(job_id, "submitted") for job_id in self.ids]
        return summary_page(repr(Jobs(self.ids)), counted(known))

    def _job(self, job_id: int) -> Job:
        job = Job(job_id, client=self.client)
        if job_id in self.known:
            job._jobs.known = {job_id: self.known[job_id]}
        return job

    def _part(self, ids: Iterable[int]) -> "Jobs":
        part = Jobs(ids, client=self.client)
        part.known = {job_id: self.known[job_id] for job_id in part.ids if job_id in self.known}
        return part

    def _outputs(self, job_id: int) -> dict[str, Any]:
        client = self.session.client
        try:
            return client.send(results.get_outputs(job_id))
        except (NotFound, Refused):
            pfns = client.send(sandboxes.get_job_sandbox(job_id, "output"))
        return {name: size for pfn in pfns for name, size in contents(client, pfn)}

    def looks(
        self, timeout: float | None, *, progress: bool, sleep: Callable[[float], object] | None = None
    ) -> Iterator[dict[int, str]]:
        """Look until all have ended, show how far they are, and yield the news of each look."""
        waited = Wait(self.ids)
        shown = Progress(len(self.ids), is_shown=progress)
        try:
            for news in looks(self.session, waited, timeout_s=timeout, sleep=sleep or threading.Event().wait):
                self.known = dict(waited.statuses)
                shown.look(waited.statuses.values())
                yield news
        except StillWaiting as error:
            raise WaitTimeout(error.message, hint=error.hint) from None
        except KeyboardInterrupt:
            self.session.say(f"\nStopped waiting; the jobs go on. Come back with: weyl.Jobs({named(self.ids)}).wait()")
            raise
        finally:
            shown.close()


def _of_each(ask: Callable[[int], T], ids: Sequence[int]) -> dict[int, T]:
    """Return what is answered for each job, several at once; the first error, or Ctrl-C, ends it."""
    pool = ThreadPoolExecutor(FETCHED_AT_ONCE)
    try:
        return dict(zip(ids, pool.map(ask, ids), strict=True))
    finally:
        pool.shutdown(cancel_futures=True)


def named(ids: Sequence[int]) -> str:
    """Return ids as Python would write them: `range(12, 62)`, or a list, cut where it is long."""
    if len(ids) > 2 and list(ids) == list(range(ids[0], ids[-1] + 1)):
        return f"range({ids[0]}, {ids[-1] + 1})"
    if len(ids) > 10:
        return f"[{', '.join(map(str, ids[:5]))}, ..., {ids[-1]}]"
    return f"[{', '.join(map(str, ids))}]"
