"""Shell scripts on another machine, through the system's OpenSSH: one connection carries all of them."""

import asyncio
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from weyl.remote.credentials import Credential, CredentialKind, CredentialProvider
from weyl.remote.errors import OutcomeUnknown, RemoteError
from weyl.remote.ssh_command import SSHAddress, SSHOptions, known_hosts, login_command
from weyl.remote.transport import Finished, Framed, communicate

KEPT_OPEN_S = 300
PAUSE_MAX_S = 60.0
UNUSED_S = 7 * 86_400
CHECK_TIMEOUT_S = 5.0
REFUSED = "Session open refused by peer"
REFUSED_PAUSE_S = 0.3
# Other users must not be able to guess where to wait for a password.
_ASKPASS = '#!/bin/sh\nexec cat "$WEYL_SSH_PASSWORD_FILE"\n'
_PASSED_ON = ("PATH", "LANG", "HOME", "USER", "LOGNAME", "KRB5CCNAME")


class SSHTransport:
    """Runs scripts behind SSH.

    The connection is a process of its own (ssh's control master) with a socket in a private directory: every driver,
    worker and server of this user shares it, and it ends by itself when nobody has used it for some minutes. A new
    key or a new option makes a new connection.
    """

    def __init__(self, address: SSHAddress, options: SSHOptions, credentials: CredentialProvider) -> None:
        self._address = address
        self._options = options
        self._credentials = credentials

    async def run(self, script: str, *arguments: str, stdin: bytes = b"", timeout_s: float) -> Finished:
        """Run a script on the other machine, whatever the login shell of the user there is."""
        try:
            async with asyncio.timeout(timeout_s):
                socket = await self._connect()
        except TimeoutError as error:
            raise RemoteError(f"{self._address} did not let us in within {timeout_s:g} s") from error
        try:
            return await self._run(socket, Framed(script, arguments), stdin, timeout_s)
        except RemoteError as error:
            # Whatever is wrong with this connection, the next attempt makes a new one.
            await asyncio.shield(self._disconnect(socket))
            raise OutcomeUnknown(f"{self._address}: {error}") from error

    async def _run(self, socket: Path, framed: Framed, stdin: bytes, timeout_s: float) -> Finished:
        text = framed.text.encode()
        # The login shell sees this line only; the script comes first on the standard input, byte by byte because what
        # follows it there is the script's own.
        line = f"exec /bin/sh -c 'eval \"$(dd bs=1 count={len(text)} 2>/dev/null)\"'"
        command = [*self._mux(socket), "-o", "ProxyCommand=false", *self._address.words(), line]
        deadline = time.monotonic() + timeout_s
        while True:
            code, out, complaint = await communicate(
                command, stdin=text + stdin, timeout_s=timeout_s, environment=_environment(), directory="/"
            )
            # A host allows so many sessions on a connection (MaxSessions) and no more: nothing was begun yet.
            if code != 255 or REFUSED not in complaint or time.monotonic() > deadline:
                return framed.finished(code, out, complaint)
            await asyncio.sleep(REFUSED_PAUSE_S)

    async def _connect(self) -> Path:
        """Return the socket of the connection, which is made if there is none."""
        kinds = (CredentialKind.SSH_KEY, CredentialKind.PASSWORD)
        credential = await self._credentials.get(str(self._address), kinds)
        directory = await asyncio.to_thread(private_directory)
        socket = directory / f"{self._digest(credential)}.sock"
        async with _locked(socket.with_suffix(".lock")):
            if not await self._is_open(socket):
                trouble = Trouble(socket.with_suffix(".trouble"))
                trouble.demand_pause_is_over(str(self._address))
                try:
                    await self._open(socket, credential)
                except RemoteError as error:
                    trouble.note(str(error))
                    raise RemoteError(f"{self._address}: {error}") from error
                trouble.clear()
        return socket

    async def _is_open(self, socket: Path) -> bool:
        if not _exists(socket):
            return False
        command = [*self._mux(socket), "-O", "check", *self._address.words()]
        try:
            code, _, _ = await communicate(
                command, stdin=b"", timeout_s=CHECK_TIMEOUT_S, environment=_environment(), directory="/"
            )
        except RemoteError:
            code = 1
        if code:
            await self._disconnect(socket)
        return code == 0

    async def _open(self, socket: Path, credential: Credential | None) -> None:
        await asyncio.to_thread(_forget_unused, socket.parent)
        log = socket.with_suffix(".log")
        _remove(log)
        hosts = _known_hosts(socket, known_hosts(self._address, self._options))
        environment = _environment()
        with _secrets(socket, credential, environment) as identity:
            command = [
                *login_command(self._options, known_hosts=hosts, identity=identity, log=log),
                *("-o", f"ControlPath={socket}", "-o", f"ControlPersist={KEPT_OPEN_S}"),
                *("-M", "-N", "-f", *self._address.words()),
            ]
            timeout_s = self._options.connect_timeout + CHECK_TIMEOUT_S
            code, _, said = await communicate(
                command, stdin=b"", timeout_s=timeout_s, environment=environment, directory="/"
            )
        if code or not _exists(socket):
            raise RemoteError(_complaint(log) or said or "No connection could be made")

    async def _disconnect(self, socket: Path) -> None:
        """Let the connection take nothing new; what others run on it may go on."""
        command = [*self._mux(socket), "-O", "stop", *self._address.words()]
        with suppress(RemoteError):
            await communicate(command, stdin=b"", timeout_s=CHECK_TIMEOUT_S, environment=_environment(), directory="/")
        _remove(socket)

    def _mux(self, socket: Path) -> list[str]:
        return ["ssh", "-F", "none", "-S", str(socket), "-o", "ControlMaster=no", "-o", "BatchMode=yes", "-T"]

    def _digest(self, credential: Credential | None) -> str:
        content = hashlib.sha256(credential.content if credential else b"").hexdigest()
        return hashlib.sha256(f"{self._address} {self._options!r} {content}".encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Trouble:
    """How often in a row a host did not let us in: each time it is left alone for twice as long."""

    path: Path
    now: Callable[[], float] = field(default=time.time)

    def demand_pause_is_over(self, address: str) -> None:
        """Raise `RemoteError` with what was wrong the last time if it is too early to try again."""
        count, at, reason = self._read()
        pause_s = min(2.0 ** (count - 1), PAUSE_MAX_S) if count else 0.0
        left_s = at + pause_s - self.now()
        if 0 < left_s <= PAUSE_MAX_S:
            raise RemoteError(f"{address} is left alone for {left_s:.0f} s more: {reason}")

    def note(self, reason: str) -> None:
        """Count one more."""
        self.path.write_text(f"{self._read()[0] + 1} {self.now()} {reason}")

    def clear(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[int, float, str]:
        try:
            count, at, reason = self.path.read_text().split(" ", 2)
            return int(count), float(at), reason
        except (OSError, ValueError):
            return 0, 0.0, ""


def private_directory() -> Path:
    """Return a directory that only this user can enter, with a short path: those of sockets are limited."""
    root = tempfile.gettempdir()
    directory = Path(root if len(root) <= 40 else "/tmp") / f"weyl-ssh-{os.geteuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise RemoteError(f"{directory} must be a directory of this user with mode 0700")
    return directory


def _known_hosts(socket: Path, content: str) -> Path | None:
    """Write down the keys of hosts that the configuration gives, if it does."""
    path = socket.with_suffix(".hosts")
    if not content:
        return None
    path.write_text(content)
    return path


def _forget_unused(directory: Path) -> None:
    """Remove what is left of connections that nobody has asked for in a week: those of old keys, say."""
    for lock in directory.glob("*.lock"):
        with suppress(FileNotFoundError):  # another process does the same
            if time.time() - lock.stat().st_mtime > UNUSED_S:
                for path in directory.glob(f"{lock.stem}.*"):
                    path.unlink(missing_ok=True)


def _exists(path: Path) -> bool:
    return path.exists()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _complaint(log: Path) -> str:
    """Return what ssh said, without the banner that it frames a changed host key with."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return " ".join(word for word in text.split() if word.strip("@"))[:500]


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


@contextmanager
def _secrets(socket: Path, credential: Credential | None, environment: dict[str, str]) -> Iterator[list[str]]:
    """Lay out what ssh logs in with, as strictly as it demands, for as long as that takes; yields its options."""
    if credential is None:
        yield ["-o", "BatchMode=yes"]
        return
    secret = socket.with_suffix(".secret")
    secret.unlink(missing_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(credential.content)
    try:
        if credential.kind is CredentialKind.SSH_KEY:
            certificate = credential.path.with_name(f"{credential.path.name}-cert.pub")
            signed = ["-o", f"CertificateFile={certificate}"] if certificate.exists() else []
            yield ["-o", "BatchMode=yes", "-o", "PreferredAuthentications=publickey", "-i", str(secret), *signed]
        else:
            askpass = socket.with_suffix(".askpass")
            askpass.write_text(_ASKPASS)
            askpass.chmod(0o700)
            environment |= {
                "SSH_ASKPASS": str(askpass),
                "SSH_ASKPASS_REQUIRE": "force",
                "WEYL_SSH_PASSWORD_FILE": str(secret),
            }
            yield ["-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive"]
    finally:
        secret.unlink(missing_ok=True)


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Hold a file's lock: one process makes the connection, the others find it made."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.utime(descriptor)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
