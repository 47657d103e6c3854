"""Local files of input objects: what travels, where it lies in the archive, and what stays as it was written."""

from pathlib import Path
from typing import Any

import pytest

from weyl.cwl.local_files import FileFault, localise

PFN = "/S3/sandboxes/voa/user/alice/sha256:" + "0" * 64 + ".tar.zst"
FILE: dict[str, Any] = {"type": "object", "properties": {"class": {"const": "File"}}, "x-cwl-type": "File"}


def file_schema(*patterns: str) -> dict[str, Any]:
    """Return the schema of a File with secondary files."""
    return {**FILE, "x-cwl-secondaryFiles": [{"pattern": pattern, "required": True} for pattern in patterns]}


def touch(directory: Path, *names: str) -> None:
    """Make files that hold their own names."""
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)


def a_file(location: str, **more: Any) -> dict[str, Any]:
    """Return a File."""
    return {"class": "File", "location": location, **more}


def test_files_are_found_at_any_depth_and_everything_else_is_kept(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt", "sub/a.txt", "b c#d.txt", "dir/deep/x")
    value = {
        "one": {"class": "File", "path": "a.txt", "format": "edam:1"},
        "many": [a_file("sub/a.txt"), a_file("b%20c%23d.txt")],
        "record": {"inner": {"folder": {"class": "Directory", "path": "dir", "listing": []}}},
        "literal": {"class": "File", "basename": "l", "contents": "x"},
        "remote": a_file("https://example.org/x"),
        "known": a_file(f"sandbox:{PFN}#x"),
        "legacy": a_file(f"SB:SandboxSE|{PFN}#x"),
        "number": 1.0,
        "none": None,
    }
    found = localise(value, tmp_path)
    assert found.members() == {
        "0/a.txt": tmp_path / "a.txt",
        "1/a.txt": tmp_path / "sub/a.txt",
        "2/b c#d.txt": tmp_path / "b c#d.txt",
        "3/dir": tmp_path / "dir",
    }
    placed = found.placed(PFN)
    assert placed["one"] == {"class": "File", "format": "edam:1", "location": f"sandbox:{PFN}#0/a.txt", "size": 5}
    assert [each["location"] for each in placed["many"]] == [
        f"sandbox:{PFN}#1/a.txt",
        f"sandbox:{PFN}#2/b%20c%23d.txt",
    ]
    assert placed["record"]["inner"]["folder"] == {"class": "Directory", "location": f"sandbox:{PFN}#3/dir/"}
    for name in ("literal", "remote", "known", "legacy", "number", "none"):
        assert placed[name] == value[name]
    literal = {"basename": "a.txt", "contents": "", "size": 5}
    assert found.emptied()["one"] == {"class": "File", "format": "edam:1", **literal}
    assert found.emptied()["record"]["inner"]["folder"] == {"class": "Directory", "basename": "dir", "listing": []}
    assert value["one"]["path"] == "a.txt"


def test_secondary_files_lie_beside_their_file(tmp_path: Path) -> None:
    touch(tmp_path, "r.bam", "r.bam.bai", "r.idx", "elsewhere/r.tbi", "r.bam.dir/x", "r.bam.not")
    schema = {"properties": {"reads": file_schema(".bai", "^.idx", ".gone?", ".dir")}}
    value = {"reads": a_file("r.bam", secondaryFiles=[a_file("elsewhere/r.tbi")])}
    found = localise(value, tmp_path, schema)
    assert set(found.members()) == {"0/r.bam", "0/r.bam.bai", "0/r.idx", "0/r.tbi", "0/r.bam.dir"}
    secondary = found.placed(PFN)["reads"]["secondaryFiles"]
    assert [each["location"].rpartition("#")[2] for each in secondary] == [
        "0/r.tbi",
        "0/r.bam.bai",
        "0/r.idx",
        "0/r.bam.dir/",
    ]
    assert secondary[3]["class"] == "Directory"


def test_schemas_lead_through_arrays_unions_and_records(tmp_path: Path) -> None:
    touch(tmp_path, "x.a", "x.a.i", "y.a", "y.a.i")
    array = {"type": "array", "items": {"anyOf": [file_schema(".i"), {"type": "null"}]}}
    record = {"type": "object", "properties": {"f": file_schema(".i")}}
    schema = {"properties": {"xs": {"anyOf": [{"type": "string"}, array]}, "rec": {"anyOf": [record]}}}
    found = localise({"xs": [a_file("x.a"), None], "rec": {"f": a_file("y.a")}}, tmp_path, schema)
    assert set(found.members()) == {"0/x.a", "0/x.a.i", "1/y.a", "1/y.a.i"}


def test_the_name_that_a_file_is_given_counts_for_its_patterns(tmp_path: Path) -> None:
    touch(tmp_path, "stored", "shown.txt.i")
    schema = {"properties": {"f": file_schema(".i")}}
    found = localise({"f": a_file("stored", basename="shown.txt")}, tmp_path, schema)
    assert set(found.members()) == {"0/stored", "0/shown.txt.i"}
    assert found.placed(PFN)["f"]["basename"] == "shown.txt"


def test_files_that_an_expression_may_name_travel_but_are_not_listed(tmp_path: Path) -> None:
    touch(tmp_path, "r.bam", "r.summary", "other.summary")
    schema = {"properties": {"f": file_schema("$(self.nameroot).summary")}}
    found = localise({"f": a_file("r.bam")}, tmp_path, schema)
    assert set(found.members()) == {"0/r.bam", "0/r.summary"}
    assert "secondaryFiles" not in found.placed(PFN)["f"]


def test_equal_sets_of_files_make_equal_archives(tmp_path: Path) -> None:
    touch(tmp_path, "a", "b")
    one = localise({"x": a_file("a"), "y": a_file("b")}, tmp_path)
    other = localise({"y": a_file("b"), "z": [a_file("a"), a_file("b")]}, tmp_path)
    assert one.primaries == other.primaries
    assert one.members() == other.members()


def test_a_local_file_in_a_literal_directory_travels(tmp_path: Path) -> None:
    touch(tmp_path, "a")
    value = {"d": {"class": "Directory", "basename": "d", "listing": [a_file("a")]}}
    found = localise(value, tmp_path)
    assert set(found.members()) == {"0/a"}
    assert found.placed(PFN)["d"]["listing"][0]["location"] == f"sandbox:{PFN}#0/a"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"f": a_file("gone")}, r"f: there is no file /.*/gone"),
        ({"f": [{"class": "File", "path": "dir"}]}, r"f/0: there is no file /.*/dir"),
        ({"d": {"class": "Directory", "path": "file"}}, r"d: there is no directory /.*/file"),
        ({"f": a_file("file", secondaryFiles=[a_file("gone")])}, r"f/secondaryFiles: there is no file"),
    ],
)
def test_a_file_that_is_not_there_is_named(tmp_path: Path, value: Any, message: str) -> None:
    touch(tmp_path, "file", "dir/x")
    with pytest.raises(FileFault, match=message):
        localise(value, tmp_path)


def test_a_link_keeps_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "real.txt")
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert set(localise({"f": a_file("link.txt")}, tmp_path).members()) == {"0/link.txt"}
