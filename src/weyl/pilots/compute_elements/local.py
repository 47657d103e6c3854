"""The computing element of one machine: every pilot is a process in a directory of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from weyl.pilots.compute_elements.driver import (
    STAMP_VARIABLE,
    Capacity,
    CEState,
    CEStatus,
    Copy,
    DriverContext,
    Output,
    PilotSpec,
    Submitted,
    job_name,
)

HIDE_VARIABLE = "WEYL_PILOT_HIDE"
CANCEL_GRACE_S = 65.0
"""A pilot has 60 s to end its payloads; then it is made to go."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy")
# The marks of a pilot's life, beside its work directory: a driver made anew after a crash reads them.
HANDLE, EXIT_CODE, CANCELLED, STDOUT, STDERR = "handle", "exit-code", "cancelled", "stdout", "stderr"
# Marks its own start itself, so that no crash of the worker can lose a pilot, and its end, since no worker need be
# there to see it. SIGTERM goes through; a pilot that was killed leaves 128 + signal.
LAUNCHER = """
read -r stat </proc/$$/stat
name=${0##*/}
for field in ${stat##*) }; do n=$((n + 1)); [ $n -eq 20 ] && start=$field; done
printf %s "$name:$$:$start" >handle.own && mv handle.own handle
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
cd work || exit 126
"$@" &
child=$!
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
echo "$code" >../exit-code.new && mv ../exit-code.new ../exit-code
"""


class LocalOptions(BaseModel):
    """`DriverOptions` of a local computing element."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    running_max: int | None = Field(None, alias="RunningMax", ge=1)
    """Pilots side by side; more are refused, since nothing here would start them later."""
    hide: list[Path] = Field(default_factory=list, alias="Hide")
    """Directories of this machine that no payload may see, beside those of other pilots: keys and state of services."""


class LocalComputeElement:
    """Starts pilots with this machine's own means. A handle is `name:pid:start time`, which no later process shares."""

    def __init__(self, context: DriverContext) -> None:
        self._directory = context.directory
        self._options = LocalOptions.model_validate(dict(context.options))

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Start each copy; one that cannot be started is a failure with its reason."""
        return await asyncio.to_thread(self._submit, spec, copies)

    async def status(self, handles: Collection[str]) -> dict[str, CEStatus]:
        """Look at the process table and at the marks."""
        return await asyncio.to_thread(lambda: {handle: self._status(handle) for handle in handles})

    async def cancel(self, handles: Collection[str]) -> dict[str, str | None]:
        """Ask pilots to end, and kill those that do not within their grace time."""
        running = await asyncio.to_thread(self._terminate, handles)
        if running:
            await _gone(running, CANCEL_GRACE_S)
            await asyncio.to_thread(_kill_sessions, running)
            await _gone(running, 5.0)
        return await asyncio.to_thread(lambda: {handle: self._survival(handle) for handle in handles})

    async def output(self, handle: str) -> Output:
        """Read what there is so far."""
        return await asyncio.to_thread(self._output, handle)

    async def carry(
        self, handles: Collection[str], files: Sequence[str], *, bytes_max: int
    ) -> dict[str, dict[str, bytes | None]]:
        """Read files of pilots' work directories."""
        return await asyncio.to_thread(
            lambda: {handle: self._carry(handle, files, bytes_max=bytes_max) for handle in handles}
        )

    async def cleanup(self, handles: Collection[str]) -> None:
        """Remove the directories of pilots that are over."""
        await asyncio.to_thread(self._cleanup, handles)

    async def find(self, names: Collection[str]) -> dict[str, str]:
        """Read the marks of the named pilots."""
        return await asyncio.to_thread(
            lambda: {name: handle for name in names if (handle := _read(self._directory / name / HANDLE))}
        )

    async def capacity(self) -> Capacity | None:
        """Count pilots that run."""
        return await asyncio.to_thread(self._capacity)

    # -- in a thread: files and processes -----------------------------------------------------------------------------

    def _submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        handles: dict[int, str] = {}
        failures: dict[int, str] = {}
        free = self._capacity().free
        for index, copy in enumerate(copies):
            if free is not None and len(handles) >= free:
                failures[index] = f"the {self._options.running_max} places of this computing element are taken"
                continue
            try:
                handles[index] = self._start(spec, copy)
            except OSError as error:
                failures[index] = str(error)
                self._remove(job_name(copy.stamp, spec.name))
        return Submitted(handles, failures)

    def _start(self, spec: PilotSpec, copy: Copy) -> str:
        name = job_name(copy.stamp, spec.name)
        place = self._directory / name
        # As root, payloads run as other users: they must be able to walk through, though not to look around.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        for directory in (self._directory, place, place / "work"):
            directory.mkdir(parents=True, exist_ok=directory == self._directory)
            directory.chmod(mode)
        work = place / "work"
        for file_name, content in spec.inputs.items():
            # Also where a driver that is built on this one starts it by way of another program.
            is_program = f"./{file_name}" in (spec.executable, *spec.arguments)
            _write(work / file_name, content, 0o700 if is_program else 0o600)
        for file_name, content in copy.secrets.items():
            _write(work / file_name, content, 0o600)
        executable = spec.executable if spec.executable.startswith("./") else shutil.which(spec.executable)
        if executable is None or not (work / executable).is_file():
            raise FileNotFoundError(f"there is no program {spec.executable!r} on this machine")
        environment = self._environment(spec, copy)
        command = ["/bin/sh", "-c", LAUNCHER, str(place), executable, *spec.arguments]
        with (place / STDOUT).open("wb") as stdout, (place / STDERR).open("wb") as stderr:
            # Its own session: a worker that is stopped or killed does not take its pilots along.
            process = subprocess.Popen(
                command,
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        handle = f"{name}:{process.pid}:{_state_and_start(process.pid)[1]}"
        _write(place / f"{HANDLE}.new", handle.encode(), 0o600)
        (place / f"{HANDLE}.new").rename(place / HANDLE)
        _forget(process)
        return handle

    def _environment(self, spec: PilotSpec, copy: Copy) -> Mapping[str, str]:
        inherited = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        hidden = [str(self._directory), *map(str, self._options.hide)]
        identity = {STAMP_VARIABLE: copy.stamp, HIDE_VARIABLE: os.pathsep.join(hidden)}
        return {**inherited, **spec.environment, **copy.environment, **identity}

    def _place(self, handle: str) -> Path | None:
        name, _, rest = handle.partition(":")
        place = self._directory / name
        return place if rest and Path(name).name == name and _read(place / HANDLE) == handle else None

    def _status(self, handle: str) -> CEStatus:
        place = self._place(handle)
        if place is None:
            return CEStatus(CEState.UNKNOWN, "no such pilot here")
        if _is_running(handle):
            return CEStatus(CEState.RUNNING, "process runs")
        code = _exit_code(place)
        if (place / CANCELLED).exists():
            return CEStatus(CEState.DELETED, "cancelled", code)
        if code is None:
            return CEStatus(CEState.ABORTED, "the process is gone and left no exit code")
        return CEStatus(CEState.DONE if code == 0 else CEState.FAILED, f"exit code {code}", code)

    def _terminate(self, handles: Collection[str]) -> list[str]:
        running = [handle for handle in handles if self._place(handle) and _is_running(handle)]
        for handle in running:
            _write(self._directory / handle.partition(":")[0] / CANCELLED, b"", 0o600)
            _signal(handle, signal.SIGTERM)
        return running

    def _survival(self, handle: str) -> str | None:
        return "the process does not end" if self._place(handle) and _is_running(handle) else None

    def _output(self, handle: str) -> Output:
        place = self._place(handle)
        if place is None:
            return Output()
        return Output(_bytes(place / STDOUT), _bytes(place / STDERR), None, _exit_code(place))

    def _cleanup(self, handles: Collection[str]) -> None:
        for handle in handles:
            if self._place(handle) and not _is_running(handle):
                self._remove(handle.partition(":")[0])

    def _carry(self, handle: str, files: Sequence[str], *, bytes_max: int) -> dict[str, bytes | None]:
        place = self._place(handle)
        found = {} if place is None else {name: place / "work" / name for name in files}
        # A link could lead to what is not the pilot's.
        there = {name: path for name, path in found.items() if path.is_file() and not path.is_symlink()}
        return {name: path.read_bytes() if path.stat().st_size <= bytes_max else None for name, path in there.items()}

    def _remove(self, name: str) -> None:
        shutil.rmtree(self._directory / name, ignore_errors=True)

    def _capacity(self) -> Capacity:
        marks = self._directory.glob(f"*/{HANDLE}") if self._directory.is_dir() else iter(())
        running = sum(1 for mark in marks if (handle := _read(mark)) and _is_running(handle))
        limit = self._options.running_max
        return Capacity(waiting=0, running=running, free=None if limit is None else max(0, limit - running))


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that has its mode from its first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)


def _read(path: Path) -> str | None:
    content = _bytes(path)
    return None if content is None else content.decode().strip()


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _exit_code(place: Path) -> int | None:
    text = _read(place / EXIT_CODE)
    return int(text) if text and text.isdecimal() else None


def _forget(process: subprocess.Popen[bytes]) -> None:
    """Leave a child to `_is_running`: a pilot outlives this object, and perhaps this worker."""
    process.returncode = 0


def _state_and_start(pid: int) -> tuple[str, str]:
    """State letter of a process and its start in ticks since boot; empty when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


def _identity(handle: str) -> tuple[int, str]:
    _, pid, started = handle.rsplit(":", 2)
    return int(pid), started


def _is_running(handle: str) -> bool:
    pid, started = _identity(handle)
    state, found = _state_and_start(pid)
    if found != started:
        return False
    if state in ("Z", "X"):
        _reap(pid)
        return False
    return True


def _reap(pid: int) -> None:
    """Take the exit of a launcher that this worker started; another worker's child is not ours to wait for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _signal(handle: str, number: signal.Signals) -> None:
    if _is_running(handle):
        os.kill(_identity(handle)[0], number)


def _kill_sessions(handles: Sequence[str]) -> None:
    """Kill launchers and the pilots below them; payloads die with their pilot."""
    for handle in handles:
        pid, _ = _identity(handle)
        if _is_running(handle):
            os.killpg(pid, signal.SIGKILL)


async def _gone(handles: Sequence[str], timeout_s: float) -> None:
    """Wait for the end of processes that need not be our children."""
    descriptors = list(_descriptors(handles))
    if not descriptors:
        return
    loop = asyncio.get_running_loop()
    ended: list[asyncio.Future[None]] = [loop.create_future() for _ in descriptors]
    for descriptor, future in zip(descriptors, ended, strict=True):
        loop.add_reader(descriptor, _mark, future)
    try:
        await asyncio.wait(ended, timeout=timeout_s)
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _mark(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


def _descriptors(handles: Sequence[str]) -> Iterator[int]:
    for handle in handles:
        try:
            descriptor = os.pidfd_open(_identity(handle)[0])
        except ProcessLookupError:
            continue
        if _is_running(handle):
            yield descriptor
        else:
            os.close(descriptor)
