"""Files of a whole installation, as a user at a terminal sees them: two storage elements, and very many names."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from weyl.demo.main_job import User
from weyl.demo.stack import Stack
from weyl.file_catalog import calls as files

pytestmark = pytest.mark.xdist_group("data")

HOME = "/hep/user/a/alice"
MANY, MANY_LONG = 11_000, 100_000
PER_DIRECTORY, PER_CALL = 1_000, 10_000
TRANSFER_S = 1_200
"""Of a hundred thousand files, on a machine that has other things to do."""


@pytest.fixture(scope="module")
def manager(stack: Stack) -> User:
    """Somebody who looks after the files of the VO."""
    user = User(stack, "max", group="production")
    user.login()
    return user


def timed(user: User, *words: str, given: str = "") -> str:
    """Runs a command of `weyl data` that may take long, with standard input; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "weyl", "data", *words],
        env=user.environment,
        cwd=user.directory,
        input=given,
        capture_output=True,
        text=True,
        timeout=TRANSFER_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def read(user: User, *words: str) -> Any:
    """Runs a command of `weyl data` and returns its JSON."""
    return json.loads(user.run("data", *words, "-o", "json"))


@pytest.mark.parametrize("element", ["DEMO-S3", "DEMO-DISK"])
def test_a_file_keeps_its_bytes_from_put_to_restore(alice: User, element: str) -> None:
    content = os.urandom(3_000_000)
    digest = sha256(content).hexdigest()
    (alice.directory / "mu.root").write_bytes(content)
    lfn = f"{HOME}/{element}/mu.root"
    [put] = read(alice, "put", "mu.root", lfn, "--se", element)
    assert (put["se"], put["checksums"]["sha256"]) == (element, digest)
    [listed] = read(alice, "ls", f"{HOME}/{element}")
    assert (listed["lfn"], listed["size"]) == (lfn, len(content))
    [found] = read(alice, "find", f"SE = {element} and Size = {len(content)}")
    assert found["LFN"] == lfn

    def fetched(name: str) -> str:
        alice.run("data", "get", lfn, "-d", f"{element}-{name}")
        return sha256((alice.directory / f"{element}-{name}" / "mu.root").read_bytes()).hexdigest()

    assert fetched("first") == digest
    alice.run("data", "rm", lfn, "--yes", "--reason", "to be restored")
    assert read(alice, "ls", f"{HOME}/{element}") == []
    assert [row["lfn"] for row in read(alice, "ls", "--trash", f"{HOME}/{element}")] == [lfn]
    alice.run("data", "restore", lfn)
    assert fetched("restored") == digest
    assert read(alice, "stat", lfn)[0]["checksums"]["sha256"] == digest


def test_a_name_reads_the_bytes_that_were_put_under_it(alice: User) -> None:
    """put, rm, put the same name, move the directory, put again, restore."""
    directory = alice.directory / "versions"
    directory.mkdir()

    def put(text: str, lfn: str) -> None:
        (directory / "f").write_text(text)
        alice.run("data", "put", str(directory / "f"), lfn)

    def get(lfn: str, name: str) -> str:
        alice.run("data", "get", lfn, "-d", str(directory / name))
        return (directory / name / Path(lfn).name).read_text()

    put("first", f"{HOME}/v/f")
    alice.run("data", "rm", f"{HOME}/v/f", "--yes")
    put("second", f"{HOME}/v/f")
    alice.run("data", "mv", f"{HOME}/v", f"{HOME}/w")
    put("third", f"{HOME}/v/f")
    assert (get(f"{HOME}/w/f", "a"), get(f"{HOME}/v/f", "b")) == ("second", "third")
    alice.run("data", "rm", f"{HOME}/w/f", "--yes")
    alice.run("data", "restore", f"{HOME}/w/f")
    assert get(f"{HOME}/w/f", "c") == "second"


@pytest.mark.long
@pytest.mark.timeout(2 * TRANSFER_S + 120)
def test_very_many_files_are_put_and_fetched(alice: User) -> None:
    for number in range(MANY_LONG):
        path = alice.directory / "many" / f"{number // PER_DIRECTORY:03}" / f"f{number:06}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"event {number}")
    names = timed(alice, "put", "many", f"{HOME}/", "--se", "DEMO-S3", "-q").split()
    assert len(set(names)) == MANY_LONG
    again = timed(alice, "put", "many", f"{HOME}/", "--se", "DEMO-S3", "-q").split()
    assert again == names
    timed(alice, "get", "-", "-d", "fetched", "-q", given="\n".join(names))
    fetched = sorted((alice.directory / "fetched").iterdir())
    assert [path.name for path in fetched] == [f"f{number:06}" for number in range(MANY_LONG)]
    assert all(path.read_text() == f"event {number}" for number, path in enumerate(fetched))


@pytest.fixture(scope="module")
def many(stack: Stack, manager: User, pytestconfig: pytest.Config) -> int:
    """Names of files below /hep/mc, in directories of a thousand; their bytes are nowhere. Returns how many."""
    count = MANY_LONG if pytestconfig.getoption("--long") else MANY
    manager.run("data", "fields", "add", "FlowRun", "--type", "int")
    manager.run("data", "fields", "add", "FlowKind", "--type", "text")
    with manager.client() as client:
        for start in range(0, count, PER_CALL):
            batch = [
                {
                    "lfn": f"/hep/mc/{number // PER_DIRECTORY:03}/f{number:06}",
                    "size": 1_000,
                    "checksums": {"adler32": f"{number:08x}"},
                    "metadata": {"FlowRun": number % PER_DIRECTORY},
                    "replicas": [{"se": "DEMO-DISK"}],
                }
                for number in range(start, min(start + PER_CALL, count))
            ]
            assert client.send(files.register(batch, atomic=True))["failed"] == {}
    return count


def test_very_many_files_are_looked_after_by_commands(manager: User, many: int) -> None:
    directories = many // PER_DIRECTORY
    listed = manager.run("data", "ls", "-R", "/hep/mc", "--limit", "0", "-q").split()
    assert len(listed) == many + directories
    manager.run("data", "mkdir", "/hep/mc/kept")
    manager.run("data", "meta", "set", "/hep/mc", "FlowKind=simulated")
    query = "under /hep/mc: FlowRun between 10 and 19 and FlowKind = simulated"
    found = manager.run("data", "find", query, "--limit", "0", "-q").split()
    assert len(set(found)) == len(found) == 10 * directories
    manager.run("data", "mv", "/hep/mc/000", "/hep/mc/kept/")
    moved = manager.run("data", "find", query.replace("/hep/mc", "/hep/mc/kept"), "--limit", "0", "-q").split()
    assert sorted(moved) == [f"/hep/mc/kept/000/f{number:06}" for number in range(10, 20)]
    manager.run("data", "chmod", "-R", "0750", "/hep/mc/kept")
    assert {row["mode"] for row in read(manager, "ls", "/hep/mc/kept/000")} == {"0750"}
    # Above 10,000 it is an operation of the server.
    manager.run("data", "chmod", "-R", "0755", "/hep/mc", "--yes")
    assert {row["mode"] for row in read(manager, "ls", "/hep/mc/002")} == {"0755"}
    [usage] = read(manager, "du", "/hep/mc")
    assert (usage["files"], usage["bytes"]) == (many, many * 1_000)
    manager.run("data", "rm", "-r", "/hep/mc/001", "--yes", "--undo", "0", "--reason", "all of it")
    [usage] = read(manager, "du", "/hep/mc")
    assert (usage["files"], usage["trash_files"]) == (many - PER_DIRECTORY, PER_DIRECTORY)
    trash = manager.run("data", "ls", "--trash", "/hep/mc/001", "--limit", "0", "-q").split()
    assert len(trash) == PER_DIRECTORY
    with manager.client() as client:
        restored = client.send(files.restore(trash))
    assert len(restored["success"]) == PER_DIRECTORY
    [usage] = read(manager, "du", "/hep/mc")
    assert (usage["files"], usage["trash_files"]) == (many, 0)
