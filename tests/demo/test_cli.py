"""What `weyl up` and `weyl demo` say to whoever started them."""

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from weyl.cli.tree import root_command
from weyl.demo.cli import guide
from weyl.demo.installation import GROUPS, USERS, VOS


def said(on_path: bool = True) -> str:
    return guide("http://127.0.0.1:1", Path("/srv/weyl/logs"), ending="Ctrl-C ends it.", on_path=on_path)


def test_the_path_is_told_only_to_who_needs_it() -> None:
    assert "PATH=" not in said()
    assert f"export PATH={sys.prefix}/bin:$PATH" in said(on_path=False)


@pytest.mark.parametrize("line", [line.strip() for line in said().splitlines() if line.startswith("  weyl ")])
def test_every_command_that_is_told_exists(line: str) -> None:
    words = shlex.split(line.partition("   ")[0])[1:]
    command = root_command()
    while words and not words[0].startswith("-") and hasattr(command, "get_command"):
        command = command.get_command(SimpleNamespace(obj=None), words.pop(0))
        assert command is not None, line


def test_the_people_of_the_guide_are_there_with_the_groups_that_it_says() -> None:
    groups = {user.name: user.groups for user in USERS}
    assert "user" in groups["alice"]
    assert "admin" in groups["ada"]
    assert "hep" in VOS
    assert "JobAdministrator" in GROUPS["admin"]
