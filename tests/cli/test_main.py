"""The program from outside, as far as it goes without a server: help, options, exit codes, completion, start-up."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup

from weyl.cli.loader import Entry, load_command
from weyl.cli.reference import render_reference
from weyl.cli.tree import ENTRIES, JOBS_ENTRIES, root_command

HEAVY = ("fastapi", "sqlalchemy", "cwltool", "rich", "yaml", "httpx2", "asyncpg", "orjson", "weyl.settings")
SERVER_SIDE = {name for name, entry in ENTRIES.items() if entry.extra is not None}


def weyl(*words: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("WEYL_", "DIRACX_"))}
    program = [sys.executable, "-c", "from weyl.cli.main import main; main()", *words]
    return subprocess.run(
        program,
        env=clean | environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def commands(group: Any, path: str) -> list[tuple[str, Any]]:
    """Returns every command of the light installation with its path."""
    found = []
    for name in group.list_commands(None):
        if path == "weyl" and name in SERVER_SIDE:
            continue
        try:
            command = group.get_command(None, name)
        except Exception as error:  # noqa: BLE001 # a room that is not installed is not this test's business
            found.append((f"{path} {name}", error))
            continue
        found.append((f"{path} {name}", command))
        if isinstance(command, TyperGroup):
            found += commands(command, f"{path} {name}")
    return found


def test_every_command_has_a_sentence_and_an_example() -> None:
    for path, command in commands(root_command(), "weyl"):
        assert not isinstance(command, Exception), (path, command)
        text = command.help or ""
        assert re.match(r"[A-Z][^\n]+[.:]", text), path
        assert isinstance(command, TyperGroup) or re.search("Example: .*weyl ", text), path
        assert "Args:" not in text, path


def test_every_option_and_argument_has_a_help_text() -> None:
    for path, command in commands(root_command(), "weyl"):
        for parameter in command.params:
            assert getattr(parameter, "help", None), (path, parameter.name)


def test_singular_nouns_are_the_plural_ones() -> None:
    for name in ("job", "pilot"):
        assert weyl(name, "--help").returncode == 0


def test_help_names_every_command_and_goes_to_stdout() -> None:
    result = weyl("--help")
    assert result.returncode == 0
    assert result.stderr == ""
    for name, entry in ENTRIES.items():
        assert (name in result.stdout) is not entry.hidden


def test_the_help_groups_commands_under_a_handful_of_headings() -> None:
    shown = weyl("--help").stdout
    headings = re.findall(r"^([A-Z][^:\n]+):$", shown, re.MULTILINE)
    assert headings == [
        *("Account", "Jobs", "Data", "Workflows", "Resources", "Administration", "This program", "Run a system"),
        "Options",
    ]
    assert re.search(r"^Account:\n  login +Log in.*\n  logout ", shown, re.MULTILINE)
    columns = {
        len(start) for start in re.findall(r"^  [a-z][a-z-]* {2,}", shown.partition("\nOptions:")[0], re.MULTILINE)
    }
    assert len(columns) == 1


@pytest.mark.parametrize("words", [[], ["jobs"], ["jobs", "submit"], ["config"]])
def test_no_words_at_all_show_what_there_is(words: list[str]) -> None:
    result = weyl(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: weyl")
    assert "Error" not in result.stderr


def test_the_help_of_submit_has_what_a_submission_takes() -> None:
    shown = weyl("jobs", "submit", "--help").stdout
    assert "--param K=A..B" in shown
    assert re.search(r"^  FILE +Files in JDL", shown, re.MULTILINE)


def test_the_help_of_a_group_has_whole_sentences() -> None:
    for group in ("pilots", "config", "jobs"):
        assert "..." not in weyl(group, "--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("words", [["-o", "json", "version"], ["version", "-o", "json"], ["version", "--json", "weyl"]])
def test_options_are_understood_before_and_after_the_command(words: list[str]) -> None:
    result = weyl(*words)
    assert result.returncode == 0
    assert "weyl" in json.loads(result.stdout)


@pytest.mark.parametrize("value", ["RICH", "rich", "table"])
def test_output_formats_of_the_peer_are_understood(value: str) -> None:
    assert re.fullmatch(r"weyl \S+\n", weyl("version", DIRACX_OUTPUT_FORMAT=value).stdout)


@pytest.mark.parametrize(
    "words",
    [
        ["no-such-command"],
        ["version", "--no-such-option"],
        ["version", "-o", "no-such-format"],
        ["jobs", "no-such-command"],
        ["jobs", "search", "--where", "Status is Done", "--url", "http://127.0.0.1:9"],
        ["jobs", "search", "--limit", "-1"],
        ["jobs", "submit", "no-such-file.jdl"],
        ["jobs", "show", "twelve"],
        ["completion", "no-such-shell"],
        ["api", "FETCH", "/"],
        ["whoami", "--url", "localhost:8000"],
        ["whoami", "--url", "http://localhost:8000/api/"],
        ["jobs", "submit", "cmd", "--", "./no-such-program"],
    ],
)
def test_wrong_usage_is_exit_2_with_a_line_that_helps(words: list[str]) -> None:
    result = weyl(*words)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.strip().splitlines()) == 2
    assert "Traceback" not in result.stderr


def test_no_address_names_the_variable_and_is_exit_2() -> None:
    result = weyl("jobs", "search")
    assert result.returncode == 2
    assert "WEYL_URL" in result.stderr


def test_no_login_is_exit_4_with_the_command_to_log_in(tmp_path: Path) -> None:
    result = weyl("jobs", "search", WEYL_URL="http://127.0.0.1:9", XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 4
    assert "weyl login" in result.stderr


def test_an_unreachable_server_is_exit_6(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("e30.e30.x")
    result = weyl("jobs", "search", WEYL_URL="http://127.0.0.1:9", WEYL_TOKEN_FILE=str(token))
    assert result.returncode == 6
    assert "127.0.0.1:9" in result.stderr


@pytest.mark.system
def test_a_database_that_is_not_there_is_exit_6_and_no_bug() -> None:
    result = weyl("db", "check", WEYL_DATABASE_URL="postgresql+asyncpg://weyl@127.0.0.1:9/weyl")
    assert result.returncode == 6, result.stderr
    assert "WEYL_DATABASE_URL" in result.stderr
    assert "bug" not in result.stderr


def test_errors_are_json_if_json_was_asked_for(tmp_path: Path) -> None:
    result = weyl("jobs", "search", "-o", "json", WEYL_URL="http://127.0.0.1:9", XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 4
    error = json.loads(result.stderr)["error"]
    assert set(error) == {"code", "message", "hint", "request_id", "details"}
    assert error["code"] == "not_logged_in"


def test_a_dry_run_needs_neither_server_nor_login(tmp_path: Path) -> None:
    (tmp_path / "job.jdl").write_text('Executable = "/bin/true"; Parameters = 3;')
    result = weyl("submit", "job.jdl", "--dry-run", "-o", "json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)[0]["jobs"] == 3


def test_a_file_named_like_a_kind_of_submission_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cmd").write_text('Executable = "/bin/true";')
    result = weyl("jobs", "submit", "cmd", "--dry-run", "-o", "json", cwd=tmp_path)
    assert json.loads(result.stdout)[0]["origin"] == "cmd"


def test_a_command_line_is_taken_word_by_word(tmp_path: Path) -> None:
    result = weyl("submit", "cmd", "-n", "x", "--dry-run", "-o", "json", "--", "/bin/echo", "-n", "a b", cwd=tmp_path)
    document = json.loads(result.stdout)[0]["document"]
    assert (document["JobName"], document["Arguments"]) == ("x", "-n 'a b'")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str) -> None:
    assert "_WEYL_COMPLETE" in weyl("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("jo", {"jobs"}),
        ("jobs\nsub", {"submit"}),
        ("jobs\nsearch\n--wh", {"--where"}),
        ("jobs\nsearch\n--colum", {"--columns"}),
        ("completion\n", {"bash", "zsh", "fish"}),
        ("nonsense\nx", set()),
    ],
)
def test_completion_answers_without_a_server(words: str, expected: set[str]) -> None:
    result = weyl(_WEYL_COMPLETE="1", _WEYL_WORDS=words)
    assert result.returncode == 0
    assert {line.split("\t")[0] for line in result.stdout.splitlines()} == expected


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="no bash on this machine")
def test_the_bash_script_is_valid() -> None:
    script = weyl("completion", "bash").stdout
    assert subprocess.run(["/bin/bash", "-n"], input=script, text=True, check=False).returncode == 0


def modules_of(*words: str) -> set[str]:
    """Returns which modules a command line has imported."""
    code = (
        "import sys, json\nfrom weyl.cli.main import run\nrun(sys.argv[1:])\n"
        "print('MODULES', json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(result.stderr.rpartition("MODULES ")[2]))


@pytest.mark.parametrize(
    ("words", "forbidden"),
    [
        (["--help"], (*HEAVY, "pydantic", "asyncio", "weyl.jobs", "weyl.pilots", "weyl.auth", "weyl.config")),
        (["version"], (*HEAVY, "pydantic", "asyncio", "weyl.jobs")),
        (["jobs", "--help"], (*HEAVY, "pydantic", "weyl.jobs")),
        (["jobs", "search", "--help"], HEAVY),
        (["completion", "bash"], HEAVY),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(words: list[str], forbidden: tuple[str, ...]) -> None:
    assert modules_of(*words).isdisjoint(forbidden)


@pytest.mark.parametrize("words", [["--help"], ["jobs", "--help"], ["version"]])
def test_start_up_stays_in_its_budget(words: list[str]) -> None:
    """The budget is 0.15 s of CPU on an idle machine; the median of three may be twice that here."""
    spent: list[float] = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        weyl(*words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert sorted(spent)[1] < 0.30, spent


def test_every_entry_of_the_light_installation_loads() -> None:
    for name, entry in ENTRIES.items():
        if name not in SERVER_SIDE:
            assert load_command(name, entry) is not None


def test_the_table_of_jobs_commands_is_that_of_the_room() -> None:
    room = load_command("jobs", Entry("weyl.jobs.cli.app", ""))
    of_jobs = {name for name, entry in JOBS_ENTRIES.items() if entry.module.startswith("weyl.jobs.")}
    assert set(room.commands) == of_jobs
    assert {*JOBS_ENTRIES} - of_jobs == {"failures", "submit"}


SERVER_PACKAGES = (
    "aiohttp",
    "alembic",
    "asyncpg",
    "botocore",
    "cryptography",
    "fastapi",
    "joserfc",
    "orjson",
    "pgqueuer",
    "pydantic_settings",
    "sqlalchemy",
    "structlog",
    "uvicorn",
)


def test_the_light_installation_needs_nothing_of_the_server() -> None:
    names = [name for name in ENTRIES if name not in SERVER_SIDE]
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVER_PACKAGES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from weyl.cli.loader import load_command
from weyl.cli.main import run
from weyl.cli.tree import ENTRIES, JOBS_ENTRIES
import weyl
for name in weyl.__all__:
    getattr(weyl, name)
for table, names in ((ENTRIES, {names!r}), (JOBS_ENTRIES, list(JOBS_ENTRIES))):
    for name in names:
        load_command(name, table[name])
sys.exit(run(["serve"]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2, result.stderr
    assert "pip install 'weyl[server]'" in result.stderr


def test_the_reference_page_has_every_command() -> None:
    page = render_reference()
    for path, _ in commands(root_command(), "weyl"):
        assert re.search(rf"^##+ {re.escape(path)}$", page, re.MULTILINE), path
    assert "\b" not in page
    assert "Args:" not in page
