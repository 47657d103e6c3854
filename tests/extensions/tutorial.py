"""The developer's tutorial as programs see it: the files to write, the commands to run, and what these say."""

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = (ROOT / "docs" / "developer" / "extension-tutorial.md").read_text()
WEYL = [sys.executable, "-c", "from weyl.cli.main import main; main()"]


def files() -> list[tuple[str, str]]:
    """Return what the tutorial tells to write, in the order of the page."""
    return re.findall(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", TUTORIAL, re.DOTALL | re.MULTILINE)


def block(language: str) -> str:
    """Return the one block of the tutorial in this language that is no file."""
    of_files = {text for _, text in files()}
    [text] = [
        text
        for text in re.findall(rf"^```{language}\n(.*?)^```$", TUTORIAL, re.DOTALL | re.MULTILINE)
        if text not in of_files
    ]
    return text


def write(directory: Path, path: str, text: str) -> None:
    """Do what the tutorial tells: write one file."""
    (directory / path).parent.mkdir(parents=True, exist_ok=True)
    (directory / path).write_text(text)


def install(directory: Path, target: Path) -> None:
    """Install a package into a directory that only those who have it on their path see."""
    command = ["uv", "pip", "install", "-q", "--no-deps", "--python", sys.executable, "--target", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", *command, str(directory)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def path_of(target: Path) -> str:
    """Return the search path of a program that sees the package."""
    return os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])


def run(words: list[str], target: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program that sees the package."""
    return subprocess.run(
        words,
        env=os.environ | {"PYTHONPATH": path_of(target)} | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@dataclass(frozen=True)
class Step:
    """A command of the page, and what it prints there."""

    command: str
    output: str


def steps(chapter: str) -> list[Step]:
    """Return what a chapter of the page tells to run, in order."""
    [text] = [part for part in re.split(r"^## ", TUTORIAL, flags=re.MULTILINE) if part.startswith(chapter)]
    blocks = re.findall(r"^```(?:console|text)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [Step(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def seen(command: str, *, cwd: Path, environ: Mapping[str, str]) -> str:
    """Run a line in a shell on a terminal, as somebody who follows the page does; returns what it shows."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", command],
        env=os.environ | {"COLUMNS": "118", "TERM": "dumb"} | dict(environ),
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    shown = b""
    try:
        # Linux says EIO when the last writer is gone.
        with suppress(OSError):
            while part := os.read(master, 4096):
                shown += part
        process.wait(60)
    finally:
        os.close(master)
        process.kill()
    return shown.decode().replace("\r\n", "\n")


def programs(directory: Path) -> str:
    """Write the programs that the page runs by name into a directory; returns a search path that begins there."""
    directory.mkdir()
    python = shlex.quote(sys.executable)
    write(directory, "weyl", f"#!/bin/sh\nexec {python} -c 'from weyl.cli.main import main; main()' \"$@\"\n")
    write(directory, "python", f'#!/bin/sh\nexec {python} "$@"\n')
    for program in directory.iterdir():
        program.chmod(0o755)
    return os.pathsep.join([str(directory), os.environ["PATH"]])
