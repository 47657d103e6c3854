"""The programs of a stack on one machine, ours and foreign ones, and who starts again what ended unasked."""

import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from weyl.demo.processes import Account, ComponentFailed, end, launch, log_excerpt

STOP_S = 28.0
SUPERVISE_EVERY_S = 0.3
RESTARTS_MAX = 5
RESTART_WINDOW_S = 60.0
RESTART_SECOND_AFTER_S = 0.5

Say = Callable[[str], None]


@dataclass
class Program:
    """A program of the stack; it works in the directory of its log, and its addresses stay when it is started again."""

    name: str
    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str]
    sockets: tuple[int, ...] = ()
    account: Account | None = None
    on_parent_death: signal.Signals = signal.SIGTERM
    end_by: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, STOP_S),)
    """The signals that ask it to finish, each with the seconds that it gets."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    @property
    def dir(self) -> Path:
        """The directory that it works in."""
        return self.log.parent

    @property
    def pid(self) -> int | None:
        """The id of its present process."""
        return None if self.process is None else self.process.pid

    def start(self) -> None:
        """Start it, at first or once more."""
        self.process = launch(
            self.command,
            log=self.log,
            account=self.account,
            on_parent_death=self.on_parent_death,
            env=self.environment,
            pass_fds=self.sockets,
        )

    def stop(self) -> None:
        """Ask it to finish, then end it; what it has stored stays."""
        if self.process is not None:
            end(self.process, *self.end_by)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@dataclass
class Restarts:
    """When a program that ended is started again: at once, then later each time, and no more if it keeps ending."""

    second_after_s: float = RESTART_SECOND_AFTER_S
    ends: list[float] = field(default_factory=list)
    due_at: float | None = None

    def plan(self, now: float) -> float | None:
        """Note that it ended; returns how long to wait before it is started again, None if it ended too often."""
        self.ends = [at for at in self.ends if now - at < RESTART_WINDOW_S] + [now]
        if len(self.ends) > RESTARTS_MAX:
            return None
        wait_s = self.second_after_s * 2 ** (len(self.ends) - 2) if len(self.ends) > 1 else 0.0
        self.due_at = now + wait_s
        return wait_s


class Supervisor:
    """Starts again what ended unasked, in a thread of its own: whoever uses the stack may be waiting for an answer.

    The kernel ends programs with the thread that started them, so this one stays until all have ended.
    """

    def __init__(
        self, programs: Sequence[Program], say: Say, *, second_after_s: float = RESTART_SECOND_AFTER_S
    ) -> None:
        self.failure: ComponentFailed | None = None
        """What could not be started again, if anything: nothing is, then."""
        self._programs = programs
        self._say = say
        self._restarts: dict[str, Restarts] = defaultdict(lambda: Restarts(second_after_s))
        self._working = threading.Lock()
        self.is_resting = threading.Event()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weyl-supervisor", daemon=True)

    def start(self) -> None:
        """Begin to look after the programs."""
        self._thread.start()

    def rest(self) -> None:
        """Start nothing any more: the programs are about to be ended."""
        self.is_resting.set()
        with self._working:
            return

    def leave(self) -> None:
        """End the thread, after the programs have ended."""
        self.is_resting.set()
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self.is_resting.wait(SUPERVISE_EVERY_S):
            with self._working:
                self._look()
        self._leaving.wait()

    def _look(self) -> None:
        if self.is_resting.is_set():
            return
        for program in self._programs:
            try:
                self._look_after(program)
            except (ComponentFailed, OSError) as error:
                self.failure = ComponentFailed(f"{program.name}: {error}")
                self.is_resting.set()
                return

    def _look_after(self, program: Program) -> None:
        code = program.process.poll() if program.process is not None else None
        if code is None:
            return
        restarts, now = self._restarts[program.name], time.monotonic()
        if restarts.due_at is None:
            wait_s = restarts.plan(now)
            if wait_s is None:
                raise ComponentFailed(
                    f"it ended {RESTARTS_MAX + 1} times within a minute, the last time with exit code {code}. "
                    f"The end of {program.log}:\n{log_excerpt(program.log)}"
                )
            name, later = program.name[:1].upper() + program.name[1:], f" in {wait_s:g} s" if wait_s else ""
            self._say(f"{name} ended with exit code {code}; restarting{later}")
        if restarts.due_at is not None and now >= restarts.due_at:
            restarts.due_at = None
            program.start()
