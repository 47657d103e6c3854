"""Archives of the engine: what is in them, who may fetch them, and what a pilot is told of them."""

import hashlib
import io
import json
import platform
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.infra.app import Application, Installation, config_document, running_application
from tests.pilots.test_credentials import mint, redeem

from weyl.demo.seaweedfs import RunningStore
from weyl.kit.s3 import STORE
from weyl.pilots import engines
from weyl.pilots.engines import distributions, pack, read_engine, source
from weyl.pilots.errors import ArchiveNotFound, BadEngine
from weyl.pilots.permits import PilotItself
from weyl.pilots.service.engines import Engines, pack_once
from weyl.pilots.service.shelf import Shelf
from weyl.pilots.service.yard import YARD
from weyl.pilots.tarballs import write_tarball

ITSELF = PilotItself("a" * 32, "voa")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of this environment."""
    return pack_once(tmp_path_factory.mktemp("pilots") / "own").path


def an_archive(path: Path, *, content: bytes = b"", **changes: str) -> Path:
    """Write what says that it is an engine."""
    needs = {"python": "3.12", "machine": "x86_64", "libc": "glibc2.28", **changes}
    members = {"engine.json": json.dumps(needs).encode(), "__main__.py": content}
    with path.open("wb") as file:
        write_tarball(file, ((name, partial(bytes, text)) for name, text in members.items()))
    return path


# -- what is packed ----------------------------------------------------------------------------------------------------


def test_the_archive_holds_what_the_engine_imports_and_nothing_of_this_machine(packed: Path) -> None:
    with tarfile.open(packed) as archive:
        entries = archive.getmembers()
        names = [entry.name for entry in entries]
    assert names[:2] == ["engine.json", "__main__.py"]
    assert names[2:] == sorted(names[2:])
    for name in ("weyl_engine/__init__.py", "cwltool/main.py", "cwl_utils/parser/__init__.py", "quickjs/__init__.py"):
        assert name in names
    assert not [name for name in names if name.endswith((".pyc", "/RECORD", ".pth")) or ".." in name]
    # the licence of each goes with it
    assert {name.split("/")[0] for name in names if "LICENSE" in name.upper()} >= {
        f"{part.name.lower().replace('-', '_')}-{part.version}.dist-info"
        for part in distributions()
        if part.name == "cwltool"
    }
    assert {(entry.uid, entry.gid, entry.uname, entry.mode, entry.isfile()) for entry in entries} == {
        (0, 0, "", 0o644, True)
    }
    assert len({entry.mtime for entry in entries}) == 1


def test_the_closure_is_that_of_the_extra_alone() -> None:
    names = {part.name.lower() for part in distributions()}
    assert {"cwltool", "cwl-utils", "schema-salad", "quickjs-ng", "pyyaml"} <= names
    assert not names & {"fastapi", "sqlalchemy", "typer", "pydantic"}


def test_the_archive_runs_without_what_is_installed_here(packed: Path, tmp_path: Path) -> None:
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "engine", filter="data")
    program = "import sys; sys.path.insert(0, sys.argv[1]); import cwltool.main, quickjs; print(cwltool.main.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(tmp_path / "engine")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str(tmp_path / "engine" / "cwltool" / "main.py"), done.stderr


def test_the_same_files_make_the_same_bytes_and_are_packed_once(packed: Path) -> None:
    again = io.BytesIO()
    pack(source(), again)
    assert again.getvalue() == packed.read_bytes()
    before = packed.stat().st_mtime_ns
    assert pack_once(packed.parent.parent).path == packed
    assert packed.stat().st_mtime_ns == before


def test_an_archive_says_what_it_needs_and_the_oldest_library_that_will_do(packed: Path) -> None:
    engine = read_engine(packed)
    assert (engine.needs.python, engine.needs.machine) == (HERE, platform.machine())
    assert engine.needs.libc.startswith("glibc2.")
    assert engine.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert engine.size == packed.stat().st_size


@pytest.mark.parametrize(
    ("tags", "libc"),
    [
        (["py3-none-any"], None),
        (["cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_28_x86_64"], ("glibc", (2, 17))),
        (["cp313-cp313-manylinux1_x86_64"], ("glibc", (2, 5))),
        (["cp313-cp313-musllinux_1_2_x86_64"], ("musl", (1, 2))),
        (["cp313-cp313-linux_x86_64"], ("glibc", ())),
        ([], ("glibc", ())),
    ],
)
def test_the_tags_of_a_wheel_tell_the_library_that_it_needs(tags: list[str], libc: Any) -> None:
    assert engines.libc_of("\n".join(["Root-Is-Purelib: true", *(f"Tag: {tag}" for tag in tags)])) == libc


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_no_engine_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.tar.gz"
    if content is None:
        with path.open("wb") as file:
            write_tarball(file, [("__main__.py", lambda: b"")])
    else:
        path.write_bytes(content)
    with pytest.raises(BadEngine, match=r"x.tar.gz"):
        read_engine(path)
    with pytest.raises(BadEngine, match="no version"):
        read_engine(an_archive(path, python="three"))


def test_the_command_writes_what_a_server_reads(tmp_path: Path) -> None:
    main = "from weyl.cli.main import main; main()"
    words = [sys.executable, "-c", main, "internal", "pack-engine", "-o", "json", "--output"]
    done = subprocess.run([*words, str(tmp_path)], capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    [path] = tmp_path.iterdir()
    assert told == {"file": str(path), **read_engine(path).told()}, done.stderr
    refused = subprocess.run([*words, str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "none cannot be written: No such file or directory" in refused.stderr


# -- what a process knows ----------------------------------------------------------------------------------------------


async def test_further_archives_come_from_a_directory_and_bad_ones_are_passed_over(
    application: Application, packed: Path, tmp_path: Path
) -> None:
    own = replace_engines(application, cache=packed.parent.parent, directory=tmp_path)
    assert [each.engine.needs.python for each in await own.known()] == [HERE]
    an_archive(tmp_path / "old.tar.gz", python="3.9")
    an_archive(tmp_path / "arm.tar.gz", python="3.12", machine="aarch64")
    (tmp_path / "bad.tar.gz").write_bytes(b"x")
    told = await own.told()
    assert [(each["python"], each["machine"]) for each in told[1:]] == [("3.12", "aarch64"), ("3.9", "x86_64")]
    assert await own.machines() == {platform.machine(), "aarch64"}
    assert [each.engine.sha256 for each in await own.for_machine("aarch64")] == [told[1]["sha256"]]


def replace_engines(application: Application, *, cache: Path, directory: Path | None = None) -> Engines:
    return Engines(Shelf(application.services[STORE], "engines"), cache=cache, directory=directory)


async def test_where_it_cannot_be_packed_the_others_are_told_all_the_same(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "distribution", _nothing_is_installed)
    an_archive(tmp_path / "other.tar.gz")
    own = replace_engines(application, cache=tmp_path / "cache", directory=tmp_path)
    assert [each["python"] for each in await own.told()] == ["3.12"]
    assert await own.machines() == {"x86_64"}


def _nothing_is_installed(name: str) -> Any:
    raise PackageNotFoundError(name)


# -- at the door -------------------------------------------------------------------------------------------------------


async def test_only_pilots_fetch_engines_and_only_those_that_there_are(application: Application) -> None:
    client, pilot = application.client, application.pilot("p" * 32)
    [told] = await application.services[YARD].engines.told()
    path = f"/api/pilots/engines/{told['sha256']}"
    assert (await client.get(path)).status_code == 401
    for headers in (application.login(), application.login(group="pilot"), application.payload(1, stamp="p" * 32)):
        assert (await client.get(path, headers=headers)).status_code in (401, 403)
    assert (await client.get(f"/api/pilots/engines/{'0' * 64}", headers=pilot)).status_code == 404
    assert (await client.get("/api/pilots/engines/latest", headers=pilot)).status_code == 422
    for _ in range(2):
        answer = await client.get(path, headers=pilot)
        assert answer.status_code == 200, answer.text
        async with httpx2.AsyncClient() as store:
            content = (await store.get(answer.json()["url"])).content
        assert hashlib.sha256(content).hexdigest() == told["sha256"]


async def test_a_pilot_is_told_of_archives_unless_its_queue_has_an_engine(application: Application) -> None:
    operator = application.login(properties=["Operator"])
    made = await mint(application.client, operator, ce="ce.alpha.org", queue="default")
    settings = (await redeem(application.client, made["secret"], stamp="vacuum-1")).json()["settings"]
    assert settings["engines"] == await application.services[YARD].engines.told()
    assert {"python", "machine", "libc", "sha256", "size"} == set(settings["engines"][0])
    assert "payload_engine" not in settings


@pytest.fixture
async def with_engine(
    installation: Installation, database_url: str, object_store: RunningStore, tmp_path: Path
) -> AsyncIterator[Application]:
    """An application whose first queue has an engine."""
    document: Any = config_document()
    queue = document["Resources"]["Sites"]["LCG.Alpha.org"]["CEs"]["ce.alpha.org"]["Queues"]["default"]
    queue["Payload"] = {"Engine": "/cvmfs/weyl/engine"}
    own = replace(installation, directory=tmp_path / "installation")
    own.commit_config(document, "Engine")
    async with running_application(own, database_url, object_store) as application:
        yield application


async def test_the_engine_of_a_queue_is_told_in_the_place_of_archives(with_engine: Application) -> None:
    operator = with_engine.login(properties=["Operator"])
    made = await mint(with_engine.client, operator, ce="ce.alpha.org", queue="default")
    settings = (await redeem(with_engine.client, made["secret"], stamp="vacuum-1")).json()["settings"]
    assert (settings["payload_engine"], settings["engines"]) == ("/cvmfs/weyl/engine", [])


async def test_an_archive_of_another_server_is_found_in_the_store(
    application: Application, packed: Path, tmp_path: Path
) -> None:
    elsewhere = replace_engines(application, cache=packed.parent.parent, directory=tmp_path)
    path = an_archive(tmp_path / "other.tar.gz", content=str(tmp_path).encode())
    sha256 = read_engine(path).sha256
    here = application.services[YARD].engines
    with pytest.raises(ArchiveNotFound):
        await here.url(ITSELF, sha256)
    await elsewhere.url(ITSELF, sha256)
    assert sha256 in await here.url(ITSELF, sha256)
