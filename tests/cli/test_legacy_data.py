"""Old names of DIRAC's programs for files, against a real server: what they do, and print where scripts read it."""

import ast
import subprocess
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from tests.cli.conftest import Program
from tests.cli.test_data import DISK, HOME, STORE, installation, managers

__all__ = ["installation", "managers"]

BASE = f"{HOME}/old"

Old = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def old(weyl: Program) -> Old:
    """Runs an old name from the directory that `weyl legacy-aliases` has written."""
    assert weyl("legacy-aliases", "--dir", "bin", "-q").returncode == 0

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [weyl.directory / "bin" / name, *arguments],
            env=weyl.environ,
            cwd=weyl.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def printed(result: subprocess.CompletedProcess[str]) -> Any:
    """Returns the dictionary that a program has printed."""
    assert result.returncode == 0, result.stderr
    return ast.literal_eval(result.stdout)


def test_files_are_put_listed_fetched_and_removed_by_their_old_names(weyl: Program, old: Old) -> None:
    weyl.file("f", "content")
    lfn = f"{BASE}/f"
    added = printed(old("dirac-dms-add-file", f"LFN:{lfn}", "f", DISK))
    assert (added["Failed"], list(added["Successful"])) == ({}, [lfn])
    assert old("dput", "-D", STORE, "f", f"{BASE}/g").returncode == 0
    assert old("dls", BASE).stdout.split() == ["f", "g"]
    assert old("dls", "-l", BASE).stdout.splitlines()[0].startswith("-rw-r--r-- alice")
    assert printed(old("dirac-dms-lfn-replicas", lfn))["Successful"][lfn].keys() == {DISK}
    assert old("dreplicas", f"{BASE}/g").stdout == f"{BASE}/g {STORE} Good\n"
    facts = printed(old("dirac-dms-lfn-metadata", lfn))["Successful"][lfn]
    assert (facts["Size"], facts["ChecksumType"], facts["Owner"], facts["Mode"]) == (7, "Adler32", "alice", 0o644)
    address = printed(old("dirac-dms-lfn-accessURL", f"{BASE}/g", STORE))["Successful"][f"{BASE}/g"]
    assert f"{BASE}/g?" in address
    weyl.file("names", f"{lfn}\n{BASE}/g\n")
    fetched = printed(old("dirac-dms-get-file", "names", "--Directory=here"))
    assert sha256((weyl.directory / "here" / "g").read_bytes()).hexdigest() == sha256(b"content").hexdigest()
    assert fetched["Successful"][lfn] == str(weyl.directory / "here" / "f")
    sizes = old("dirac-dms-data-size", "-u", "MB", "names").stdout.splitlines()
    assert sizes[3].split() == ["2", "|", "0.0"]
    assert old("dchmod", "0700", lfn).returncode == 0
    assert old("dmkdir", f"{BASE}/d").returncode == 0
    assert old("drmdir", f"{BASE}/d").returncode == 0
    assert old("dirac-dms-remove-files", "names").stdout == "Successfully removed 2 catalog files.\n"
    assert old("dget", lfn).returncode != 0
    assert old("drm", f"{BASE}/missing").returncode != 0


def test_metadata_are_set_and_found_by_their_old_names(
    weyl: Program, weyl_as: Callable[..., Program], old: Old
) -> None:
    declared = weyl_as("alice", group="data")("data", "fields", "add", "OldRun", "--type", "int")
    assert declared.returncode == 0, declared.stderr
    weyl.file("f", "content")
    assert old("dput", "f", f"{BASE}/m/f").returncode == 0
    assert old("dmeta", "add", f"{BASE}/m/f", "OldRun=12").returncode == 0
    assert old("dmeta", "ls", f"{BASE}/m/f").stdout == "OldRun=12\n"
    assert old("dfind", BASE, "OldRun>=12").stdout == f"{BASE}/m/f\n"
    assert old("dirac-dms-find-lfns", f"--Path={BASE}", "OldRun=11,12").stdout == f"{BASE}/m/f\n"
    assert old("dmeta", "rm", f"{BASE}/m/f", "OldRun").returncode == 0
    assert old("dfind", BASE, "OldRun>=12").stdout == ""
