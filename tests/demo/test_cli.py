"""What `weyl up` and `weyl demo` say to whoever started them."""

import shlex
import signal
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest

from weyl.cli.tree import root_command
from weyl.demo.cli import Stopped, guide, stop_signals
from weyl.demo.idp import make_passwords
from weyl.demo.installation import GROUPS, USERS, VOS

PASSWORDS = make_passwords()


def said(on_path: bool = True) -> str:
    logs = Path("/srv/weyl/logs")
    return guide("http://127.0.0.1:1", logs, passwords=PASSWORDS, ending="Ctrl-C ends it.", on_path=on_path)


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


@pytest.mark.parametrize("user", [user.name for user in USERS])
def test_the_password_of_everybody_is_told(user: str) -> None:
    assert any(line.split()[:2] == [user, PASSWORDS[user]] for line in said().splitlines())


def test_the_people_of_the_guide_are_there_with_the_groups_that_it_says() -> None:
    groups = {user.name: user.groups for user in USERS}
    assert "user" in groups["alice"]
    assert "admin" in groups["ada"]
    assert "hep" in VOS
    assert "JobAdministrator" in GROUPS["admin"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_while_python_calls_back_is_heeded_at_the_next_look() -> None:
    def interrupt(reference: object) -> None:
        signal.raise_signal(signal.SIGINT)

    class Thing:
        pass

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped), stop_signals() as stopping:
        stopping.check()
        thing = Thing()
        kept = weakref.ref(thing, interrupt)
        del thing  # what `interrupt` raises is printed, and goes no further
        assert kept() is None
        signal.raise_signal(signal.SIGINT)  # a second one disturbs nobody
        stopping.check()
    assert signal.getsignal(signal.SIGINT) == before
