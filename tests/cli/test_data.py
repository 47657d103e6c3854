"""`weyl data` against a real server, a directory and an S3 store."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Program
from tests.cli.steps import rows
from tests.cli.test_terminal import Terminal
from tests.infra.app import GROUPS, Installation, config_document
from tests.infra.waiting import await_that

from weyl.demo.seaweedfs import RunningStore
from weyl.kit.s3 import ObjectStore
from weyl.settings import Settings

HOME = "/voa/user/a/alice"
DISK, STORE = "TEST-DISK", "TEST-S3"
BUCKET = "cli-files"


@dataclass(frozen=True)
class WithStorage(Installation):
    """An installation with two storage elements."""

    def settings(self, database_url: str, store: RunningStore, **changes: object) -> Settings:
        return super().settings(database_url, store, credentials_directory=self.directory / "credentials", **changes)

    @property
    def disk(self) -> Path:
        """Where the files of the directory are."""
        return self.directory / "disk"


@pytest.fixture(scope="module", autouse=True)
def managers() -> Iterator[None]:
    """A group that looks after the files of the VO."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(GROUPS, "data", ["NormalUser", "FileCatalogManagement"])
        yield


@pytest.fixture(scope="module")
def installation(managers: None, tmp_path_factory: pytest.TempPathFactory, object_store: RunningStore) -> WithStorage:
    made = WithStorage.create(tmp_path_factory.mktemp("installation"))
    assert isinstance(made, WithStorage)
    made.disk.mkdir()
    keys = made.directory / "credentials" / "s3"
    keys.mkdir(parents=True)
    pair = {"access_key": object_store.access_key, "secret_key": object_store.secret_key}
    (keys / "s3-key").write_text(json.dumps(pair))
    (keys / "s3-key").chmod(0o600)
    document: Any = config_document()
    s3 = {"Name": "s3", "Protocol": "s3", "URL": object_store.endpoint_url, "Bucket": BUCKET, "Credentials": "s3"}
    document["Resources"]["StorageElements"] = {
        STORE: {"Endpoints": [s3]},
        DISK: {"Sites": ["LCG.Alpha.org"], "Endpoints": [{"Name": "d", "Protocol": "file", "Path": str(made.disk)}]},
    }
    made.commit_config(document, "Storage")
    thread = threading.Thread(target=lambda: asyncio.run(_make_bucket(object_store)))
    thread.start()
    thread.join()
    return made


async def _make_bucket(store: RunningStore) -> None:
    keys = {"access_key": store.access_key, "secret_key": store.secret_key}
    async with ObjectStore(store.endpoint_url, bucket=BUCKET, **keys) as bucket:
        await bucket.ensure_bucket()


@pytest.fixture
def base(request: pytest.FixtureRequest) -> str:
    """A directory that no other test uses."""
    return f"{HOME}/{request.node.name[:60].replace('[', '-').replace(']', '')}"


def made(weyl: Program, name: str, content: bytes) -> str:
    """Writes a file into the program's directory."""
    path = weyl.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def test_who_is_not_logged_in_gets_exit_4(weyl_as: Callable[..., Program]) -> None:
    anonymous = weyl_as(None)
    for words in (["ls", "/voa"], ["elements"], ["rm", "/voa/x", "--yes"], ["get", "/voa/x"], ["fields", "list"]):
        assert anonymous("data", *words).returncode == 4, words


def test_a_home_without_files_leads_to_the_first_one(weyl_as: Callable[..., Program]) -> None:
    newcomer = weyl_as("bob")
    listed = newcomer("data", "ls", "-o", "json")
    assert (listed.returncode, json.loads(listed.stdout)) == (0, [])
    assert "You have no files yet. Put one: weyl data put FILE NAME" in listed.stderr
    assert newcomer("data", "ls", "/voa/nowhere").returncode == 3


def test_a_file_is_put_looked_at_fetched_removed_and_restored(weyl: Program, base: str) -> None:
    content = os.urandom(100_000)
    made(weyl, "mu.root", content)
    digest = sha256(content).hexdigest()
    [put] = rows(weyl, "data", "put", "mu.root", f"{base}/mu.root", "-o", "json")
    assert (put["lfn"], put["size"], put["checksums"]["sha256"]) == (f"{base}/mu.root", len(content), digest)
    assert put["se"] == STORE
    assert not put["was_there"]
    [again] = rows(weyl, "data", "put", "mu.root", f"{base}/", "-o", "json")
    assert (again["was_there"], again["file_id"]) == (True, put["file_id"])
    [listed] = rows(weyl, "data", "ls", base)
    assert (listed["type"], listed["name"], listed["size"]) == ("file", "mu.root", len(content))
    [replica] = rows(weyl, "data", "replicas", f"{base}/mu.root")
    assert (replica["se"], replica["status"], replica["usable"]) == (STORE, "Good", True)
    [known] = rows(weyl, "data", "stat", f"{base}/mu.root")
    assert known["checksums"]["sha256"] == digest
    [got] = rows(weyl, "data", "get", f"{base}/mu.root", "-d", "copies", "-o", "json")
    assert got["checksum"] == f"sha256:{digest}"
    assert (weyl.directory / "copies" / "mu.root").read_bytes() == content
    assert weyl("data", "rm", f"{base}/mu.root").returncode == 2
    removed = weyl("data", "rm", f"{base}/mu.root", "--reason", "a test", "--yes", "-q")
    assert (removed.returncode, removed.stdout.strip()) == (0, f"{base}/mu.root"), removed.stderr
    assert weyl("data", "stat", f"{base}/mu.root").returncode == 3
    assert [row["name"] for row in rows(weyl, "data", "ls", "--trash", base)] == ["mu.root"]
    assert weyl("data", "restore", f"{base}/mu.root").returncode == 0
    assert weyl("data", "get", f"{base}/mu.root", "-d", "later").returncode == 0
    assert sha256((weyl.directory / "later" / "mu.root").read_bytes()).hexdigest() == digest


def test_directories_are_put_and_names_without_a_slash_lie_below_home(weyl: Program, base: str) -> None:
    name = base.removeprefix(f"{HOME}/")
    for each in ("a", "b/c", "b/d/e"):
        made(weyl, f"tree/{each}", each.encode())
    put = weyl("data", "put", "tree", name, "-o", "id")
    assert put.returncode == 0, put.stderr
    assert sorted(put.stdout.split()) == [f"{base}/a", f"{base}/b/c", f"{base}/b/d/e"]
    listed = rows(weyl, "data", "ls", "-R", name)
    assert [row["lfn"] for row in listed if row["type"] == "directory"] == [f"{base}/b", f"{base}/b/d"]
    below = weyl("data", "ls", "-q", ".", WEYL_DATA_DIRECTORY=f"{base}/b")
    assert below.stdout.split() == [f"{base}/b/d", f"{base}/b/c"]
    [usage] = rows(weyl, "data", "du", name)
    assert (usage["path"], usage["files"], usage["bytes"]) == (base, 3, 9)
    [element] = rows(weyl, "data", "du", "--elements", name)
    assert (element["se"], element["files"]) == (STORE, 3)
    assert weyl("data", "put", "missing", name).returncode == 2
    assert weyl("data", "put", "tree").returncode == 2


def test_a_file_goes_where_it_is_told_to_go(weyl: Program, base: str, installation: WithStorage) -> None:
    content = os.urandom(5000)
    made(weyl, "f", content)
    [put] = rows(weyl, "data", "put", "f", f"{base}/f", "--se", DISK, "-o", "json")
    assert put["se"] == DISK
    assert (installation.disk / f"{base}/f".lstrip("/")).read_bytes() == content
    [got] = rows(weyl, "data", "get", f"LFN:{base}/f", "-o", "json")
    assert (got["se"], got["was_there"]) == (None, True)
    [got] = rows(weyl, "data", "get", f"{base}/f", "-d", "copy", "-o", "json")
    assert (got["se"], (weyl.directory / "copy" / "f").read_bytes()) == (DISK, content)
    assert weyl("data", "put", "f", f"{base}/g", "--se", "NO-SUCH").returncode != 0


def test_many_files_fail_and_succeed_each_by_itself(weyl: Program, base: str) -> None:
    for name in ("one", "two"):
        made(weyl, name, name.encode())
    assert weyl("data", "put", "one", "two", base).returncode == 0
    made(weyl, "one", b"other")
    partly = weyl("data", "put", "one", "two", base, "-q")
    assert (partly.returncode, partly.stdout.split()) == (7, [f"{base}/two"])
    assert f"{base}/one" in partly.stderr
    names = f"{base}/one\n{base}/missing\n{base}/two\n"
    for words in (["get", "-", "-d", "got"], ["stat", "-"], ["replicas", "-"], ["url", "-"], ["rm", "-", "--yes"]):
        found = weyl("data", *words, stdin=names)
        assert found.returncode == 7, (words, found.stderr)
        assert f"{base}/missing" in found.stderr
    assert {each.name for each in (weyl.directory / "got").iterdir()} == {"one", "two"}
    assert weyl("data", "rm", f"{base}/missing", "--yes").returncode == 3


def test_files_are_described_and_found(weyl: Program, weyl_as: Callable[..., Program], base: str) -> None:
    keeper = weyl_as("alice", group="data")
    assert weyl("data", "fields", "add", "CliRun", "--type", "int").returncode == 5
    for words in (["CliRun", "--type", "int"], ["CliParticle", "--type", "text", "--values", "mu,gamma"]):
        added = keeper("data", "fields", "add", *words)
        assert added.returncode == 0, added.stderr
    fields = {field["name"]: field for field in rows(weyl, "data", "fields", "list")}
    assert (fields["CliRun"]["type"], fields["CliParticle"]["values"]) == ("int", ["mu", "gamma"])
    edited = keeper("data", "fields", "edit", "CliRun", "--description", "number of the run")
    assert edited.returncode == 0, edited.stderr
    for number in range(3):
        made(weyl, f"f{number}", bytes(number + 1))
        put = weyl("data", "put", f"f{number}", f"{base}/f{number}", "--meta", f"CliRun={number}")
        assert put.returncode == 0, put.stderr
    described = weyl("data", "meta", "set", base, "CliParticle=mu")
    assert described.returncode == 0, described.stderr
    values = {row["field"]: row for row in rows(weyl, "data", "meta", "get", f"{base}/f2")}
    assert (values["CliRun"]["value"], values["CliParticle"]["from"]) == (2, base)
    found = rows(weyl, "data", "find", f"under {base}: CliRun >= 1 and CliParticle = mu", "--parameter", "CliRun")
    assert sorted((row["LFN"], row["CliRun"]) for row in found) == [(f"{base}/f1", 1), (f"{base}/f2", 2)]
    named = weyl("data", "find", "CliRun = 0", "--under", base, "-q", "--limit", "0")
    assert named.stdout.split() == [f"{base}/f0"]
    counted = rows(weyl, "data", "find", "--under", base, "--by", "CliParticle")
    assert [(row["CliParticle"], row["count"], row["bytes"]) for row in counted] == [("mu", 3, 6)]
    explained = json.loads(weyl("data", "find", "CliRun between 1 and 2", "--explain", "-o", "json").stdout)
    assert explained["where"][0]["operator"] == "between"
    assert weyl("data", "find", "CliRun >").returncode == 2
    assert weyl("data", "find", "NoSuchField = 1").returncode == 10
    assert weyl("data", "meta", "set", f"{base}/f0", "CliRun=many").returncode != 0
    assert weyl("data", "meta", "set", f"{base}/f0", "--unset", "CliRun").returncode == 0
    assert "CliRun" not in {row["field"] for row in rows(weyl, "data", "meta", "get", f"{base}/f0")}
    assert keeper("data", "fields", "remove", "CliRun", "--yes").returncode == 10
    assert keeper("data", "fields", "remove", "CliRun", "--force", "--yes").returncode == 0


def test_names_and_rights_change(weyl: Program, weyl_as: Callable[..., Program], base: str) -> None:
    assert weyl("data", "mkdir", f"{base}/a", f"{base}/b", "--mode", "0755").returncode == 0
    made(weyl, "f", b"content")
    assert weyl("data", "put", "f", f"{base}/a/f").returncode == 0
    moved = weyl("data", "mv", f"{base}/a/f", f"{base}/b/", "-q")
    assert (moved.returncode, moved.stdout.strip()) == (0, f"{base}/b/f"), moved.stderr
    assert weyl("data", "mv", f"{base}/b", f"{base}/c").returncode == 0
    assert weyl("data", "get", f"{base}/c/f", "-d", "moved").returncode == 0
    assert (weyl.directory / "moved" / "f").read_bytes() == b"content"
    assert weyl("data", "rmdir", f"{base}/a").returncode == 0
    assert weyl("data", "rmdir", f"{base}/c").returncode != 0
    other = weyl_as("bob")
    assert other("data", "stat", f"{base}/c/f").returncode == 0
    assert weyl("data", "chmod", "-R", "0700", f"{base}/c").returncode == 0
    assert other("data", "get", f"{base}/c/f").returncode != 0
    foreign = weyl_as("alice", vo="vob")
    assert foreign("data", "stat", f"{base}/c/f").returncode == 3
    keeper = weyl_as("alice", group="data")
    owned = keeper("data", "chown", "-R", "bob:user", f"{base}/c")
    assert owned.returncode == 0, owned.stderr
    assert other("data", "get", f"{base}/c/f", "-d", "his").returncode == 0


def test_addresses_are_for_any_program(weyl: Program, base: str) -> None:
    made(weyl, "f", b"content")
    assert weyl("data", "put", "f", f"{base}/f", "--se", STORE).returncode == 0
    address = weyl("data", "url", f"{base}/f", "-q").stdout.strip()
    fetched = weyl("api", "GET", "/api/storage")
    assert fetched.returncode == 0
    assert f"/{BUCKET}{base}/f?" in address
    [row] = rows(weyl, "data", "url", f"{base}/f", "--ttl", "60")
    assert (row["se"], row["protocol"]) == (STORE, "s3")


def test_storage_elements_are_listed(weyl: Program) -> None:
    found = {row["name"]: row for row in rows(weyl, "data", "elements")}
    assert (found[DISK]["sites"], found[DISK]["read"], found[STORE]["write"]) == (["LCG.Alpha.org"], True, True)
    assert found[DISK]["free"] > 0


def test_what_lies_on_storage_is_registered_after_it_is_compared(
    weyl: Program, weyl_as: Callable[..., Program], installation: WithStorage
) -> None:
    lines = []
    for name in ("right", "wrong", "absent"):
        content = os.urandom(1000)
        described = {"lfn": f"/voa/raw/{name}", "size": 1000, "checksums": {"sha256": sha256(content).hexdigest()}}
        lines.append(json.dumps(described))
        if name != "absent":
            path = installation.disk / "voa" / "raw" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if name == "right" else content[::-1])
    weyl.file("files.ndjson", "\n".join([*lines, "nonsense", '{"lfn": "/voa/raw/x"}', ""]))
    keeper = weyl_as("alice", group="data")
    keeper.file("files.ndjson", (weyl.directory / "files.ndjson").read_text())
    done = keeper("data", "register", "files.ndjson", "--se", DISK, "-q")
    assert (done.returncode, done.stdout.split()) == (7, ["/voa/raw/right"]), done.stderr
    for name in ("/voa/raw/wrong", "/voa/raw/absent", "line 4", "line 5"):
        assert name in done.stderr
    [again] = rows(keeper, "data", "register", "-", "--se", DISK, "-o", "json", stdin=lines[0])
    assert again["was_there"]
    assert keeper("data", "get", "/voa/raw/right", "-d", "got").returncode == 0


def test_a_terminal_sees_how_far_a_transfer_is(weyl: Program, base: str) -> None:
    made(weyl, "f", os.urandom(2_000_000))
    terminal = Terminal(weyl, "data", "put", "f", f"{base}/f")
    try:
        terminal.read_until(r"put \[[#.]{20}\] +\d+%, ")
        assert terminal.end() == 0, terminal.seen
    finally:
        terminal.close()
    assert "Put 1 file (2.0 MB)." in terminal.seen


@pytest.mark.long
def test_after_ctrl_c_the_same_command_goes_on(weyl: Program, base: str) -> None:
    """A file that S3 takes in parts, which takes some seconds."""
    content = os.urandom(1_000_000) * 400
    made(weyl, "large", content)
    journals = weyl.directory / ".cache" / "weyl" / "uploads"
    sending = weyl.start("data", "put", "large", f"{base}/large", "--se", STORE)

    def parts() -> list[str]:
        written = "".join(path.read_text() for path in journals.glob("*.upload"))
        return [line for line in written.splitlines() if line.startswith('{"part"')]

    await_that(parts, "a part that has arrived", poll_s=0.01)
    sending.send_signal(signal.SIGINT)
    _, complaint = sending.communicate(timeout=60)
    assert sending.returncode == 130, complaint
    assert "The same command goes on" in complaint
    assert weyl("data", "stat", f"{base}/large").returncode == 3
    done = len(parts())
    assert done > 0
    [put] = rows(weyl, "data", "put", "large", f"{base}/large", "--se", STORE, "-o", "json")
    assert put["checksums"]["sha256"] == sha256(content).hexdigest()
    assert list(journals.iterdir()) == []
    assert weyl("data", "get", f"{base}/large", "-d", "copy").returncode == 0
    assert (weyl.directory / "copy" / "large").read_bytes() == content
