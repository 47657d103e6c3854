"""What the commands of `weyl data` do without a server: sizes and progress for people, values, old conditions."""

import io
from typing import Any

import pytest

from weyl.cli.legacy.arguments import parse
from weyl.cli.legacy.data import ALIASES
from weyl.client.errors import UsageFault
from weyl.storage.cli.elements import row_of
from weyl.storage.cli.names import pairs, target_of, typed
from weyl.storage.cli.progress import Progress, line_of, size_text, span_text
from weyl.storage.transfer.pace import Pace
from weyl.storage.transfer.registering import BadLine, lines_of


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (999_600, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5e18, "5000 PB"),
    ],
)
def test_sizes_are_for_people(count: float, text: str) -> None:
    assert size_text(count) == text


def test_spans_are_for_people() -> None:
    assert [span_text(seconds) for seconds in (0, 59.6, 3600, 3725)] == ["0:00", "1:00", "1:00:00", "1:02:05"]


def test_a_line_says_how_far_a_transfer_is() -> None:
    pace = Pace(files=4, bytes=1_000_000, files_done=1, bytes_done=250_000)
    line = line_of(pace, 10.0, verb="put")
    assert line == "put [#####...............]  25%, 250 kB of 1.0 MB, 25.0 kB/s, 1 of 4 files, 0:30 left"
    assert line_of(Pace(files=1), 0.0, verb="get").startswith("get [####################] 100%, 0 B of 0 B")
    assert line_of(Pace(doing="verification"), 1.0, verb="put") == "put: verification"
    assert line_of(Pace(files=2, bytes=10, bytes_done=5, doing="checksums"), 1.0, verb="put").startswith("checksums [")


class Listener:
    """Takes what is shown."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.stderr_is_terminal = is_terminal
        self.lines: list[str] = []

    def progress(self, line: str) -> None:
        self.lines.append(line)


def test_a_terminal_is_told_at_once_and_a_pipe_now_and_then() -> None:
    for is_terminal, lines in ((True, 2), (False, 0)):
        listener: Any = Listener(is_terminal=is_terminal)
        progress = Progress(listener, "put")
        progress.look(Pace(files=1, bytes=10))
        progress.look(Pace(files=1, bytes=10, bytes_done=5))
        assert len(listener.lines) == lines


def test_values_become_what_their_fields_want() -> None:
    fields = [
        {"name": name, "type": kind} for name, kind in (("I", "int"), ("F", "float"), ("B", "bool"), ("T", "text"))
    ]
    given = {"I": "7", "F": "1", "B": "True", "T": "7", "Unknown": "7"}
    assert typed(given, fields) == {"I": 7, "F": 1, "B": True, "T": "7", "Unknown": "7"}
    # What is not of the type stays text: the server says what is wrong with it.
    assert typed({"I": "1.5", "F": "true", "B": "1"}, fields) == {"I": "1.5", "F": "true", "B": "1"}
    assert typed({"I": "many"}, fields) == {"I": "many"}


def test_pairs_have_a_name_and_a_value() -> None:
    assert pairs(["A=1", "B=x=y", "C="], "--meta") == {"A": "1", "B": "x=y", "C": ""}
    for word in ("A", "=1"):
        with pytest.raises(UsageFault, match="not a name and a value"):
            pairs([word], "--meta")


def test_what_is_moved_into_a_directory_keeps_its_name() -> None:
    assert target_of("/vo/a/f", "/vo/b", is_directory=True) == "/vo/b/f"
    assert target_of("/vo/a/f", "/vo/b", is_directory=False) == "/vo/b"


def test_an_element_is_a_row_and_equal_reasons_are_said_once() -> None:
    down = {"allowed": False, "reason": "downtime"}
    row = row_of({"name": "SE", "status": {"read": {"allowed": True}, "write": down, "remove": down}, "free": 5})
    assert (row["read"], row["write"], row["check"], row["free"]) == (True, False, None, 5)
    assert row["reason"] == "write, remove: downtime"


def test_lines_that_describe_files_are_read_and_others_named() -> None:
    good = '{"lfn": "/vo/a", "size": 1, "checksums": {"md5": "0"}, "pfn": "/x", "metadata": {"Run": 2}}'
    lines = [good, "", "nonsense", "[]", '{"lfn": "/vo/a"}', good.replace("pfn", "url"), good.replace(": 1", ': "1"')]
    found = list(lines_of(io.StringIO("\n".join(lines)), se="SE", metadata={"Run": 1, "Kind": "raw"}))
    assert found[0] == {
        "lfn": "/vo/a",
        "size": 1,
        "checksums": {"md5": "0"},
        "metadata": {"Run": 2, "Kind": "raw"},
        "at": [{"se": "SE", "pfn": "/x"}],
    }
    assert [each.number for each in found[1:] if isinstance(each, BadLine)] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("dls", ["-l", "x"], ["data", "ls", "x", "-l"]),
        ("dput", ["f"], ["data", "put", "f", "./"]),
        ("dput", ["-D", "SE", "f", "/vo/f"], ["data", "put", "f", "/vo/f", "--se", "SE"]),
        ("dget", ["/vo/f", "-D", "d"], ["data", "get", "/vo/f", "-d", "d"]),
        ("drm", ["/vo/a,/vo/b"], ["data", "rm", "/vo/a", "/vo/b", "--yes"]),
        ("dchgrp", ["-R", "prod", "/vo/a"], ["data", "chown", ":prod", "/vo/a", "-R"]),
        ("dmeta", ["add", "/vo/a", "Run=1"], ["data", "meta", "set", "/vo/a", "Run=1"]),
        ("dmeta", ["rm", "/vo/a", "Run"], ["data", "meta", "set", "/vo/a", "--unset", "Run"]),
        (
            "dfind",
            ["/vo", "Run>=12", "Kind=a,b", "Name!=x y"],
            [
                *("data", "find", 'Run >= 12 and Kind in (a, b) and Name != "x y"', "--under", "/vo"),
                *("--limit", "0", "--parameter", "LFN"),
            ],
        ),
        ("dirac-dms-add-file", ["LFN:/vo/f", "f", "SE"], ["data", "put", "f", "LFN:/vo/f", "--se", "SE"]),
        ("dirac-dms-lfn-accessURL", ["/vo/f", "SE"], ["data", "url", "/vo/f"]),
    ],
)
def test_an_old_name_becomes_a_command(name: str, arguments: list[str], words: list[str]) -> None:
    [alias] = [each for each in ALIASES if each.name == name]
    assert alias.words(parse(alias, arguments)) == words


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("drm", []),
        ("dput", []),
        ("dmeta", ["ls"]),
        ("dchmod", ["0755"]),
        ("dirac-dms-add-file", ["a", "b"]),
        ("dfind", ["Run"]),
    ],
)
def test_an_old_name_without_its_words_says_so(name: str, arguments: list[str]) -> None:
    [alias] = [each for each in ALIASES if each.name == name]
    with pytest.raises(UsageFault):
        alias.words(parse(alias, arguments))
