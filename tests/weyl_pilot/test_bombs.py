"""Archives and output that are made to fill a machine, and files that a payload plants where the pilot writes."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from weyl_pilot import archive, payload
from weyl_pilot.archive import BadArchive, pack, unpack
from weyl_pilot.isolation import Cell, hand_over, prepare, write_token
from weyl_pilot.spool import MEMORY_MAX, Spool, TooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MB = 1 << 20
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar.bz2": bz2.compress,
    "tar.gz": gzip.compress,
    "tar.xz": lzma.compress,
    "tar.zst": zstd.compress,
    "tar": bytes,
}
IS_ROOT = os.geteuid() == 0


def plain_tar(*members: tuple[str, int]) -> bytes:
    """Return a tar of members that are all zeros."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, size in members:
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    return buffer.getvalue()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.mark.parametrize("kind", PACKERS)
def test_what_unpacks_to_more_than_there_is_room_for_is_refused(tmp_path: Path, directory: Path, kind: str) -> None:
    content = PACKERS[kind](plain_tar(("a", MB), ("b", 40 * MB)))
    path = tmp_path / f"bomb.{kind}"
    path.write_bytes(content)
    with pytest.raises(BadArchive, match="unpacks to more than"):
        unpack(path, directory, bytes_max=8 * MB)
    assert sum(file.stat().st_size for file in directory.iterdir()) <= 8 * MB
    unpack(path, directory, bytes_max=64 * MB)
    assert (directory / "b").stat().st_size == 40 * MB


@pytest.mark.parametrize("kind", ["tar.bz2", "tar.zst"])
def test_a_header_that_claims_gigabytes_takes_no_memory(tmp_path: Path, directory: Path, kind: str) -> None:
    for sort in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE):
        info = tarfile.TarInfo("long")
        info.type, info.size = sort, 2 << 30
        path = tmp_path / f"bomb.{kind}"
        path.write_bytes(PACKERS[kind](info.tobuf() + bytes(32 * MB)))
        tracemalloc.start()
        try:
            with pytest.raises(BadArchive, match="a header claims"):
                unpack(path, directory)
            assert tracemalloc.get_traced_memory()[1] < 16 * MB
        finally:
            tracemalloc.stop()


def test_no_more_members_than_a_file_system_likes(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MEMBERS_MAX", 50)
    path = tmp_path / "many.tar.gz"
    path.write_bytes(gzip.compress(plain_tar(*((str(number), 0) for number in range(60)))))
    with pytest.raises(BadArchive, match="more than 50 members"):
        unpack(path, directory)


def test_output_that_nobody_could_store_is_refused_before_it_is_read(directory: Path) -> None:
    with (directory / "holes").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLarge):
        pack(directory, ["holes"])


def test_packed_output_takes_bounded_memory(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PACKED_MAX", MB)
    (directory / "noise").write_bytes(os.urandom(3 * MB))
    with pytest.raises(TooLarge):
        pack(directory, ["noise"])


def test_a_second_name_of_somebody_elses_file_is_not_packed(directory: Path, tmp_path: Path) -> None:
    if not IS_ROOT:
        pytest.skip("only root gives payloads another user")
    secret = tmp_path / "secret"
    secret.write_text("of the pilot")
    (directory / "own").write_text("of the payload")
    os.chown(directory / "own", 61234, 61234)
    os.link(secret, directory / "stolen")
    packed = pack(directory, ["own", "stolen"], owner=61234)
    with tarfile.open(fileobj=packed.open()) as tar:
        assert tar.getnames() == ["own"]


def test_what_a_payload_planted_is_neither_emptied_nor_given_away(directory: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of the pilot")
    before = secret.stat()
    os.link(secret, directory / "post-0.log")
    descriptor = payload._open_stream(directory / "post-0.log", 61234 if IS_ROOT else None)
    os.write(descriptor, b"line")
    os.close(descriptor)
    assert secret.read_text() == "of the pilot"
    assert (secret.stat().st_uid, secret.stat().st_mode) == (before.st_uid, before.st_mode)
    assert (directory / "post-0.log").read_text() == "line"
    (directory / "pipe").unlink(missing_ok=True)
    os.mkfifo(directory / "pipe")
    os.close(payload._open_stream(directory / "pipe", None))
    assert (directory / "pipe").is_file()


def test_the_directory_of_the_token_is_not_the_payloads_to_change(tmp_path: Path) -> None:
    if not IS_ROOT:
        pytest.skip("only root gives payloads another user")
    cell = Cell.below(tmp_path / "1", 61234)
    prepare(cell)
    write_token(cell, "first")
    hand_over(cell)
    for text in ("second", "third"):
        write_token(cell, text)
    assert cell.token.stat().st_uid == 0
    assert cell.token.stat().st_mode & 0o777 == 0o711
    token = cell.token / "token"
    assert token.read_text() == "third"
    assert (token.stat().st_uid, token.stat().st_mode & 0o777) == (61234, 0o600)
    assert cell.run.stat().st_uid == 61234


def test_packed_output_leaves_memory_where_there_is_a_disk_for_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(MB)
    for place in (directory, None):
        spool = Spool(place, bytes_max=32 * MB)
        for _ in range(9):
            spool.write(content)
        for _ in range(2):
            with spool.open() as stream:
                assert isinstance(stream, io.BytesIO) is (place is None)
                assert stream.read() == content * 9
        assert (spool.size, spool.size > MEMORY_MAX) == (9 * MB, True)
        spool.close()
    # A full disk is when output matters: it stays in memory.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    spool = Spool(directory, bytes_max=32 * MB)
    for _ in range(9):
        spool.write(content)
    with spool.open() as stream:
        assert isinstance(stream, io.BytesIO)
    spool.close()
