"""Somebody who follows a page of the documentation to the letter: makes its files, types its commands."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weyl.demo.browser import walk_through_forms

BLOCK = re.compile(r"(?P<before>[^\n]*\n)?\n?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`([\w.-]+\.\w+)`[^`]*:\s*$")
TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a page tells its reader to do: make the file `name`, or type a command (`name` is empty)."""

    text: str
    name: str = ""


def steps(page: str) -> Iterator[Step]:
    """Yield what a page, or a part of one, tells the reader to do, in order.

    A block after a line that ends with a file's name and a colon is that file; lines of `console` blocks that begin
    with `$ ` are commands, and go on after a backslash.
    """
    for block in BLOCK.finditer(page):
        named = NAMED.search(block["before"] or "")
        if block["language"] == "console":
            for line in block["text"].replace("\\\n", " ").splitlines():
                if line.startswith("$ "):
                    yield Step(line.removeprefix("$ "))
        elif named:
            yield Step(block["text"], named[1])


@dataclass
class Reader:
    """A person at a terminal who has nothing but the page; `people` are the names that log in, by group."""

    url: str
    directory: Path
    people: Mapping[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def follow(self, page: str) -> None:
        """Do what the page says; a command that does not succeed fails the test, with what it printed."""
        for step in steps(page):
            if step.name:
                (self.directory / step.name).write_text(step.text)
            elif step.text.startswith("export "):
                assert step.text.startswith("export WEYL_URL="), step.text
            elif step.text.startswith("weyl login"):
                self.log_in(step.text)
            else:
                self.type(step.text)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEYL_", "DIRACX_"))}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return {**kept, "PATH": path, "HOME": str(self.directory), "WEYL_URL": self.url, "COLUMNS": "200"}

    def type(self, command: str) -> str:
        """Type a command and return what it printed; one that does not succeed fails the test."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        self.said.append(f"$ {command}\n{done.stdout}")
        assert done.returncode == 0, self.said[-1]
        return done.stdout

    def log_in(self, command: str) -> None:
        """Type `weyl login …`, and press the buttons of the browser."""
        group = re.search(r"--group (\w+)", command)
        name = self.people[group[1] if group else ""]
        with subprocess.Popen(
            ["bash", "-c", command], cwd=self.directory, env=self._environment(), stdout=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            begun = json.loads(program.stdout.readline())
            walk_through_forms(begun["verification_uri_complete"], {"login": name, "password": name})
            assert program.wait(TIMEOUT_S) == 0, command
