"""Does a few things at once, in threads, while one waits, shows how far they are, and may end them all."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from weyl.storage.transfer.pace import Observer, Pace

T = TypeVar("T")

AT_ONCE = 4
LOOK_EVERY_S = 0.2
# So long those who are in the middle of something may take to notice that all is over.
LEAVE_S = 2.0


class Crew(Generic[T]):
    """Carries out work, four at a time, and yields what came of it as it comes."""

    def __init__(self, pace: Pace, observer: Observer | None = None, *, at_once: int = AT_ONCE) -> None:
        self._pace = pace
        self._observer = observer
        self._at_once = at_once
        self._results: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def results(self, work: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Yield the results; an error of one ends all others and is raised. Ctrl-C ends them, too."""
        waiting = deque(work)
        # Daemons: a transfer that hangs does not keep a program from ending.
        threads = [
            threading.Thread(target=self._work, args=(waiting,), daemon=True)
            for _ in range(min(self._at_once, len(work)))
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in work:
                yield self._next()
        except BaseException:
            self._pace.is_stopped = True
            raise
        finally:
            waiting.clear()
            for thread in threads:
                thread.join(LEAVE_S)

    def _next(self) -> T:
        while True:
            if self._observer is not None:
                self._observer.look(self._pace)
            try:
                result, error = self._results.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            return result  # type: ignore[return-value]

    def _work(self, waiting: "deque[Callable[[], T]]") -> None:
        while not self._pace.is_stopped:
            try:
                act = waiting.popleft()
            except IndexError:
                return
            try:
                self._results.put((act(), None))
            except BaseException as error:  # noqa: BLE001 - raised where somebody waits for it
                self._results.put((None, error))
                return
