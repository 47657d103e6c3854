"""`weyl.aio`: the same names for programs with an event loop; what waits or asks the server is awaited.

The work is that of the other functions, in threads; a wait that is cancelled ends at once, and the jobs go on.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from weyl.client.sync import Client
from weyl.jobs.waiting import ENDED
from weyl.science import data as files
from weyl.science import handles, mapping, submission
from weyl.science.explanations import Why

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


def _twin(function: Callable[P, T], made: Callable[[T], R]) -> Callable[P, Awaitable[R]]:
    """Return a function that does the same in a thread, and is awaited."""

    @wraps(function)
    async def awaited(*args: P.args, **kwargs: P.kwargs) -> R:
        return made(await asyncio.to_thread(function, *args, **kwargs))

    return awaited


def _same(value: T) -> T:
    return value


class Job:
    """One job: `weyl.aio.Job(12)`; its methods are those of `weyl.Job`, awaited."""

    def __init__(self, job_id: int, *, client: Client | None = None) -> None:
        self.id = int(job_id)
        self._job = handles.Job(job_id, client=client)

    async def status(self) -> str:
        """Return the status, such as `Waiting`."""
        return await asyncio.to_thread(self._job.status)

    async def wait(self, timeout: float | None = None, *, progress: bool = True) -> "Job":
        """Wait until the job has ended, at most `timeout` seconds; raises `WaitTimeout` if it has not."""
        await Jobs([self.id], client=self._job.client).wait(timeout, progress=progress)
        return self

    async def fetch(self, directory: str | Path = ".") -> list[Path]:
        """Fetch what the job has left into a directory of its own below this one, and return the paths."""
        return await asyncio.to_thread(self._job.fetch, directory)

    async def outputs(self) -> dict[str, Any]:
        """Return the output object of a workflow; of another job its files and their sizes in bytes."""
        return await asyncio.to_thread(self._job.outputs)

    async def logs(self, *, stderr: bool = False) -> str:
        """Return what the job has written."""
        return await asyncio.to_thread(lambda: self._job.logs(stderr=stderr))

    async def why(self) -> Why:
        """Return why the job waits or failed."""
        return await asyncio.to_thread(self._job.why)

    async def kill(self) -> bool:
        """End the job; returns whether there was anything to end."""
        return await asyncio.to_thread(self._job.kill)

    def __repr__(self) -> str:
        return repr(self._job)


class Jobs:
    """Many jobs; the methods are those of `weyl.Jobs`, awaited, and `as_completed` is for `async for`."""

    def __init__(self, ids: Iterable[int], *, client: Client | None = None) -> None:
        self._jobs = handles.Jobs(ids, client=client)

    @classmethod
    def of(cls, jobs: handles.Jobs) -> "Jobs":
        """Return the same jobs for an event loop."""
        made = cls(jobs.ids, client=jobs.client)
        made._jobs = jobs
        return made

    @classmethod
    async def of_group(cls, group: str, *, client: Client | None = None) -> "Jobs":
        """Return the jobs of a job group, the oldest first."""
        return cls.of(await asyncio.to_thread(handles.Jobs.of_group, group, client=client))

    @classmethod
    async def where(cls, condition: str, *, client: Client | None = None) -> "Jobs":
        """Return the jobs that meet a condition, the oldest first."""
        return cls.of(await asyncio.to_thread(handles.Jobs.where, condition, client=client))

    @property
    def ids(self) -> list[int]:
        """The ids, in the order of the submission."""
        return self._jobs.ids

    async def statuses(self) -> dict[int, str]:
        """Return the status of each job by its id."""
        return await asyncio.to_thread(self._jobs.statuses)

    async def status(self) -> dict[str, int]:
        """Return how many jobs have each status."""
        return await asyncio.to_thread(self._jobs.status)

    async def failed(self) -> "Jobs":
        """Return the jobs that have ended, and not well."""
        return Jobs.of(await asyncio.to_thread(self._jobs.failed))

    async def wait(self, timeout: float | None = None, *, progress: bool = True) -> "Jobs":
        """Wait until all have ended, well or not, at most `timeout` seconds; returns the jobs themselves."""
        async for _ in self._looks(timeout, progress=progress):
            pass
        if progress:
            self._jobs.tell_failures()
        return self

    async def as_completed(self, timeout: float | None = None, *, progress: bool = False) -> AsyncIterator[Job]:
        """Yield each job when it has ended, whatever the order."""
        told: set[int] = set()
        async for news in self._looks(timeout, progress=progress):
            for job_id, status in news.items():
                if status in ENDED and job_id not in told:
                    told.add(job_id)
                    yield Job(job_id, client=self._jobs.client)

    async def fetch(self, directory: str | Path = ".", *, progress: bool = True) -> dict[int, list[Path]]:
        """Fetch what the jobs have left, each into a directory with the name of its id, and return the paths."""
        return await asyncio.to_thread(lambda: self._jobs.fetch(directory, progress=progress))

    async def outputs(self) -> dict[int, dict[str, Any]]:
        """Return by id the output object of a workflow; of another job its files and their sizes in bytes."""
        return await asyncio.to_thread(self._jobs.outputs)

    async def logs(self, *, stderr: bool = False) -> dict[int, str]:
        """Return what each job has written."""
        return await asyncio.to_thread(lambda: self._jobs.logs(stderr=stderr))

    async def why(self) -> dict[int, Why]:
        """Return why each of at most 100 jobs waits or failed."""
        return await asyncio.to_thread(self._jobs.why)

    async def kill(self) -> list[int]:
        """End all that have not ended, and return their ids."""
        return await asyncio.to_thread(self._jobs.kill)

    def __len__(self) -> int:
        return len(self._jobs)

    def __getitem__(self, index: int) -> Job:
        return Job(self._jobs.ids[index], client=self._jobs.client)

    def __repr__(self) -> str:
        return repr(self._jobs)

    def _repr_html_(self) -> str:
        return self._jobs._repr_html_()

    async def _looks(self, timeout: float | None, *, progress: bool) -> AsyncIterator[dict[int, str]]:
        stop = threading.Event()
        looks = self._jobs.looks(timeout, progress=progress, sleep=stop.wait)
        try:
            while (news := await asyncio.to_thread(next, looks, None)) is not None:
                yield news
        finally:
            stop.set()


class Mapped:
    """The results of a map; `await mapped.results()`."""

    def __init__(self, mapped: mapping.Mapped) -> None:
        self._mapped = mapped

    @property
    def jobs(self) -> Jobs:
        """The jobs that run the calls."""
        return Jobs.of(self._mapped.jobs)

    async def wait(self) -> "Mapped":
        """Wait until all have ended."""
        ended = [asyncio.wrap_future(each) for each in self._mapped.futures]
        # Shielded: whoever gives up waiting does not give up the jobs.
        await asyncio.shield(asyncio.gather(*ended, return_exceptions=True))
        return self

    async def results(self, *, errors: Literal["raise", "return"] = "raise") -> list[Any]:
        """Wait, and return all results in the order of the inputs; raises `MapFailed` unless errors are returned."""
        await self.wait()
        return self._mapped.results(errors=errors)

    def errors(self) -> dict[int, BaseException]:
        """Return the exceptions so far, by the number of the input, counted from 0."""
        return self._mapped.errors()

    async def cancel(self) -> None:
        """End the jobs that have not ended; what is there already stays."""
        await asyncio.to_thread(self._mapped.cancel)

    def __len__(self) -> int:
        return len(self._mapped)

    def __repr__(self) -> str:
        return repr(self._mapped)


class data:  # noqa: N801 - it stands for the module of this name
    """Files of the catalogue; the functions are those of `weyl.data`, awaited."""

    put = staticmethod(_twin(files.put, _same))
    get = staticmethod(_twin(files.get, _same))
    find = staticmethod(_twin(files.find, _same))
    ls = staticmethod(_twin(files.ls, _same))


submit = _twin(submission.submit, Jobs.of)
map = _twin(mapping.map, Mapped)  # noqa: A001 - it is called as weyl.aio.map
