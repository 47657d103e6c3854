"""What a client of storage does without a network: checksums, names of local files, partial files, journals."""

import json
import zlib
from hashlib import md5, sha1, sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.storage.transfer.digests import NAMES, Digest, DigestBehind, checksums_of, strongest
from weyl.storage.transfer.journal import Journals, Landed
from weyl.storage.transfer.local_files import LocalFault, LocalFile, local_files
from weyl.storage.transfer.pace import Pace, Stopped
from weyl.storage.transfer.partial import Corrupt, PartialFault, PartialFile

CONTENT = b"0123456789"
SHA256 = sha256(CONTENT).hexdigest()


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_checksums_are_those_of_the_whole_in_whatever_pieces_it_comes(chunks: list[bytes]) -> None:
    digest, whole = Digest(NAMES), b"".join(chunks)
    for chunk in chunks:
        digest.update(chunk)
    assert digest.checksums() == {
        "adler32": f"{zlib.adler32(whole):08x}",
        "md5": md5(whole).hexdigest(),
        "sha1": sha1(whole).hexdigest(),
        "sha256": sha256(whole).hexdigest(),
    }


def test_checksums_are_the_same_some_bytes_behind() -> None:
    content = bytes(range(256)) * 20_000
    ahead, behind = Digest(NAMES), DigestBehind(NAMES)
    for start in range(0, len(content), 65_536):
        ahead.update(content[start : start + 65_536])
        behind.update(content[start : start + 65_536])
    assert behind.checksums() == ahead.checksums()
    DigestBehind().close()


def test_the_strongest_checksum_that_is_told_is_taken() -> None:
    assert strongest({"adler32": "0A", "md5": "FF", "sha256": None}) == ("md5", "ff")
    assert strongest({"md5": None}) is None


def test_whoever_counts_may_end_the_reading(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    pace = Pace(is_stopped=True)
    with pytest.raises(Stopped):
        checksums_of(tmp_path / "f", moved=pace.moved)


def test_files_get_the_name_or_lie_below_it(tmp_path: Path) -> None:
    for name in ("a", "d/b", "d/e/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    a, d = tmp_path / "a", tmp_path / "d"
    assert [each.lfn for each in local_files([a], "/vo/x")] == ["/vo/x"]
    assert [each.lfn for each in local_files([a], "/vo/x/")] == ["/vo/x/a"]
    assert [each.lfn for each in local_files([d], "/vo/x")] == ["/vo/x/b", "/vo/x/e/c"]
    assert [each.lfn for each in local_files([a, d], "/vo/x")] == ["/vo/x/a", "/vo/x/d/b", "/vo/x/d/e/c"]


def test_what_cannot_be_put_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("one/f", "two/f"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    (tmp_path / "loose").symlink_to(tmp_path / "nowhere")
    for paths, words in (
        (["missing"], "missing: No such file"),
        (["empty"], "There is no file in"),
        (["one/f", "two/f"], "would both be /vo/f"),
        (["loose"], "No such file"),
    ):
        with pytest.raises(LocalFault, match=words):
            local_files([tmp_path / path for path in paths], "/vo")


def partial_file(target: Path, moved: list[int], *, content: bytes = CONTENT) -> PartialFile:
    return PartialFile(target, size=len(content), checksums={"sha256": SHA256}, moved=moved.append)


def test_a_partial_file_is_gone_on_with(tmp_path: Path) -> None:
    target, moved = tmp_path / "new" / "f", list[int]()
    with partial_file(target, moved) as part:
        part.begin(0)
        part.write(CONTENT[:4])
    assert not target.exists()
    with partial_file(target, moved) as part:
        assert (part.offset, part.is_complete) == (4, False)
        part.begin(4)
        part.write(CONTENT[4:])
        assert part.is_complete
        part.finish()
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert sum(moved) == 4 + len(CONTENT)


def test_storage_that_sends_all_again_is_taken_from_the_beginning(tmp_path: Path) -> None:
    target, moved = tmp_path / "f", list[int]()
    with partial_file(target, moved) as part:
        part.begin(0)
        part.write(CONTENT[:4])
        part.begin(0)
        part.write(CONTENT)
        part.finish()
    assert target.read_bytes() == CONTENT
    assert sum(moved) == len(CONTENT)


def test_other_bytes_never_get_the_name(tmp_path: Path) -> None:
    target, moved = tmp_path / "f", list[int]()
    with partial_file(target, moved) as part:
        part.begin(0)
        part.write(b"x" * len(CONTENT))
        with pytest.raises(Corrupt, match=f"not {SHA256}"):
            part.finish()
        with pytest.raises(Corrupt, match="more than the 10 bytes"):
            part.write(CONTENT + b"x")
        with pytest.raises(PartialFault, match="from 7 on"):
            part.begin(7)
    assert list(tmp_path.iterdir()) == []
    assert sum(moved) == 0


def test_two_programs_do_not_fetch_into_one_file(tmp_path: Path) -> None:
    other = partial_file(tmp_path / "f", [])
    with partial_file(tmp_path / "f", []), pytest.raises(PartialFault, match="another program"):
        other.__enter__()


def test_a_journal_is_read_by_who_sends_the_same_files_again(tmp_path: Path) -> None:
    for name in ("f", "g"):
        (tmp_path / name).write_bytes(CONTENT)
    files = [LocalFile.at(tmp_path / name, f"/vo/{name}") for name in ("f", "g")]
    journals = Journals(tmp_path / "journals", "alice")
    journal = journals.begin("u-1", files, {file.lfn: {"sha256": SHA256} for file in files})
    # Whoever works on it has it for themselves.
    assert list(journals.open_ones(files)) == []
    journal.note_part("/vo/f", "m-1", 1, "tag")
    journal.note_landed("/vo/g", Landed("SE", ("a", "b")))
    journal.leave()
    assert list(Journals(tmp_path / "journals", "bob").open_ones(files)) == []
    assert journal.path is not None
    journal.path.write_text(journal.path.read_text() + '{"landed": "/vo/f", "s')
    [again] = journals.open_ones(files)
    assert (again.upload_id, again.landed, again.parts) == (
        "u-1",
        {"/vo/g": Landed("SE", ("a", "b"))},
        {("/vo/f", "m-1"): {1: "tag"}},
    )
    assert all(map(again.is_of, files))
    again.note_landed("/vo/f", Landed("SE"))
    again.leave()
    assert json.loads(again.path.read_text().splitlines()[-1]) == {"landed": "/vo/f", "se": "SE"}  # type: ignore[union-attr]
    (tmp_path / "f").write_bytes(b"other")
    changed = LocalFile.at(tmp_path / "f", "/vo/f")
    assert list(journals.open_ones([changed])) == []
    [again] = journals.open_ones(files[1:])
    again.remove()
    assert list((tmp_path / "journals").iterdir()) == []


def test_nothing_is_kept_without_a_directory(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    file = LocalFile.at(tmp_path / "f", "/vo/f")
    journals = Journals(None, "alice")
    journal = journals.begin("u", [file], {"/vo/f": {"sha256": SHA256}})
    journal.note_landed("/vo/f", Landed("SE"))
    journal.remove()
    assert list(journals.open_ones([file])) == []
