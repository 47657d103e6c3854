"""Commands that another installed package brings, found by its metadata alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

MODULE = '''"""Commands of a community."""

import typer

from weyl.client.results import Document, Parts, Result, Rows, Text

app = typer.Typer(help="Community commands.", rich_markup_mode=None)


@app.command()
def hello(context: typer.Context) -> Result:
    """Says hello.

    Example: weyl community hello
    """
    return Document({"hello": "world"})


@app.command()
def broken() -> Result:
    """Breaks.

    Example: weyl community broken
    """
    raise RuntimeError("not foreseen")


@app.command()
def endless() -> Result:
    """Prints for ever.

    Example: weyl community endless
    """
    return Rows({"ID": number} for number in iter(int, 1))


@app.command()
def parts() -> Result:
    """Prints one thing after the other.

    Example: weyl community parts
    """
    return Parts([Text(["first\\n"]), Text(["second\\n"])])
'''

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def weyl(tmp_path: Path) -> Run:
    """The program with the package installed."""
    (tmp_path / "community_cli.py").write_text(MODULE)
    metadata = tmp_path / "community-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: community\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[weyl.cli]\ncommunity = community_cli:app\nabsent = not_there:app\n")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from weyl.cli.main import main; main()", *words],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_commands_are_in_the_help_and_run_with_every_format(weyl: Run) -> None:
    assert "community" in weyl("--help").stdout
    assert json.loads(weyl("community", "hello", "-o", "json").stdout) == {"hello": "world"}


def test_a_broken_package_breaks_only_its_own_command(weyl: Run) -> None:
    assert weyl("--help").returncode == 0
    assert weyl("version").returncode == 0
    result = weyl("absent", "x")
    assert result.returncode == 2
    assert "not_there" in result.stderr


def test_what_nobody_foresaw_is_exit_1_and_asks_to_be_reported(weyl: Run) -> None:
    result = weyl("community", "broken")
    assert result.returncode == 1
    assert "not foreseen" in result.stderr
    assert "report" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in weyl("community", "broken", "--debug").stderr


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path, weyl: Run) -> None:
    command = f"{sys.executable} -c 'from weyl.cli.main import main; main()' community endless -o ndjson"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -n 2"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == '{"ID":0}\n{"ID":0}\n'
    assert result.stderr == ""


def test_parts_are_printed_one_after_the_other(weyl: Run) -> None:
    assert weyl("community", "parts").stdout == "first\nsecond\n"
