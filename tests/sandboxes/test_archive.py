"""Archives on the user's machine."""

import bz2
import contextlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from weyl.sandboxes import archive
from weyl.sandboxes.archive import ArchiveFault, check, names, pack, pack_members, read_member, unpack


@pytest.fixture
def tree(tmp_path: Path) -> list[Path]:
    directory = tmp_path / "dir"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "b.txt").write_text("b")
    (directory / "a.txt").write_text("a")
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o750)
    return [script, directory]


def test_what_is_packed_comes_out_again(tree: list[Path], tmp_path: Path) -> None:
    packed = pack(tree, tmp_path / "s.tar.zst")
    assert packed.size == packed.path.stat().st_size
    assert unpack(packed.path, tmp_path / "out") == ["dir/a.txt", "dir/sub/b.txt", "run.sh"]
    assert (tmp_path / "out" / "dir" / "sub" / "b.txt").read_text() == "b"
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)


def test_equal_content_gives_equal_bytes_whenever_and_in_whatever_order(tree: list[Path], tmp_path: Path) -> None:
    first = pack(tree, tmp_path / "1.tar.zst")
    os.utime(tree[0], (1, 1))
    tree[0].chmod(0o700)
    second = pack(list(reversed(tree)), tmp_path / "2.tar.zst")
    assert first.checksum == second.checksum
    assert first.path.read_bytes() == second.path.read_bytes()


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    with pytest.raises(ArchiveFault, match="same name"):
        pack([tmp_path / "x" / "f", tmp_path / "y" / "f"], tmp_path / "s")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveFault, match=r"nowhere\.txt"):
        pack([tmp_path / "nowhere.txt"], tmp_path / "s")


def test_one_file_can_be_read_alone(tree: list[Path], tmp_path: Path) -> None:
    packed = pack(tree, tmp_path / "s.tar.zst")
    assert read_member(packed.path, "dir/a.txt") == b"a"
    assert read_member(packed.path, "dir/none") is None
    assert names(packed.path) == [("dir/a.txt", 1), ("dir/sub/b.txt", 1), ("run.sh", 10)]


def test_bz2_archives_of_pilots_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "s.tar.bz2"
    with tarfile.open(path, "w:bz2") as tar:
        info = tarfile.TarInfo("std.out")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
    assert read_member(path, "std.out") == b"hi"
    assert unpack(path, tmp_path / "out") == ["std.out"]


@pytest.mark.parametrize("name", ["../evil", "/evil"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    directory = tmp_path / "in" / "side"
    with contextlib.suppress(ArchiveFault):
        unpack(path, directory)
    assert not (tmp_path / "in" / "evil").exists()
    assert not Path("/evil").exists()


def test_a_link_out_of_the_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(ArchiveFault):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x28\xb5\x2f\xfdnonsense"])
def test_what_is_not_an_archive_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s"
    path.write_bytes(content)
    with pytest.raises(ArchiveFault):
        unpack(path, tmp_path / "out")


def test_bytes_are_compared_with_the_name(tree: list[Path], tmp_path: Path) -> None:
    packed = pack(tree, tmp_path / "s.tar.zst")
    check(packed.path, f"SB:SandboxSE|/S3/b/vo/g/u/sha256:{packed.checksum.upper()}.tar.zst")
    with pytest.raises(ArchiveFault):
        check(packed.path, f"SB:SandboxSE|/S3/b/vo/g/u/sha256:{'0' * 64}.tar.zst")


def test_what_would_fill_the_disk_or_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.tar.bz2"
    with tarfile.open(bomb, "w:bz2") as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 30 << 20
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    assert unpack(bomb, tmp_path / "good") == ["zeros"]
    assert read_member(bomb, "zeros") == bytes(info.size)
    monkeypatch.setattr(archive, "UNPACKED_MAX", 8 << 20)
    with pytest.raises(ArchiveFault, match="unpacks to more than"):
        unpack(bomb, tmp_path / "bad")
    assert list((tmp_path / "bad").iterdir()) == []
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2 << 30
    bomb.write_bytes(bz2.compress(header.tobuf() + bytes(1 << 20)))
    for read in (lambda: unpack(bomb, tmp_path / "bad"), lambda: names(bomb), lambda: read_member(bomb, "x")):
        with pytest.raises(ArchiveFault, match="headers is too large"):
            read()


def test_members_get_the_names_they_are_given_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("a")
    (tmp_path / "real" / "twin.txt").hardlink_to(tmp_path / "real" / "a.txt")
    (tmp_path / "real" / "link.txt").symlink_to("a.txt")
    (tmp_path / "outside").symlink_to("/etc/hostname")
    members = {"0/b.txt": tmp_path / "real" / "link.txt", "1/real": tmp_path / "real", "2/name": tmp_path / "outside"}
    packed = pack_members(members, tmp_path / "x.tar.zst")
    found = unpack(packed.path, tmp_path / "out")
    assert found == ["0/b.txt", "1/real/a.txt", "1/real/link.txt", "1/real/twin.txt", "2/name"]
    assert {(tmp_path / "out" / name).read_text() for name in found[:4]} == {"a"}
    assert not any((tmp_path / "out" / name).is_symlink() for name in found)


def test_a_directory_that_links_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "up").symlink_to(tmp_path / "d")
    with pytest.raises(ArchiveFault, match="is a link to a directory that it is in"):
        pack_members({"0/d": tmp_path / "d"}, tmp_path / "x.tar.zst")
