"""What the program does when somebody sits at a terminal: tables, questions, Ctrl-C."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Program, Server
from tests.cli.steps import move, rows, submit
from tests.infra.waiting import await_that

from weyl.cli.options import FORMATS
from weyl.sandboxes import calls as sandbox_calls
from weyl.sandboxes.transfer import upload

PATIENCE_S = 60


def _mind_interrupts() -> None:
    """Undo what a shell does to programs in the background, such as a whole test run: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, weyl: Program, *words: str, **environ: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from weyl.cli.main import main; main()", *words],
            env=weyl.environ | {"COLUMNS": "100", "TERM": "xterm"} | environ,
            cwd=weyl.directory,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_mind_interrupts,  # noqa: PLW1509 - one call, and no threads here
        )
        os.close(slave)
        self.seen = ""

    def read_until(self, pattern: str) -> None:
        """Reads what the program shows until it matches."""
        await_that(
            lambda: re.search(pattern, self.seen) or not self._read(), pattern, poll_s=0, explain=lambda: self.seen
        )
        assert re.search(pattern, self.seen), self.seen

    def type(self, text: str) -> None:
        """Types a text."""
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Reads to the end and returns the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Ends the program if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], PATIENCE_S)
        assert ready, self.seen
        try:
            data = os.read(self.master, 65536)
        except OSError:
            # Linux says EIO when the program has closed its side.
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@pytest.fixture
def terminal(weyl: Program) -> Iterator[object]:
    """Starts programs on terminals, and ends them."""
    started: list[Terminal] = []

    def start(*words: str, **environ: str) -> Terminal:
        started.append(Terminal(weyl, *words, **environ))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_a_terminal_gets_a_table_with_colours_unless_told_otherwise(terminal) -> None:
    for words, environ, is_coloured in (
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        (["--no-color"], {}, False),
    ):
        shown = terminal("doctor", *words, **environ)
        assert shown.end() == 0
        assert "Check" in shown.seen
        assert ("\x1b[" in shown.seen) is is_coloured


def test_no_command_lets_the_names_of_jobs_command_the_terminal(weyl: Program, terminal) -> None:
    hostile = "=x\x1b[31m\x1b]0;owned\x07\x9b2J\u202e"
    weyl.file("hostile.jdl", f'Executable = "/bin/echo"; JobName = "{hostile}"; JobGroup = "\x1b[2J";')
    submitted = terminal("jobs", "submit", "hostile.jdl")
    assert submitted.end() == 0
    [job_id] = [row["JobID"] for row in rows(weyl, "jobs", "search", "--mine", "--where", "JobGroup = '\x1b[2J'")]
    number = str(job_id)
    for words in (
        ("jobs", "show", number),
        ("jobs", "show", number, "--jdl"),
        ("jobs", "show", number, "--history"),
        ("jobs", "show", number, "--requirements"),
        ("jobs", "why", number),
        ("jobs", "logs", number),
        ("jobs", "sandbox", "peek", number),
        ("jobs", "summary", "--by", "JobName,JobGroup"),
        ("api", "get", f"/api/jobs/{number}/jdl"),
        *(("jobs", "search", "--mine", "--columns", "JobID,JobName,JobGroup", "-o", form) for form in FORMATS),
    ):
        check_harmless(terminal, *words)


def test_no_command_lets_workflows_command_the_terminal(weyl: Program, terminal) -> None:
    hostile = "=x\x1b[31m\x1b]0;owned\x07\x9b2J\u202e\r<b>"
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "label": hostile,
        "doc": hostile,
        "inputs": {"x": {"type": "string", "label": hostile, "doc": hostile, "default": hostile, "inputBinding": {}}},
        "outputs": {"o": {"type": "stdout", "label": hostile}},
        "baseCommand": ["echo", hostile],
    }
    weyl.file("hostile.cwl", json.dumps(tool))
    weyl.file("bad.cwl", json.dumps({**tool, hostile: 1, "stdout": [hostile]}))
    weyl.file("inputs.json", json.dumps({hostile: hostile, "x": 5}))
    bundle = weyl("workflows", "push", "hostile.cwl", "-q").stdout.strip()
    submitted = weyl("jobs", "submit", "hostile.cwl", "-q")
    assert submitted.returncode == 0, submitted.stderr
    number = submitted.stdout.strip()
    for words in (
        *(("workflows", "show", bundle, *more) for more in ((), ("--text",), ("-o", "json"), ("-o", "yaml"))),
        ("workflows", "schema", bundle),
        *(("workflows", "graph", bundle, "--format", form) for form in ("json", "dot", "mermaid")),
        *(("cwl", verb, file) for verb in ("validate", "explain") for file in ("hostile.cwl", "bad.cwl")),
        ("jobs", "submit", "hostile.cwl", "--dry-run"),
        ("jobs", "submit", "hostile.cwl", "inputs.json"),
        ("jobs", "submit", "hostile.cwl", "--", "--help"),
        ("jobs", "submit", "bad.cwl"),
        ("cwl-runner", "bad.cwl"),
        ("jobs", "show", number),
        ("jobs", "show", number, "--jdl"),
        ("jobs", "why", number),
        ("jobs", "search", "--mine", "--columns", "JobID,JobName,WorkflowParams"),
        ("api", "get", f"/api/jobs/{number}/input-object"),
    ):
        check_harmless(terminal, *words)


def check_harmless(terminal, *words: str) -> None:
    """Check that what a command shows on a terminal holds nothing but texts and our own colours."""
    shown = terminal(*words)
    shown.end()
    left = re.sub(r"\x1b\[(?:1|31|32|33|0)?m", "", shown.seen)
    assert all(char.isprintable() or char in "\n\t" for char in left), (words, shown.seen)
    assert "\x1b[31m\x1b" not in shown.seen, (words, shown.seen)
    assert "Traceback" not in shown.seen, (words, shown.seen)


def test_the_output_of_a_job_is_written_out_on_a_terminal_only(
    weyl: Program, terminal, server: Server, tmp_path: Path
) -> None:
    [job_id] = submit(weyl, "coloured")
    (tmp_path / "std.out").write_text("\x1b[31mred\x07\n")
    with server.client("alice") as client:
        client.send(sandbox_calls.assign_output(job_id, upload(client, [tmp_path / "std.out"])))
    move(server, [job_id], "Running", "Done")
    for words in (("jobs", "logs", str(job_id)), ("jobs", "sandbox", "peek", str(job_id), "std.out")):
        shown = terminal(*words)
        assert shown.end() == 0
        assert shown.seen == "\\x1b[31mred\\x07\n"
        assert weyl(*words).stdout == "\x1b[31mred\x07\n"


def test_the_configuration_is_shown_as_it_is_written(terminal) -> None:
    shown = terminal("config", "dump")
    assert shown.end() == 0
    assert re.search(r"^Registry:\r?\n  voa:", shown.seen, re.MULTILINE)


def test_harm_is_asked_about_once_and_can_be_declined(weyl: Program, terminal) -> None:
    [job_id] = submit(weyl, "asked-no")
    question = terminal("kill", str(job_id))
    question.read_until(r"About to kill 1 \(1 \w+ of alice\)\. Go on\? \[y/N\] ")
    question.type("n\n")
    assert question.end() == 2
    assert rows(weyl, "status", str(job_id))[0]["Status"] != "Killed"


def test_harm_is_done_after_a_yes(weyl: Program, terminal) -> None:
    [job_id] = submit(weyl, "asked-yes")
    question = terminal("kill", str(job_id))
    question.read_until(r"Go on\?")
    question.type("y\n")
    assert question.end() == 0
    assert rows(weyl, "status", str(job_id))[0]["Status"] == "Killed"


def test_more_than_a_thousand_have_to_be_typed(weyl: Program, terminal) -> None:
    submit(weyl, "asked-many", 1001)
    question = terminal("kill", "--where", "JobGroup = asked-many")
    question.read_until(r"Type 1001 to go on: ")
    question.type("y\n")
    assert question.end() == 2
    question = terminal("kill", "--where", "JobGroup = asked-many", "--no-wait")
    question.read_until(r"Type 1001 to go on: ")
    question.type("1001\n")
    assert question.end() == 0


def test_ctrl_c_leaves_the_jobs_running_and_says_how_to_come_back(weyl: Program, terminal) -> None:
    [job_id] = submit(weyl, "interrupted")
    waiting = terminal("jobs", "wait", str(job_id))
    waiting.read_until(r"1 \w+\n")
    waiting.process.send_signal(signal.SIGINT)
    assert waiting.end() == 130
    assert f"weyl jobs wait {job_id}" in waiting.seen
    assert "Traceback" not in waiting.seen
    assert rows(weyl, "status", str(job_id))[0]["Status"] != "Killed"


def test_watch_redraws_a_live_count(weyl: Program, terminal) -> None:
    submit(weyl, "watched", 2)
    watching = terminal("jobs", "watch", "--group", "watched")
    watching.read_until(r"2 jobs, ")
    watching.read_until(r"Last changes")
    watching.process.send_signal(signal.SIGINT)
    assert watching.end() == 130


def test_what_a_person_has_seen_is_completed_and_what_a_script_has_seen_is_not(weyl: Program, terminal) -> None:
    [job_id] = submit(weyl, "completed")
    asked = {"_WEYL_COMPLETE": "1", "_WEYL_WORDS": "jobs\nshow\n"}
    assert str(job_id) not in weyl(**asked).stdout.split()
    assert terminal("status", str(job_id)).end() == 0
    assert str(job_id) in weyl(**asked).stdout.split()


def test_faults_of_the_configuration_are_mended_where_they_were_made(weyl_as) -> None:
    administrator = weyl_as("alice", group="cs")
    script = (
        "#!/bin/sh\n"
        '[ -e second ] && { cp kept "$1"; echo \'# mended\' >> "$1"; exit; }\n'
        'touch second; cp "$1" kept; echo \'Nonsense: 1\' > "$1"\n'
    )
    administrator.file("editor", script)
    (administrator.directory / "editor").chmod(0o755)
    editing = Terminal(administrator, "config", "edit", EDITOR=str(administrator.directory / "editor"))
    editing.read_until(r"line 1: Nonsense: is not known here")
    editing.read_until(r"Edit again\? \[Y/n\] ")
    editing.type("\n")
    editing.read_until(r"Why is it changed\? ")
    editing.type("Mend it\n")
    editing.read_until(r"\+# mended")
    editing.read_until(r"Go on\?")
    editing.type("y\n")
    assert editing.end() == 0
    assert "Committed as" in editing.seen
