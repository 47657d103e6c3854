"""A mounted directory: what lies outside is out of reach, and nothing half written is ever a file."""

import asyncio
import fcntl
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.infra.disk import full, small_disk
from tests.storage.doors import Door, Settings, chunks, opened, send, sha256

from weyl.storage.drivers import file
from weyl.storage.errors import AlreadyThere, Corrupt, NoSpace, NotAllowed, NotThere, StorageError, Unreachable


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A driver of a directory."""
    (tmp_path / "mounted").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    async with opened(Settings({"Protocol": "file", "Path": str(tmp_path / "mounted")}, tmp_path), "/voa") as found:
        yield found


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """What is behind it."""
    return tmp_path / "mounted"


def left(mounted: Path) -> list[str]:
    return sorted(str(path.relative_to(mounted)) for path in mounted.rglob("*") if not path.is_dir())


async def test_no_symbolic_link_is_followed(door: Door, mounted: Path, tmp_path: Path) -> None:
    (mounted / "voa").mkdir()
    (mounted / "voa" / "link").symlink_to(tmp_path / "outside" / "secret")
    (mounted / "voa" / "directory").symlink_to(tmp_path / "outside")
    for name in ("link", "directory/secret"):
        with pytest.raises((NotAllowed, NotThere)):
            await door.get(door.path(name))
    with pytest.raises((NotAllowed, NotThere)):
        await door.put("directory/new", b"x")
    with pytest.raises(AlreadyThere):
        await door.put("link", b"x")
    assert await door.driver.stat([door.path("link"), door.path("directory/secret")]) == {}
    assert list(await door.driver.list(door.under)) == []
    assert set(await door.driver.delete([door.path("directory/secret")])) <= {door.path("directory/secret")}
    assert left(tmp_path / "outside") == ["secret"]


@pytest.mark.parametrize("path", ["/etc/passwd", "{root}/../outside/secret", "{root}x/file", "{root}", "{root}//a/b"])
async def test_nothing_is_reached_outside(door: Door, mounted: Path, path: str) -> None:
    for work in (door.get, door.driver.request):
        with pytest.raises(StorageError):
            if work == door.get:
                await door.get(path.format(root=mounted))
            else:
                await door.request(path.format(root=mounted), "write", b"x")


async def test_pipes_and_directories_are_no_files(door: Door, mounted: Path) -> None:
    (mounted / "voa" / "directory").mkdir(parents=True)
    os.mkfifo(mounted / "voa" / "pipe")
    for name in ("pipe", "directory"):
        with pytest.raises(StorageError):
            await door.get(door.path(name))
    assert await door.driver.stat([door.path("pipe"), door.path("directory")]) == {}


async def test_what_is_written_has_no_name_until_it_is_whole(door: Door, mounted: Path) -> None:
    half, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        half.set()
        await go_on.wait()
        yield b"second"

    content = b"firstsecond"
    writing = asyncio.create_task(
        door.driver.write(door.path("a/file"), slow(), size=len(content), sha256=sha256(content))
    )
    await half.wait()
    assert await door.driver.stat([door.path("a/file")]) == {}
    assert list(await door.driver.list(door.under)) == []
    with pytest.raises(AlreadyThere, match="somebody else is writing"):
        await door.put("a/file", b"other")
    go_on.set()
    await writing
    assert await door.get(door.path("a/file")) == content
    assert left(mounted) == ["voa/a/file"]


async def test_a_writer_that_is_cancelled_leaves_nothing(door: Door, mounted: Path) -> None:
    began = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        began.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(door.driver.write(door.path("file"), endless(), size=2, sha256=sha256(b"xx")))
    await began.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert left(mounted) == []


async def test_what_opens_after_nobody_waits_any_more_is_let_go(
    door: Door, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "STEP_S", 0.2)
    go_on, ended = threading.Event(), threading.Event()
    lock = fcntl.flock

    def slow(*args: int) -> None:
        go_on.wait(20)
        lock(*args)

    monkeypatch.setattr(file.fcntl, "flock", slow)
    with pytest.raises(Unreachable, match="file system hangs"):
        await door.put("file", b"x")
    monkeypatch.setattr(file, "_end", lambda *given, end=file._end: (end(*given), ended.set()))
    monkeypatch.setattr(file.fcntl, "flock", lock)
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 20)
    await door.put("file", b"x")
    assert left(mounted) == ["voa/file"]


async def test_what_a_dead_writer_left_is_written_over_and_deleted(door: Door, mounted: Path) -> None:
    request = await door.request(door.path("a/file"), "write", b"content")
    assert request.temporary is not None
    Path(request.temporary).write_bytes(b"half of something that was longer")
    assert list(await door.driver.list(door.under)) == []
    await door.put("a/file", b"content")
    assert await door.get(door.path("a/file")) == b"content"
    other = await door.request(door.path("a/other"), "write", b"content")
    Path(str(other.temporary)).write_bytes(b"half")
    assert await door.driver.delete([door.path("a/other"), door.path("a/file")]) == {}
    assert left(mounted) == []


async def test_what_was_taken_away_while_it_was_written_is_no_file(door: Door, mounted: Path) -> None:
    async def thief() -> AsyncIterator[bytes]:
        yield b"xx"
        assert await door.driver.delete([door.path("file")]) == {}

    with pytest.raises(Unreachable, match="taken away"):
        await door.driver.write(door.path("file"), thief(), size=2, sha256=sha256(b"xx"))
    assert left(mounted) == []


async def test_a_lock_of_the_dead_holds_nobody(door: Door) -> None:
    request = await door.request(door.path("file"), "write", b"x")
    opened_by_other = os.open(str(request.temporary), os.O_WRONLY | os.O_CREAT)
    fcntl.flock(opened_by_other, fcntl.LOCK_EX)
    with pytest.raises(AlreadyThere):
        await door.put("file", b"x")
    os.close(opened_by_other)
    await door.put("file", b"x")


async def test_a_directory_that_is_not_mounted_is_unreachable(tmp_path: Path) -> None:
    async with opened(Settings({"Protocol": "file", "Path": str(tmp_path / "none")}, tmp_path), "/voa") as door:
        for work in (
            door.put("file", b"x"),
            door.get(door.path("file")),
            door.driver.stat([door.path("file")]),
            door.driver.list(door.under),
        ):
            with pytest.raises(Unreachable, match="not mounted"):
                await work
    assert not (tmp_path / "none").exists()


async def test_a_full_disk_is_told_and_left_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "mounted", size_mb=4) as mounted:
        settings = Settings({"Protocol": "file", "Path": str(mounted)}, tmp_path)
        async with opened(settings, "/voa") as door:
            kept = await door.put("kept", b"kept")
            with full(mounted, but_mb=1), pytest.raises(NoSpace):
                await door.put("file", b"x" * 2_000_000)
            assert left(mounted) == ["voa/kept"]
            assert await door.get(kept) == b"kept"
            space = await door.driver.space()
            assert space is not None
            assert 0 < space.free < space.total == 4 << 20


async def test_a_client_that_has_the_directory_writes_beside_the_place(door: Door, mounted: Path) -> None:
    request = await door.request(door.path("deep/down/file"), "write", b"x")
    assert (request.url, request.path) == (f"file://{mounted}/voa/deep/down/file", f"{mounted}/voa/deep/down/file")
    assert Path(str(request.temporary)).parent == Path(str(request.path)).parent
    assert await send(door, request, b"x") == (201, b"")
    assert request.as_json()["temporary"] == request.temporary
    assert "parts" not in request.as_json()


async def test_files_come_in_one_piece(door: Door) -> None:
    with pytest.raises(StorageError, match="no files in parts"):
        await door.driver.complete(door.path("file"), "id", [])
    with pytest.raises(Corrupt):
        await door.driver.write(door.path("file"), chunks(b""), size=1, sha256=sha256(b""))
