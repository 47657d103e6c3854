"""How shell scripts get to where they run: on this machine, perhaps as another user, or elsewhere."""

import asyncio
import os
import pwd
import secrets
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import Protocol

from weyl.remote.errors import OutcomeUnknown, RemoteError

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
GRACE_S = 5.0
CHUNK_BYTES = 65_536
COMPLAINT_BYTES_MAX = 64 * 1024
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SLURM_CONF", "CONDOR_CONFIG", "KRB5CCNAME")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a script came to."""

    code: int
    out: bytes
    complaint: str
    """What it wrote to its standard error, in one line."""

    @property
    def lines(self) -> list[str]:
        """Its output as lines of text."""
        return self.out.decode(errors="replace").splitlines()


class Transport(Protocol):
    """Runs POSIX shell scripts where the files and the commands of a system are."""

    async def run(self, script: str, *arguments: str, stdin: bytes = b"", timeout_s: float) -> Finished:
        """Run a script to its end; its arguments are `$1`, `$2`, …, its directory is the home of its user.

        Raises `RemoteError` if it could not be started, and `OutcomeUnknown` if its end was not seen in time.
        """
        ...


class LocalTransport:
    """Runs scripts on this machine, as this user or as another one that root, or sudo, lets us be."""

    def __init__(self, user: str | None = None) -> None:
        self._user = user

    async def run(self, script: str, *arguments: str, stdin: bytes = b"", timeout_s: float) -> Finished:
        """Run a script in a process group of its own, which does not outlive its time."""
        framed = Framed(script, arguments)
        prefix, environment, home = self._account()
        command = [*prefix, "/bin/sh", "-c", framed.text]
        code, out, complaint = await communicate(
            command, stdin=stdin, timeout_s=timeout_s, environment=environment, directory=home
        )
        return framed.finished(code, out, complaint)

    def _account(self) -> tuple[list[str], dict[str, str], str]:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            account = pwd.getpwuid(os.geteuid()) if self._user is None else pwd.getpwnam(self._user)
        except KeyError as error:
            raise RemoteError(f"There is no user {self._user or os.geteuid()} on this machine") from error
        identity = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
        directory = account.pw_dir if os.access(account.pw_dir, os.X_OK) else "/"
        if account.pw_uid == os.geteuid():
            return [], {**passed, **identity}, directory
        if os.geteuid() == 0:
            return ["runuser", "-u", account.pw_name, "--"], {**passed, **identity}, directory
        return ["sudo", "-n", "-H", "-u", account.pw_name, "--"], {**passed, **identity}, "/"


class Framed:
    """A script between two marks that nothing else prints.

    What a login shell says before the script is not taken for its output, and output without its end is noticed.
    """

    def __init__(self, script: str, arguments: Sequence[str]) -> None:
        mark = secrets.token_hex(8)
        self._begin = f"weyl-begin-{mark}\n".encode()
        self._end = f"weyl-end-{mark} ".encode()
        words = " ".join(map(quote, arguments))
        self.text = (
            f"printf 'weyl-begin-%s\\n' {mark}\n(\nset -- {words}\n{script}\n)\nprintf 'weyl-end-%s %s\\n' {mark} $?\n"
        )

    def finished(self, code: int, out: bytes, complaint: str) -> Finished:
        """Return what came between the marks."""
        _, began, rest = out.partition(self._begin)
        body, ended, tail = rest.rpartition(self._end)
        word = tail.split(b"\n", 1)[0]
        if not began or not ended or not word.isdigit():
            raise OutcomeUnknown(
                complaint or f"The commands ended with {code} and said nothing that could be understood"
            )
        return Finished(int(word), body, complaint)


async def communicate(
    command: Sequence[str], *, stdin: bytes, timeout_s: float, environment: Mapping[str, str], directory: str
) -> tuple[int, bytes, str]:
    """Run a program; returns its exit code, output and complaint. Neither its time nor its output is unbounded."""
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.subprocess_exec(
            partial(asyncio.subprocess.SubprocessStreamProtocol, limit=CHUNK_BYTES, loop=loop),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=directory,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise RemoteError(f"{command[0]} cannot be run: {error.strerror}") from error
    process = asyncio.subprocess.Process(transport, protocol, loop)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(timeout_s):
            out, complaint, _ = await asyncio.gather(
                _read(process.stdout, OUTPUT_BYTES_MAX),
                _read(process.stderr, COMPLAINT_BYTES_MAX, is_cut=True),
                _write(process.stdin, stdin),
            )
            code = await process.wait()
    except TimeoutError as error:
        raise OutcomeUnknown(f"No answer within {timeout_s:g} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(TimeoutError):  # what sudo has started is not ours to kill: it ends with its pipes
                await asyncio.wait_for(process.wait(), GRACE_S)
        transport.close()  # others may hold the pipes: ssh gives them to the process of the connection
    return code, out, one_line(complaint)


async def _read(stream: asyncio.StreamReader, bytes_max: int, *, is_cut: bool = False) -> bytes:
    """Read all of a stream; what is too much is dropped if `is_cut`, and an error otherwise."""
    chunks, size = [], 0
    while chunk := await stream.read(CHUNK_BYTES):
        if size + len(chunk) <= bytes_max:
            chunks.append(chunk)
            size += len(chunk)
        elif not is_cut:
            raise OutcomeUnknown(f"The commands write more than {bytes_max} bytes")
    return b"".join(chunks)


async def _write(stream: asyncio.StreamWriter, content: bytes) -> None:
    # A program may end without having read all, even before this is called: its exit code and complaint tell why.
    if not stream.is_closing():  # uvloop refuses to write then
        with suppress(BrokenPipeError, ConnectionResetError):
            stream.write(content)
            await stream.drain()
    stream.close()
    with suppress(BrokenPipeError, ConnectionResetError):
        await stream.wait_closed()


def one_line(complaint: bytes) -> str:
    """Return what a program complained about as one line that fits a log."""
    return " ".join(complaint.decode(errors="replace").split())[:1000]
