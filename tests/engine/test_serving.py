"""The process that compiles, spoken to over its pipes; what its forks may not do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weyl_engine.__main__ import main
from weyl_engine.frames import LENGTHS, BadFrame, frame, taken

TOOL = b"cwlVersion: v1.2\nclass: CommandLineTool\ninputs: []\noutputs: []\nbaseCommand: a\n"
BATCH = {
    "expressions": [{"text": "$(inputs.n)", "javascript": False, "bind": {"n": {"input": "n"}}}],
    "columns": {"n": [5]},
    "count": 2,
}


def test_a_message_is_taken_when_it_is_whole() -> None:
    buffer = bytearray()
    sent = frame({"id": 1, "path": "é\udc80"}, b"\x00body") + frame({"id": 2})
    found = []
    for byte in sent:
        buffer.append(byte)
        message = taken(buffer)
        if message is not None:
            found.append(message)
    assert found == [({"id": 1, "path": "é\udc80"}, b"\x00body"), ({"id": 2}, b"")]
    assert not buffer


def test_lengths_that_no_message_has_are_refused() -> None:
    with pytest.raises(BadFrame):
        taken(bytearray(LENGTHS.pack(1, 1 << 30)))


def test_there_are_four_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["other"]) == 2
    assert "compile|evaluate|run|check" in capsys.readouterr().err


@pytest.mark.system
@pytest.mark.parametrize(
    ("command", "headers", "body", "answer"),
    [
        (
            "compile",
            {"entry": "a.cwl", "fragment": None, "files": [["a.cwl", len(TOOL)]]},
            TOOL,
            {"class": "CommandLineTool", "problems": []},
        ),
        ("evaluate", {}, json.dumps(BATCH).encode(), {"values": [[5]], "errors": [], "which": [0, 0]}),
    ],
    ids=["compile", "evaluate"],
)
def test_a_process_answers_each_request_and_ends_with_its_input(
    command: str, headers: dict[str, Any], body: bytes, answer: dict[str, Any]
) -> None:
    started = [sys.executable, "-I", "-m", "weyl_engine", command]
    process = subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={})
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(frame({**headers, "id": 7}, body) + frame({**headers, "id": 8}, body))
    process.stdin.flush()
    answers: dict[Any, tuple[dict[str, Any], bytes]] = {}
    buffer = bytearray()
    while len(answers) < 3:
        buffer += process.stdout.read1()
        while (message := taken(buffer)) is not None:
            answers[message[0].get("id")] = message
    assert answers[None][0]["outcome"] == "ready"
    assert answers[7][1] == answers[8][1]
    assert {name: json.loads(answers[7][1])[name] for name in answer} == answer
    process.stdin.close()
    assert process.wait(30) == 0
    assert process.stdout.read() == b""
    process.stdout.close()


FORBIDDEN = {
    "writes no file": "open(sys.argv[1], 'wb', 0).write(b'x')",
    "takes no more memory": "bytearray(200 << 20)",
    "leaves no core": "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0); raise OSError",
    "has no pipe but its own": "os.read(spare, 1)",
    "says nothing": "print('hello'); raise OSError",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_fork(what: str, tmp_path: Path) -> None:
    program = f"""
import os, resource, sys
from weyl_engine.compiling import confinement
own, spare = os.pipe()[1], os.pipe()[0]
confinement.die_with_parent()
confinement.keep_only(own)
confinement.limit(confinement.Limits(memory_b=150 << 20))
try:
    {FORBIDDEN[what]}
except (OSError, MemoryError) as error:
    os._exit(7)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "file")], check=False, capture_output=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (7, b"")
