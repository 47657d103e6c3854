"""What all commands that list have in common: tables in pipes, all rows for programs, a word about those left out."""

import json
from collections.abc import Callable, Iterator

import pytest
from tests.cli.conftest import Program, Server
from tests.cli.steps import submit
from tests.cli.test_main import commands
from typer.core import TyperGroup

from weyl.cli.main import run
from weyl.cli.tree import root_command

# How the sentence of a command that lists begins.
VERBS = frozenset({"List", "Lists", "Finds", "Counts", "Sums", "Tells"})
# What some of them are about.
ABOUT = {"jobs groups": "--everyone", "jobs sandbox list": "{job}", "jobs sandbox peek": "{job}", "data ls": "/voa"}
ABOUT |= {"accounting series": "jobs"}
# Who may ask, where that is not every user.
KEEPERS = {"tasks": "service", "pilots": "service", "config": "cs"}
# Those of which there is more than one row here.
SEVERAL = ("jobs search", "jobs groups", "jobs status", "jobs summary --by JobID", "sites list", "ces list")

Run = Callable[..., tuple[int, str, str]]


def lists() -> Iterator[str]:
    for path, command in commands(root_command(), "weyl"):
        is_list = not isinstance(command, TyperGroup) and (command.help or "").split()[0] in VERBS
        if is_list and path.split()[1] != "cwl":
            yield path.removeprefix("weyl ")


@pytest.fixture(scope="module")
def submitted() -> dict[str, str]:
    return {}


@pytest.fixture
def weyl_here(
    weyl_as: Callable[..., Program],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    submitted: dict[str, str],
) -> Run:
    """Runs a command line in this process, with the login that it needs; stdout is no terminal."""
    if not submitted:
        submitted["job"] = str(submit(weyl_as("alice"), "lists", 3)[0])
        submit(weyl_as("alice"), "more lists")

    def go(words: str, *more: str) -> tuple[int, str, str]:
        program = weyl_as("alice", group=KEEPERS.get(words.partition(" ")[0], "admin"))
        for name in ("WEYL_URL", "WEYL_CREDENTIALS_PATH", "HOME"):
            monkeypatch.setenv(name, program.environ[name])
        capsys.readouterr()
        about = "" if more[:1] and more[0].isdigit() else ABOUT.get(words, "").format(**submitted)
        code = run([*words.split(), *about.split(), *more])
        return code, *capsys.readouterr()

    return go


@pytest.mark.parametrize("command", [*lists()])
def test_in_a_pipe_a_list_is_a_plain_whole_table(server: Server, weyl_here: Run, command: str) -> None:
    code, out, err = weyl_here(command)
    assert (code, err) == (0, ""), err
    assert "\x1b" not in out + err
    assert "…" not in out
    assert not out.startswith(("[", "{"))
    code, document, err = weyl_here(command, "-o", "json", "--limit", "0")
    rows = json.loads(document)
    assert (code, err, isinstance(rows, list)) == (0, "", True)
    if rows and command != "tasks locks":
        # As many lines as rows, below the names of the columns; some lists go on changing.
        assert abs(len(out.splitlines()) - 1 - len(rows)) <= (1 if command.startswith("tasks") else 0)
        header = out.splitlines()[0].split()
        assert {*header} <= {*rows[0]}


@pytest.mark.parametrize("form", ["table", "json", "csv", "ndjson", "id"])
@pytest.mark.parametrize("command", SEVERAL)
def test_a_list_says_on_stderr_that_rows_were_left_out(weyl_here: Run, command: str, form: str) -> None:
    code, out, err = weyl_here(command, "--limit", "1", "-o", form)
    assert code == 0
    assert out.strip()
    assert len(err.splitlines()) == 1
    assert err.endswith("All of them: --limit 0\n")
    assert weyl_here(command, "--limit", "1", "-q")[2] == ""


@pytest.mark.parametrize(
    "command",
    [
        *(
            f"jobs show {option}".strip()
            for option in ("", "--history", "--params", "--jdl", "--requirements", "--files")
        ),
        *("jobs status", "jobs sandbox list", "jobs logs", "jobs output", "jobs input"),
    ],
)
def test_each_id_is_answered_for_itself(weyl_here: Run, submitted: dict[str, str], command: str) -> None:
    weyl_here("whoami")
    good, absent = submitted["job"], "999999999"
    has_nothing = command in ("jobs logs", "jobs output", "jobs input")
    code, out, err = weyl_here(command, good, absent)
    assert code == (3 if has_nothing else 7)
    assert bool(out) or has_nothing or command.endswith(("--params", "--files", "sandbox list"))
    assert has_nothing or f"\n  {absent} does not exist, or is not yours to see\n" in err
    code, out, err = weyl_here(command, absent)
    assert (code, out) == (3, "")
    assert absent in err
