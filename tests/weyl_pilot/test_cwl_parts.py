"""Parts of the pilot that CWL jobs need, by themselves: engines, bundles, results, manifests."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.weyl_pilot.stand_in import bundle_archive
from weyl_pilot.archive import BadArchive
from weyl_pilot.bundles import unpack_bundle
from weyl_pilot.connection import Connections
from weyl_pilot.engine import TAG, Engine, EngineArchive, EngineFailure, Found, find_engine
from weyl_pilot.hashed import CarriedShelf
from weyl_pilot.isolation import Walls
from weyl_pilot.manifest import BadOutputs, make_manifest
from weyl_pilot.results import RunResult, read_result
from weyl_pilot.server import Server
from weyl_pilot.work import Work
from weyl_pilot.workflows import handed_on

ARCHIVE = EngineArchive("3.12", "x86_64", "glibc2.28", "a" * 64, 100)


@pytest.mark.parametrize(
    ("python", "machine", "libc", "fits"),
    [
        ("3.12", "x86_64", "glibc2.28", True),
        ("3.12", "x86_64", "glibc2.100", True),
        ("3.12", "x86_64", "glibc2.17", False),
        ("3.12", "x86_64", "", False),
        ("3.12", "x86_64", "musl1.2", False),
        ("3.11", "x86_64", "glibc2.28", False),
        ("3.12", "aarch64", "glibc2.28", False),
    ],
)
def test_an_archive_fits_its_python_its_machine_and_newer_libraries(
    python: str, machine: str, libc: str, fits: bool
) -> None:
    assert ARCHIVE.fits(python, machine, libc) == fits


class Commands:
    """Stands behind the walls: answers each command with a code and a text."""

    def __init__(self, code: int, text: str = "") -> None:
        self.code, self.text = code, text
        self.asked: list[list[str]] = []

    def __call__(self, command: Sequence[str], engine: Path | None) -> "subprocess.CompletedProcess[bytes]":
        """Remember the command."""
        self.asked.append(list(command))
        return subprocess.CompletedProcess(command, self.code, self.text.encode())


def test_a_python_in_the_path_is_taken_if_it_runs_behind_the_walls(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "python3.12").touch(mode=0o755)
    behind = Commands(0, json.dumps(["3.12", "x86_64", "glibc2.36"]))
    path = f"{tmp_path}/one:{tmp_path}/two"
    assert find_engine(None, [ARCHIVE], behind=behind, path=path) == Found(f"{tmp_path}/one/python3.12", ARCHIVE)
    hidden = Commands(127, "no such file")
    assert find_engine(None, [ARCHIVE], behind=hidden, path=path) is None
    assert [words[0] for words in hidden.asked] == [f"{tmp_path}/one/python3.12", f"{tmp_path}/two/python3.12"]


def _engine(tmp_path: Path, behind: Commands, content: bytes) -> Engine:
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / f"{digest}.tar.gz").write_bytes(content)
    found = Found("/bin/true", EngineArchive("3.12", "x86_64", "glibc2.28", digest, len(content)))
    shelf = CarriedShelf(Server("", Connections()), tmp_path)
    return Engine(found, Walls("clean", tmp_path), place=tmp_path / "engine", shelf=shelf, behind=behind)


def _packed() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("__main__.py"), io.BytesIO())
    return buffer.getvalue()


def test_half_an_engine_that_a_killed_pilot_left_is_unpacked_again(tmp_path: Path) -> None:
    behind = Commands(0)
    engine = _engine(tmp_path, behind, _packed())
    assert engine.directory is not None
    half = engine.directory.with_suffix(".new")
    half.mkdir(parents=True)
    (half / "half.py").touch()
    assert engine.command() == ["/bin/true", "-I", str(engine.directory)]
    assert [path.name for path in engine.directory.iterdir()] == ["__main__.py"]
    assert engine.directory.stat().st_mode & 0o777 == 0o755
    engine.command()
    assert len(behind.asked) == 1


def test_an_engine_that_fails_takes_its_tag_along(tmp_path: Path) -> None:
    behind = Commands(0)
    engine = _engine(tmp_path, behind, _packed())
    assert engine.tags(["b", "a"]) == ["a", "b", TAG]
    engine.command()
    behind.code, behind.text = 1, "Traceback\nno library"
    engine.doubt()
    assert engine.tags([TAG, "a"]) == ["a"]
    with pytest.raises(EngineFailure, match="exit 1: no library"):
        engine.command()
    none = Engine(None, Walls("clean", tmp_path), place=tmp_path, shelf=engine._shelf, behind=behind)
    assert none.tags([TAG, "a"]) == [TAG, "a"], "the configuration's own tag is left alone where no engine was told"


def _tar(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_a_bundle_is_laid_out_as_its_manifest_says(tmp_path: Path) -> None:
    files = {"main.cwl": b"a", "tools/ü #1%.cwl": b"b"}
    manifest, archive = bundle_archive(files)
    assert unpack_bundle(archive, hashlib.sha256(manifest).hexdigest(), tmp_path) == "main.cwl"
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.cwl")} == set(files)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ([], "does not begin with its manifest"),
        ([("files/main.cwl", b"a")], "does not begin with its manifest"),
        ([("manifest.json", b"{}")], "is not that of"),
        ([("manifest.json", None)], "lacks main.cwl"),
        ([("manifest.json", None), ("files/main.cwl", b"b")], "not what was submitted"),
        ([("manifest.json", None), ("files/main.cwl", b"a"), ("files/x", b"")], "files/x is not of this workflow"),
        ([("manifest.json", None), ("files/main.cwl", b"a"), ("files/main.cwl", b"a")], "is not of this workflow"),
        ([("manifest.json", None), ("../main.cwl", b"a")], "is not of this workflow"),
    ],
)
def test_a_bundle_that_is_something_else_is_refused(tmp_path: Path, members: list[tuple[str, Any]], text: str) -> None:
    manifest, _ = bundle_archive({"main.cwl": b"a"})
    content = _tar([(name, manifest if inside is None else inside) for name, inside in members])
    with pytest.raises(BadArchive, match=text):
        unpack_bundle(content, hashlib.sha256(manifest).hexdigest(), tmp_path / "in")
    assert not (tmp_path / "main.cwl").exists()


@pytest.mark.parametrize("path", ["../x.cwl", "/etc/x.cwl", "a//b.cwl", "a/./b.cwl", "x\0.cwl"])
def test_a_path_of_a_bundle_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    manifest, archive = bundle_archive({path: b"a"}, entry=path)
    with pytest.raises(BadArchive):
        unpack_bundle(archive, hashlib.sha256(manifest).hexdigest(), tmp_path)


def test_a_result_is_read_only_where_it_is_the_payloads_own_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert read_result(path, None) is None
    path.write_text('{"status": "success", "outputs": {"n": 1}}')
    assert read_result(path, os.geteuid()) == RunResult("success", 1, "", {"n": 1})
    assert read_result(path, os.geteuid() + 1) is None
    for content in ("[1]", "{", '{"status": "good"}', "[" * 100_000):
        path.write_text(content)
        assert read_result(path, None) is None
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert read_result(path, None) is None
    path.unlink()
    os.mkfifo(path)
    assert read_result(path, None) is None


def _result(location: str) -> RunResult:
    return RunResult("success", 0, "", {"x": [{"class": "File", "location": location}]})


def test_a_manifest_tells_what_is_really_there(tmp_path: Path) -> None:
    (tmp_path / "outputs/d").mkdir(parents=True)
    (tmp_path / "outputs/d/a b%.txt").write_text("abc")
    (tmp_path / "outputs/link").symlink_to("d/a b%.txt")
    listed = [{"class": "File", "location": "outputs/link", "checksum": "sha1$0", "size": 9}]
    outputs: dict[str, Any] = {
        "x": {"class": "Directory", "location": "outputs", "listing": listed},
        "y": {"class": "File", "location": "outputs/d/a b%.txt", "secondaryFiles": listed},
        "z": {"class": "File", "location": "sandbox:/S3/x#y"},
    }
    manifest = make_manifest(7, RunResult("success", 0, "", outputs), tmp_path, owner=os.geteuid())
    assert [(file["output"], file["index"], file["path"]) for file in manifest["files"]] == [
        ("x", 0, "outputs/link"),
        ("y", 0, "outputs/d/a b%.txt"),
        ("y", 1, "outputs/link"),
    ]
    assert (listed[0]["size"], listed[0]["checksum"]) == (3, "sha1$" + hashlib.sha1(b"abc").hexdigest())
    assert (manifest["files"][0]["adler32"], manifest["job_id"]) == ("024d0127", 7)


@pytest.mark.parametrize("location", ["outputs/gone", "outputs/../secret", "outputs/out", "outputs/d", "outputs/pipe"])
def test_an_output_that_is_not_the_jobs_own_file_makes_no_manifest(tmp_path: Path, location: str) -> None:
    (tmp_path / "outputs/d").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "outputs/out").symlink_to("../secret")
    os.mkfifo(tmp_path / "outputs/pipe")
    with pytest.raises(BadOutputs):
        make_manifest(7, _result(location), tmp_path, owner=None)
    (tmp_path / "outputs/mine").write_text("x")
    with pytest.raises(BadOutputs):
        make_manifest(7, _result("outputs/mine"), tmp_path, owner=os.geteuid() + 1)


def test_a_work_document_of_a_workflow_with_commands_is_read() -> None:
    archive = {"sha256": "a" * 64, "size": 3}
    command = {"name": "x", "stage": "pre", "command": ["a", 1], "archive": archive}
    document = {"workflow": {"bundle": "b" * 64, "fragment": "main"}, "commands": [command]}
    work = Work.from_match({"job_id": 1, "work": document})
    assert (work.workflow and work.workflow.fragment, work.commands[0].words) == ("main", ("a", "1"))
    assert Work.from_match({"job_id": 1, "work": {"workflow": None}}).workflow is None


def test_an_output_whose_file_was_there_before_is_handed_on() -> None:
    made, given = {"class": "File", "location": "outputs/a"}, {"class": "File", "location": "LFN:/vo/a"}
    outputs = {"a": made, "b": given, "c": [made, given], "d": None, "e": {"x": made}, "f": given}
    assert handed_on(["a", "b", "c", "d", "e", "none"], outputs) == ["b", "c"]
