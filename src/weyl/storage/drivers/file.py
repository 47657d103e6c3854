"""Files in a directory that this machine has mounted; no symbolic link below it is ever followed."""

import asyncio
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import ParamSpec, TypeVar
from urllib.parse import quote

from weyl.file_catalog.checksums import Checksums
from weyl.storage.drivers.driver import CHUNK_BYTES, Entry, Operation, Request, Space, Stat, StorageContext, Wish
from weyl.storage.errors import (
    AlreadyThere,
    Corrupt,
    NoSpace,
    NotAllowed,
    NotThere,
    StorageError,
    Unreachable,
)

P = ParamSpec("P")
R = TypeVar("R")

STEP_S = 60.0
"""Longest wait for one piece of work; a file system whose server is away may hang for ever."""
THREADS = 4
"""Of each directory its own, so that one that hangs holds up nobody else."""
TEMPORARY_PREFIX, TEMPORARY_SUFFIX = b".weyl-", b".part"
FILE_MODE, DIRECTORY_MODE = 0o664, 0o775
_METHODS: dict[Operation, str] = {"read": "GET", "write": "PUT", "remove": "DELETE", "list": "GET"}
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}
_NO_FILE = {*_NOT_THERE, errno.ELOOP, errno.ENAMETOOLONG}
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMLINK}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def temporary_name(name: bytes) -> bytes:
    """Return under which name a file is written until it is whole: beside its own, the same each time."""
    return TEMPORARY_PREFIX + blake2b(name, digest_size=16).hexdigest().encode() + TEMPORARY_SUFFIX


class FileDriver:
    """A mounted directory."""

    def __init__(self, context: StorageContext) -> None:
        self._name = f"{context.element} ({context.endpoint.name})"
        self._root = context.root.encode()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"storage-{context.element}")

    async def stat(self, paths: Sequence[str]) -> dict[str, Stat]:
        """Return sizes; a file system tells no checksums."""
        return await self._do(self._stat_all, paths)

    @asynccontextmanager
    async def read(self, path: str, *, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a file for reading in pieces."""
        opened = await self._take(self._open, path, os.close)
        try:
            yield self._pieces(opened, offset)
        finally:
            await self._do(os.close, opened)

    async def write(self, path: str, chunks: AsyncIterator[bytes], *, size: int, sha256: str) -> None:
        """Write a file beside its place and link it there when it is whole."""
        name = _last(path)
        directory, opened = await self._take(self._begin, path, lambda begun: _end(*begun, name))
        try:
            digest, written = hashlib.sha256(), 0
            async for chunk in chunks:
                digest.update(chunk)
                written += len(chunk)
                if written > size:
                    break
                await self._do(_write_all, opened, chunk)
            if written != size or digest.hexdigest() != sha256:
                raise Corrupt("What was to be stored is not what was announced: size or checksum differ")
            await self._do(self._publish, directory, opened, name)
        finally:
            await self._do(_end, directory, opened, name)

    async def delete(self, paths: Sequence[str]) -> dict[str, str]:
        """Delete files, and what was written beside them."""
        return await self._do(self._delete_all, paths)

    async def list(self, under: str, *, after: str | None = None, limit: int = 1000) -> Sequence[Entry]:
        """Walk the directories below one, in the order of paths; what is being written is left out."""
        return await self._do(self._list, under, None if after is None else after.encode(), limit)

    async def request(self, path: str, wish: Wish) -> Request:
        """Return where the file is, or is to be written, in the directory that is made for it."""
        temporary = None
        if wish.operation == "write":
            await self._do(self._prepare, path)
            parent = path.rpartition("/")[0]
            temporary = f"{parent}/{temporary_name(_last(path)).decode()}"
        expires_at = wish.now + timedelta(seconds=wish.expires_s)
        method, url = _METHODS[wish.operation], f"file://{quote(path, safe='/~')}"
        return Request("file", method, url, {}, expires_at, path=path, temporary=temporary)

    async def complete(self, path: str, upload: str, etags: Sequence[str]) -> None:
        """Refuse: files come in one piece here."""
        raise StorageError(f"{self._name} takes no files in parts")

    async def space(self) -> Space | None:
        """Return what the file system says."""
        found = await self._do(os.statvfs, self._root)
        return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    async def _do(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._wait(self._start(partial(work, *args, **kwargs)))

    async def _take(self, work: Callable[[str], R], path: str, let_go: Callable[[R], None]) -> R:
        """Do what opens something; if nobody waits for it any more when it is open, it is let go."""
        started = self._start(partial(work, path))
        try:
            return await self._wait(asyncio.shield(started))
        except (Unreachable, asyncio.CancelledError):
            started.add_done_callback(lambda done: _let_go(done, let_go))
            raise

    def _start(self, work: Callable[[], R]) -> "asyncio.Future[R]":
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _wait(self, started: "asyncio.Future[R]") -> R:
        try:
            async with asyncio.timeout(STEP_S):
                return await started
        except TimeoutError as error:
            raise Unreachable(f"{self._name} does not answer: its file system hangs") from error
        except OSError as error:
            raise self._fault(error) from error

    async def _pieces(self, opened: int, offset: int) -> AsyncIterator[bytes]:
        while chunk := await self._do(os.pread, opened, CHUNK_BYTES, offset):
            yield chunk
            offset += len(chunk)

    def _fault(self, error: OSError) -> StorageError:
        told = f"{self._name}: {error.strerror or type(error).__name__}"
        if error.errno in _NOT_THERE:
            return NotThere(told)
        if error.errno in _NO_SPACE:
            return NoSpace(told)
        if error.errno in _NOT_ALLOWED:
            return NotAllowed(told)
        if error.errno == errno.ELOOP:
            return NotAllowed(f"{self._name}: the path leads through a symbolic link")
        if error.errno == errno.EEXIST:
            return AlreadyThere(told)
        return Unreachable(told)

    @contextmanager
    def _directory(self, path: str, *, make: bool = False) -> Iterator[int]:
        """Open the directory of a file, step by step from the one that is mounted."""
        relative = path.encode()[len(self._root) + 1 :].split(b"/")[:-1]
        if not path.encode().startswith(self._root + b"/") or {b"", b".", b".."} & set(relative):
            raise NotAllowed(f"{self._name} has nothing outside of its directory")
        try:
            current = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unreachable(f"{self._name} is not mounted here: {error.strerror}") from error
        for part in relative:
            current = _step(current, part, make=make)
        try:
            yield current
        finally:
            os.close(current)

    def _stat_all(self, paths: Sequence[str]) -> dict[str, Stat]:
        found = {}
        for path in paths:
            try:
                with self._directory(path) as directory:
                    status = os.stat(_last(path), dir_fd=directory, follow_symlinks=False)
            except OSError as error:
                if error.errno in _NO_FILE:
                    continue
                raise
            if stat.S_ISREG(status.st_mode):
                found[path] = Stat(status.st_size, Checksums())
        return found

    def _open(self, path: str) -> int:
        # Not blocking: whoever put a pipe there would otherwise hold the thread.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._directory(path) as directory:
            opened = os.open(_last(path), flags, dir_fd=directory)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise Corrupt(f"{self._name} has something under {path} that is no file")
        return opened

    def _begin(self, path: str) -> tuple[int, int]:
        """Return the directory of a file that is to be written, and the open file beside its place, locked."""
        name = _last(path)
        with self._directory(path, make=True) as found:
            if _exists(found, name):
                raise AlreadyThere(f"{self._name} has a file of this name: {path}")
            directory = os.dup(found)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            opened = os.open(temporary_name(name), flags, FILE_MODE, dir_fd=directory)
        except OSError:
            os.close(directory)
            raise
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(opened, 0)
        except BlockingIOError as error:
            os.close(opened)
            os.close(directory)
            raise AlreadyThere(f"{self._name}: somebody else is writing {path}") from error
        return directory, opened

    def _publish(self, directory: int, opened: int, name: bytes) -> None:
        """Give a file that is whole its name, unless there is one of that name."""
        os.fsync(opened)
        temporary = temporary_name(name)
        if not _is_same(directory, temporary, opened):
            raise Unreachable(f"{self._name}: what was written has been taken away")
        try:
            os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if _exists(directory, name):
                raise AlreadyThere(f"{self._name} has a file of this name") from error
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)

    def _prepare(self, path: str) -> None:
        with self._directory(path, make=True):
            return

    def _delete_all(self, paths: Sequence[str]) -> dict[str, str]:
        failed = {}
        for path in paths:
            try:
                with self._directory(path) as directory:
                    for name in (_last(path), temporary_name(_last(path))):
                        _unlink(directory, name)
            except OSError as error:
                if error.errno not in _NOT_THERE:
                    failed[path] = str(self._fault(error))
        return failed

    def _list(self, under: str, after: bytes | None, limit: int) -> Sequence[Entry]:
        found = []
        prefix = under.rstrip("/") + "/"
        try:
            with self._directory(f"{prefix}-") as directory:
                for path, status in islice(_walk(directory, prefix.encode(), after), limit):
                    at = datetime.fromtimestamp(status.st_mtime, UTC)
                    found.append(Entry(path.decode(errors="replace"), status.st_size, at))
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
        return found


def _let_go(done: "asyncio.Future[R]", let_go: Callable[[R], None]) -> None:
    if not done.cancelled() and done.exception() is None:
        let_go(done.result())


def _last(path: str) -> bytes:
    return path.encode().rpartition(b"/")[2]


def _step(current: int, part: bytes, *, make: bool) -> int:
    """Open a directory in another one, which is closed."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        if make:
            _make(current, part)
        return os.open(part, flags, dir_fd=current)
    finally:
        os.close(current)


def _make(directory: int, name: bytes) -> None:
    try:
        os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
    except FileExistsError:
        return


def _exists(directory: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_same(directory: int, name: bytes, opened: int) -> bool:
    try:
        return os.path.samestat(os.stat(name, dir_fd=directory, follow_symlinks=False), os.fstat(opened))
    except FileNotFoundError:
        return False


def _unlink(directory: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return


def _write_all(opened: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(opened, view) :]


def _end(directory: int, opened: int, name: bytes) -> None:
    """Take away what is beside the place of a file, if it is still ours, and close everything."""
    try:
        if _is_same(directory, temporary_name(name), opened):
            _unlink(directory, temporary_name(name))
    finally:
        os.close(opened)
        os.close(directory)


def _walk(directory: int, prefix: bytes, after: bytes | None) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield the files below a directory in the order of their paths, those that come after one."""
    with os.scandir(directory) as entries:
        kinds = {_key(entry): entry for entry in entries}
    for key in sorted(kinds):
        path = prefix + key
        if key.endswith(b"/"):
            if after is None or after.startswith(path) or path > after:
                yield from _walk_below(directory, key[:-1], path, after)
        elif kinds[key].is_file(follow_symlinks=False) and not _is_temporary(key) and (after is None or path > after):
            try:
                yield path, os.stat(key, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue


def _walk_below(
    directory: int, name: bytes, prefix: bytes, after: bytes | None
) -> Iterator[tuple[bytes, os.stat_result]]:
    try:
        below = _step(os.dup(directory), name, make=False)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return
        raise
    try:
        yield from _walk(below, prefix, after)
    finally:
        os.close(below)


def _key(entry: os.DirEntry[str]) -> bytes:
    """Return what an entry is sorted by: the paths below a directory go on with a slash."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _is_temporary(name: bytes) -> bool:
    return name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)
