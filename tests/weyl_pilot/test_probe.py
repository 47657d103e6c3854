"""What the pilot says about the machine that it runs on."""

import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from weyl_pilot.probe import account, host_name
from weyl_pilot.pythons import candidates, python_tags
from weyl_pilot.uids import NoFreeUid


def test_a_host_that_its_own_table_calls_localhost_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node7")
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost.localdomain")
    assert host_name() == "node7"
    monkeypatch.setattr(socket, "getfqdn", lambda: "node7.example.org")
    assert host_name() == "node7.example.org"


def test_the_account_has_a_name_if_the_machine_knows_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert account() == pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert account() == "4000000000"


def openly(command: Sequence[str], engine: Path | None) -> "subprocess.CompletedProcess[bytes]":
    """Run a command without walls."""
    assert engine is None
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def hidden(command: Sequence[str], engine: Path | None) -> "subprocess.CompletedProcess[bytes]":
    """Stand for walls that nothing can be run behind."""
    raise NoFreeUid("none is free")


def program(directory: Path, name: str, script: str) -> None:
    """Put a script where programs are looked for."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)


def test_each_python_that_runs_behind_the_walls_is_a_tag(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    program(one, "python3.9", "echo hostfeat:python-3.9")
    program(one, "python3.10", "echo no such version >&2; exit 127")
    program(one, "python3-config", "echo hostfeat:python-3.8")
    program(two, "python3", "echo hostfeat:python-3.12")
    (two / "python3.12").symlink_to("python3")
    (two / "python3.7").write_text("cannot be run")
    path = f"{one}:{tmp_path / 'gone'}::{two}"
    assert candidates(path) == [f"{one}/python3.10", f"{one}/python3.9", f"{two}/python3"]
    assert python_tags(openly, path) == ["hostfeat:python-3.12", "hostfeat:python-3.9"]
    assert python_tags(hidden, path) == []
    assert python_tags(openly, str(tmp_path)) == []


def test_a_real_python_says_its_version(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    assert python_tags(openly, str(tmp_path)) == [f"hostfeat:python-3.{sys.version_info.minor}"]
