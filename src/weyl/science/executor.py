"""`weyl.Executor`: the interface of `concurrent.futures`, with a job for each call."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from time import monotonic
from typing import Any, TypeVar

from weyl.client.sync import Client
from weyl.science.handles import Jobs
from weyl.science.options import Options, Text
from weyl.science.packing import by_value, pack_arguments, pack_function
from weyl.science.remote import Call, Chunk, Remote, RemoteFuture
from weyl.science.session import session_of

T = TypeVar("T")

# Calls that come within this time are submitted together.
GATHER_S = 0.25
# Many more jobs than this take longer to start than to run: inputs share them.
JOBS_EXPECTED = 1_000


class Executor(futures.Executor):
    """Runs calls as jobs, under the Python version of this program.

    ```python
    with weyl.Executor(cores=2) as pool:
        futures = [pool.submit(simulate, seed) for seed in range(50)]
    ```

    Options are those of `weyl.submit`. A future has the job in `job`; cancelling it ends the job.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        group: str | None = None,
        site: Text | Sequence[Text] = (),
        cores: int | None = None,
        memory: int | None = None,
        time: float | str | None = None,
        priority: int | None = None,
        files: Text | Sequence[Text] = (),
        output: Text | Sequence[Text] = (),
        client: Client | None = None,
    ) -> None:
        options = Options(name, group, site, cores, memory, time, priority, files, output)
        self._remote = Remote(session_of(client), options, name="calls")
        self._lock = threading.Lock()
        self._waiting: list[Call] = []
        self._timer: threading.Timer | None = None
        self._is_shut = False

    @property
    def jobs(self) -> Jobs:
        """The jobs that were submitted so far."""
        return self._remote.jobs

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> futures.Future[T]:
        """Return a future for a call, which is submitted with those that come right after it.

        Raises `CannotSend` at once if the function or an argument cannot be pickled.
        """
        with by_value(fn):
            call = self._remote.call(pack_function(fn), pack_arguments(args, kwargs))
        with self._lock:
            self._refuse_if_shut()
            self._waiting.append(call)
            if self._timer is None:
                self._timer = threading.Timer(GATHER_S, self._flush)
                self._timer.daemon = True
                self._timer.start()
        return call.future

    def map(
        self, fn: Callable[..., T], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[T]:
        """Return the results in order, `chunksize` calls in each job; raises the exception of a call in its place."""
        self._refuse_if_shut()
        chunks = chunks_of(self._remote, fn, iterables, chunksize)
        if chunks:
            self._remote.send(chunks)
        wanted = [call.future for chunk in chunks for call in chunk]
        return _results(wanted, None if timeout is None else monotonic() + timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for the answers, unless told not to. The jobs of cancelled calls are ended."""
        with self._lock:
            self._is_shut = True
            waiting = list(self._waiting) if cancel_futures else []
        for call in waiting:
            call.future.cancel()
        self._flush()
        if cancel_futures:
            self._remote.cancel()
        if wait:
            self._remote.join()

    def __repr__(self) -> str:
        return f"<weyl.Executor: {len(self.jobs):,} jobs>"

    def _refuse_if_shut(self) -> None:
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _flush(self) -> None:
        """Submit what has gathered; whoever waits for a call that could not be submitted hears why."""
        with self._lock:
            calls, self._waiting = self._waiting, []
            self._timer = None
        wanted: list[Chunk] = [[call] for call in calls if not call.future.cancelled()]
        if not wanted:
            return
        try:
            self._remote.send(wanted)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait
            for [call] in wanted:
                call.future.answer(None, error)


def chunks_of(
    remote: Remote, function: Callable[..., Any], iterables: Sequence[Iterable[Any]], chunksize: int | None
) -> list[Chunk]:
    """Return calls of a function over inputs, `chunksize` of them in each chunk."""
    inputs = list(zip(*iterables, strict=False))
    with by_value(function):
        packed = pack_function(function)
        calls = [remote.call(packed, pack_arguments(each, {})) for each in inputs]
    size = max(1, -(-len(calls) // JOBS_EXPECTED)) if chunksize is None else chunksize
    if size < 1:
        raise ValueError("chunksize must be >= 1.")
    return [calls[start : start + size] for start in range(0, len(calls), size)]


def _results(wanted: list[RemoteFuture], deadline: float | None) -> Iterator[Any]:
    wanted.reverse()
    try:
        while wanted:
            left_s = None if deadline is None else deadline - monotonic()
            yield wanted[-1].result(left_s)
            wanted.pop()
    finally:
        for future in wanted:
            future.cancel()
