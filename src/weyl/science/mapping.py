"""`weyl.map`: a function over many inputs, each in a job, and the results in order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import wait as wait_for
from time import monotonic
from typing import Any, Literal

from weyl.client.sync import Client
from weyl.science.errors import MapFailed, WaitTimeout
from weyl.science.executor import chunks_of
from weyl.science.handles import Jobs, named
from weyl.science.options import Options, Text
from weyl.science.progress import Progress, counted, summary_page
from weyl.science.remote import Remote, RemoteFuture
from weyl.science.session import session_of

LOOK_S = 0.5
SHOWN_MAX = 10


def map(  # noqa: A001 - it is called as weyl.map, and means the same
    function: Callable[..., Any],
    *iterables: Iterable[Any],
    chunksize: int | None = None,
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
) -> "Mapped":
    """Call a function for each input in a job, and return at once what will have the results.

    ```python
    squares = weyl.map(square, range(100)).results()
    ```

    The jobs run under the Python version of this program. `chunksize` inputs share a job: one, or so many that there
    are at most 1,000 jobs. Other options are those of `weyl.submit`. Raises `CannotSend` if something cannot be
    pickled; nothing is submitted then.
    """
    named_so = getattr(function, "__name__", type(function).__name__)
    options = Options(name, group, site, cores, memory, time, priority, files, output)
    remote = Remote(session_of(client), options, name=named_so)
    chunks = chunks_of(remote, function, iterables, chunksize)
    if chunks:
        remote.send(chunks)
    return Mapped(remote, [call.future for chunk in chunks for call in chunk])


class Mapped:
    """The results of a map, in the order of the inputs; one that has failed does not keep the others back.

    Iterating waits for each result in turn, and raises where one has failed; so does `mapped[3]`.
    """

    def __init__(self, remote: Remote, futures: Sequence[RemoteFuture]) -> None:
        self.futures = list(futures)
        self._remote = remote

    @property
    def jobs(self) -> Jobs:
        """The jobs that run the calls."""
        return self._remote.jobs

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> "Mapped":
        """Wait until all have ended, at most `timeout` seconds; raises `WaitTimeout` when the time is over."""
        deadline = None if timeout is None else monotonic() + timeout
        progress = progress and not all(each.done() for each in self.futures)
        shown = Progress(len(self.jobs), is_shown=progress)
        try:
            while wait_for(self.futures, LOOK_S if deadline is None else self._pause(deadline)).not_done:
                shown.look(self.jobs.known.values())
                if deadline is not None and monotonic() >= deadline:
                    raise WaitTimeout("Not there yet.", hint="The jobs go on; wait again.")
            shown.look(self.jobs.known.values())
        except KeyboardInterrupt:
            hint = f"Wait again; they are weyl.Jobs({named(self.jobs.ids)})."
            self.jobs.session.say(f"\nStopped waiting; the jobs go on. {hint}")
            raise
        finally:
            shown.close()
        return self

    def results(self, timeout: float | None = None, *, errors: Literal["raise", "return"] = "raise") -> list[Any]:
        """Wait, and return all results in the order of the inputs.

        Raises `MapFailed`, which has the exception of each input that failed, unless `errors="return"`: these stand
        in the places of their results then.
        """
        self.wait(timeout)
        failed = self.errors()
        if failed and errors == "raise":
            first = next(iter(failed))
            numbers = ", ".join(f"{number:,}" for number in list(failed)[:SHOWN_MAX])
            more = f" and {len(failed) - SHOWN_MAX:,} more" if len(failed) > SHOWN_MAX else ""
            sentence = f"{len(failed):,} of {len(self.futures):,} inputs have failed: {numbers}{more}."
            hint = 'The others are there: results(errors="return"), or results one by one: mapped[0]'
            raise MapFailed(sentence, errors=failed, hint=hint) from failed[first]
        return [failed[number] if number in failed else each.result() for number, each in enumerate(self.futures)]

    def errors(self) -> dict[int, BaseException]:
        """Return the exceptions so far, by the number of the input, counted from 0."""
        found: dict[int, BaseException] = {}
        for number, each in enumerate(self.futures):
            if each.cancelled():
                found[number] = CancelledError()
            elif each.done() and (error := each.exception()) is not None:
                found[number] = error
        return found

    def cancel(self) -> None:
        """End the jobs that have not ended; what is there already stays."""
        for each in self.futures:
            each.cancel()
        self._remote.end_now()

    def __len__(self) -> int:
        return len(self.futures)

    def __getitem__(self, index: int) -> Any:
        return self.futures[index].result()

    def __iter__(self) -> Iterator[Any]:
        return (each.result() for each in self.futures)

    def __repr__(self) -> str:
        return f"<weyl.Mapped: {self._summary()}; jobs: {named(self.jobs.ids)}>"

    def _repr_html_(self) -> str:
        known = [self.jobs.known.get(job_id, "submitted") for job_id in self.jobs.ids]
        return summary_page(self._summary(), counted(known))

    def _summary(self) -> str:
        done, failed = sum(each.done() for each in self.futures), len(self.errors())
        return f"{done:,} of {len(self.futures):,} inputs ended" + (f", {failed:,} failed" if failed else "")

    def _pause(self, deadline: float) -> float:
        return max(0.0, min(LOOK_S, deadline - monotonic()))
