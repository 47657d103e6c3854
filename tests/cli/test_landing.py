"""Outputs of jobs on the user's machine, fetched from a real store."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Server

from weyl.client import Client, UnexpectedAnswer
from weyl.cwl.cli.landing import land
from weyl.sandboxes.models import bare_pfn
from weyl.sandboxes.transfer import upload_members


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """Alice's client."""
    with server.client() as client:
        yield client


@pytest.fixture
def pfn(client: Client, tmp_path: Path) -> str:
    """A sandbox with some outputs."""
    source = tmp_path / "source"
    names = ["a.txt", "a.txt.idx", "odd #1.txt", "two/a.txt", "tree/x", "tree/deep/y"]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    members = {f"outputs/{name}": source / name for name in names}
    return bare_pfn(upload_members(client, members))


def a_file(pfn: str, name: str, **more: Any) -> dict[str, Any]:
    """Return a File as the server reports it."""
    return {"class": "File", "location": f"sandbox:{pfn}#outputs/{name}", **more}


def test_files_keep_their_names_and_are_described_as_they_are(client: Client, pfn: str, tmp_path: Path) -> None:
    index = a_file(pfn, "a.txt.idx")
    outputs = {
        "one": a_file(pfn, "a.txt", format="edam:1", secondaryFiles=[index]),
        "odd": a_file(pfn, "odd%20%231.txt"),
        "named": a_file(pfn, "tree/x", basename="shown"),
        "number": 1.5,
        "nothing": None,
        "far": {"class": "File", "location": "https://example.org/x"},
    }
    found = land(client, outputs, tmp_path / "out")
    target = tmp_path / "out" / "a.txt"
    assert found["one"] == {
        "class": "File",
        "format": "edam:1",
        "location": target.as_uri(),
        "path": str(target),
        "basename": "a.txt",
        "size": 5,
        "checksum": f"sha1${hashlib.sha1(b'a.txt').hexdigest()}",
        "secondaryFiles": found["one"]["secondaryFiles"],
    }
    assert Path(found["one"]["secondaryFiles"][0]["path"]) == tmp_path / "out" / "a.txt.idx"
    assert (tmp_path / "out" / "odd #1.txt").read_text() == "odd #1.txt"
    assert (tmp_path / "out" / "shown").read_text() == "tree/x"
    assert {name: found[name] for name in ("number", "nothing", "far")} == {
        name: outputs[name] for name in ("number", "nothing", "far")
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "a.txt.idx", "odd #1.txt", "shown"]


def test_equal_names_get_directories_and_what_was_there_is_replaced(client: Client, pfn: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("of an earlier run")
    outputs = {"all": [a_file(pfn, "a.txt"), a_file(pfn, "two/a.txt")], "again": a_file(pfn, "a.txt")}
    for _ in range(2):
        found = land(client, outputs, tmp_path / "out")
        paths = [Path(each["path"]) for each in (*found["all"], found["again"])]
        assert [path.relative_to(tmp_path / "out").as_posix() for path in paths] == ["a.txt", "2/a.txt", "3/a.txt"]
        assert [path.read_text() for path in paths] == ["a.txt", "two/a.txt", "a.txt"]


def test_directories_are_listed_to_their_end_and_literals_become_files(
    client: Client, pfn: str, tmp_path: Path
) -> None:
    outputs = {
        "tree": {"class": "Directory", "location": f"sandbox:{pfn}#outputs/tree/"},
        "literal": {"class": "File", "basename": "note", "contents": "hello"},
        "made": {"class": "Directory", "basename": "made", "listing": [a_file(pfn, "a.txt")]},
    }
    found = land(client, outputs, tmp_path / "out")
    [deep, x] = found["tree"]["listing"]
    assert (deep["class"], deep["basename"], deep["listing"][0]["basename"]) == ("Directory", "deep", "y")
    assert (x["class"], x["size"]) == ("File", 6)
    assert Path(found["literal"]["path"]).read_text() == "hello"
    assert "contents" not in found["literal"]
    assert [each["basename"] for each in found["made"]["listing"]] == ["a.txt"]
    assert (tmp_path / "out" / "made" / "a.txt").is_file()
    shutil.rmtree(tmp_path / "out")


def test_a_directory_that_is_there_loses_nothing(client: Client, pfn: str, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (out / "tree").mkdir(parents=True)
    (out / "made").mkdir()
    for place in (out / "tree" / "precious", out / "made" / "precious", elsewhere):
        place.write_text("mine")
    (out / "tree" / "x").symlink_to(elsewhere)
    (out / "made" / "a.txt").symlink_to(elsewhere)
    outputs = {
        "tree": {"class": "Directory", "location": f"sandbox:{pfn}#outputs/tree/"},
        "made": {"class": "Directory", "basename": "made", "listing": [a_file(pfn, "a.txt")]},
    }
    for _ in range(2):
        found = land(client, outputs, out)
        assert [each["basename"] for each in found["tree"]["listing"]] == ["deep", "x"]
        assert [each["basename"] for each in found["made"]["listing"]] == ["a.txt"]
        assert (out / "tree" / "x").read_text() == "tree/x"
        assert (out / "made" / "a.txt").read_text() == "a.txt"
    assert {place.read_text() for place in (out / "tree/precious", out / "made/precious", elsewhere)} == {"mine"}
    with pytest.raises(UnexpectedAnswer, match="already"):
        land(client, {"o": a_file(pfn, "a.txt", basename="tree")}, out)


@pytest.mark.parametrize("member", ["../../etc/passwd", "outputs/gone", "outputs/tree", "/etc/hostname"])
def test_a_place_outside_of_the_sandbox_is_refused(client: Client, pfn: str, tmp_path: Path, member: str) -> None:
    outputs = {"x": {"class": "File", "location": f"sandbox:{pfn}#{member}"}}
    with pytest.raises(UnexpectedAnswer, match="is not in the sandbox"):
        land(client, outputs, tmp_path / "out")


@pytest.mark.parametrize("name", ["../x", "a/b", ".."])
def test_a_name_that_leads_elsewhere_is_refused(client: Client, pfn: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(UnexpectedAnswer, match="is not the name of a file"):
        land(client, {"x": a_file(pfn, "a.txt", basename=name)}, tmp_path / "out")
