"""What each kind of result looks like in each format: data on stdout, words on stderr."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from weyl.cli import screen
from weyl.cli.errors import report
from weyl.cli.output import print_result
from weyl.cli.session import CommandSession
from weyl.client.errors import NotFound, PartlyFailed, UsageFault
from weyl.client.results import Document, Done, Events, Ids, Rows, Text

ROWS = [
    {"JobID": 1, "Status": "Done", "JobName": 'a "b", c', "Site": None},
    {"JobID": 22, "Status": "Failed", "JobName": "tab\tand\nline", "Site": "LCG.CERN.ch"},
]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> CommandSession:
    for name in ("WEYL_OUTPUT_FORMAT", "DIRACX_OUTPUT_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return CommandSession()


def printed(result: Any, session: CommandSession, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    print_result(result, session)
    captured = capsys.readouterr()
    return captured.out, captured.err


def rows(**options: Any) -> Rows:
    return Rows(iter(ROWS), columns=("JobID", "Status"), id_column="JobID", unit="jobs", **options)


@pytest.fixture
def terminal(session: CommandSession, monkeypatch: pytest.MonkeyPatch) -> CommandSession:
    """A session whose output somebody looks at."""
    monkeypatch.setattr(CommandSession, "stdout_is_terminal", True)
    session.options.no_color = True
    return session


def test_a_table_is_the_default_in_a_pipe_too_whole_and_without_a_footer(session, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out, err = printed(Rows([{"JobID": 1, "Text": "x" * 40}], unit="jobs"), session, capsys)
    assert out == f"JobID  Text\n    1  {'x' * 40}\n"
    assert err == ""


def test_json_has_all_fields(session, capsys) -> None:
    session.options.output = "json"
    out, err = printed(rows(), session, capsys)
    assert json.loads(out) == ROWS
    assert err == ""


def test_a_result_may_have_a_format_of_its_own_where_nobody_asked(session, capsys) -> None:
    assert json.loads(printed(rows(form="json"), session, capsys)[0]) == ROWS
    assert json.loads(printed(Document({"A": [1]}, form="json"), session, capsys)[0]) == {"A": [1]}
    session.options.output = "tsv"
    assert printed(rows(form="json"), session, capsys)[0] == "JobID\tStatus\n1\tDone\n22\tFailed\n"


def test_an_empty_list_is_nothing_and_in_json_an_empty_list(session, capsys) -> None:
    assert printed(Rows([]), session, capsys) == ("", "")
    for output, shown in (("json", "[]\n"), ("yaml", "[]\n"), ("ndjson", ""), ("csv", "")):
        session.options.output = output
        assert printed(Rows([]), session, capsys) == (shown, "")


def test_ndjson_is_written_row_by_row(session, capsys) -> None:
    session.options.output = "ndjson"
    seen: list[str] = []

    def slow() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        yield ROWS[1]
        seen.append(capsys.readouterr().out)

    print_result(Rows(slow()), session)
    assert [json.loads(line) for line in seen[0].splitlines()] == ROWS


def test_csv_has_the_columns_of_the_table_and_survives_any_text(session, capsys) -> None:
    session.options.output = "csv"
    session.options.columns = ("JobID", "JobName", "Site")
    out, err = printed(rows(), session, capsys)
    assert list(csv.DictReader(io.StringIO(out))) == [
        {"JobID": "1", "JobName": 'a "b", c', "Site": ""},
        {"JobID": "22", "JobName": "tab\tand\nline", "Site": "LCG.CERN.ch"},
    ]
    assert err == ""


def test_no_header_leaves_out_the_names(session, capsys) -> None:
    session.options.output, session.options.no_header = "tsv", True
    assert printed(rows(), session, capsys)[0] == "1\tDone\n22\tFailed\n"


def test_quiet_prints_ids_only(session, capsys) -> None:
    session.options.quiet = True
    assert printed(rows(), session, capsys) == ("1\n22\n", "")


def test_yaml_is_the_same_document(session, capsys) -> None:
    session.options.output = "yaml"
    assert yaml.safe_load(printed(rows(), session, capsys)[0]) == ROWS


def test_a_table_on_a_terminal_has_a_footer_on_stderr(terminal, capsys) -> None:
    out, err = printed(rows(total=lambda: 90286), terminal, capsys)
    assert out == "JobID  Status\n    1  Done\n   22  Failed\n"
    assert err == "1-2 of 90,286 jobs\n"
    assert printed(rows(total=lambda: 2), terminal, capsys)[1] == "2 jobs\n"
    assert printed(rows(total=lambda: 100_001), terminal, capsys)[1] == "1-2 of more than 100,000 jobs\n"
    assert printed(Rows([], unit="jobs"), terminal, capsys)[1] == "No jobs.\n"


@pytest.mark.parametrize("output", ["table", "wide", "json", "ndjson", "csv", "tsv", "yaml", "id"])
def test_elsewhere_one_line_says_how_many_rows_were_left_out(session, capsys, output: str) -> None:
    session.options.output = output
    assert printed(rows(total=lambda: 2), session, capsys)[1] == ""
    for more, said in (
        ({"total": lambda: 12}, "1-2 of 12 jobs, 10 left out. All of them: --limit 0\n"),
        ({"total": lambda: 12, "first": 11}, "11-12 of 12 jobs, 10 left out. All of them: --limit 0\n"),
        ({"has_more": lambda: True}, "The first 2 jobs; there are more. All of them: --limit 0\n"),
    ):
        assert printed(rows(**more), session, capsys)[1] == said
    session.options.limit = 1
    assert printed(rows(), session, capsys)[1] == "The first 1 job; there are more. All of them: --limit 0\n"


def test_a_long_table_is_printed_while_it_comes(session, capsys) -> None:
    seen: list[str] = []

    def slow() -> Iterator[dict[str, Any]]:
        yield from ({"JobID": number} for number in range(1_000))
        yield {"JobID": 10**9}
        seen.append(capsys.readouterr().out)

    print_result(Rows(slow()), session)
    assert seen[0].splitlines()[-1] == "  999"
    assert capsys.readouterr().out == "1000000000\n"


@pytest.mark.parametrize(
    ("output", "is_terminal", "limit", "wanted", "of_search"),
    [
        (None, True, None, 100, None),
        ("wide", True, None, 100, None),
        ("json", True, None, 0, None),
        ("csv", True, None, 0, 0),
        ("id", True, None, 0, 0),
        (None, False, None, 0, 0),
        ("json", False, None, 0, None),
        ("id", False, None, 0, 0),
        (None, False, 5, 5, 5),
        ("json", True, 0, 0, 0),
    ],
)
def test_programs_get_all_rows_and_people_a_page(
    session, monkeypatch, output: str | None, is_terminal: bool, limit: int | None, wanted: int, of_search: int | None
) -> None:
    monkeypatch.setattr(CommandSession, "stdout_is_terminal", is_terminal)
    session.options.output, session.options.limit = output, limit
    assert session.rows_wanted(100) == wanted
    assert session.rows_wanted() == of_search


def test_one_is_singular(terminal, capsys) -> None:
    for unit, one in (("jobs", "job"), ("sandboxes", "sandbox"), ("task queues", "task queue")):
        assert printed(Rows([{"A": 1}], unit=unit), terminal, capsys)[1] == f"1 {one}\n"


def test_times_of_a_table_end_with_the_second(session, capsys) -> None:
    row = {"At": "2026-11-01T00:00:00.123456Z"}
    for output, shown in (("table", "2026-11-01T00:00:00Z"), ("wide", row["At"]), ("csv", row["At"])):
        session.options.output = output
        assert printed(Rows([row]), session, capsys)[0].splitlines()[1] == shown


def test_the_id_of_a_row_is_shown_whole_so_that_it_can_be_copied(terminal, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    out, _ = printed(Rows([{"ID": "i" * 20, "Text": "x" * 40}]), terminal, capsys)
    assert "i" * 20 in out
    assert max(len(line) for line in out.splitlines()) <= 50


def test_wide_shows_every_column_uncut(session, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    session.options.output = "wide"
    out, _ = printed(rows(), session, capsys)
    assert "LCG.CERN.ch" in out
    assert "tab and line" in out


def test_a_table_is_cut_to_the_terminal(terminal, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out, _ = printed(Rows([{"A": "x" * 100, "B": "short"}]), terminal, capsys)
    assert max(len(line) for line in out.splitlines()) <= 30
    assert "…" in out


@pytest.mark.parametrize(("name", "near"), [("JobId", "JobID"), ("jobid", "JobID"), ("stats", "Status")])
def test_unknown_columns_name_their_near_matches(session, name: str, near: str) -> None:
    session.options.columns = (name,)
    with pytest.raises(UsageFault, match=name) as fault:
        print_result(rows(), session)
    assert fault.value.hint.startswith(f"Did you mean: {near}")
    # What differs by case only is all that can be meant.
    assert "," not in fault.value.hint or name.lower() != near.lower()
    session.options.columns = ("zzz",)
    with pytest.raises(UsageFault) as fault:
        print_result(rows(), session)
    assert fault.value.hint == "The columns are: JobID, Status, JobName, Site."


def test_limit_stops_the_rows(session, capsys) -> None:
    session.options.limit, session.options.output = 1, "json"
    assert len(json.loads(printed(rows(), session, capsys)[0])) == 1


def test_empty_fails_only_if_asked(session) -> None:
    assert print_result(Rows([]), session) == 0
    session.options.fail_empty = True
    with pytest.raises(NotFound):
        print_result(Rows([]), session)


def test_a_document_is_json_or_key_and_value(session, capsys) -> None:
    assert printed(Document([{"A": 1}, {"A": 2, "Bc": None}]), session, capsys)[0] == "A  1\n\nA   2\nBc  -\n"
    assert printed(Document({"sub": "a", "longer": None}), session, capsys)[0] == "sub     a\nlonger  -\n"
    assert printed(Document({"sub": "a"}, text="words"), session, capsys)[0] == "words\n"
    session.options.output = "json"
    assert json.loads(printed(Document({"sub": "a", "list": [1]}), session, capsys)[0]) == {"sub": "a", "list": [1]}


def test_columns_are_chosen_of_documents_too(session, capsys) -> None:
    session.options.columns = ("B",)
    assert printed(Document([{"A": 1, "B": 2}], text="all of it"), session, capsys)[0] == "B  2\n"
    assert printed(Document({"A": 1, "B": 2}, text="all of it"), session, capsys)[0] == "B  2\n"
    session.options.columns = ("b", "c")
    with pytest.raises(UsageFault) as fault:
        print_result(Document([{"A": 1, "Bc": 2}]), session)
    assert fault.value.hint == "Did you mean: Bc?"


def test_ids_go_to_stdout_and_the_sentence_to_stderr(session, capsys) -> None:
    session.options.output = "table"
    assert printed(Ids([1, 2], "Two jobs."), session, capsys) == ("1\n2\n", "Two jobs.\n")
    session.options.output = "json"
    out, _ = printed(Ids([1], "One job.", document=[{"JobID": 1}]), session, capsys)
    assert json.loads(out) == [{"JobID": 1}]


def test_what_failed_of_many_is_an_error_with_every_reason(session) -> None:
    with pytest.raises(PartlyFailed) as fault:
        print_result(Ids([1], failed={2: "gone"}), session)
    assert fault.value.details == {"2": "gone"}
    assert fault.value.exit_code == 7


def test_text_and_bytes_are_printed_as_they_are(session, capfd) -> None:
    print_result(Text(["a\n", b"\xff\n"]), session)
    assert capfd.readouterr().out.encode(errors="surrogateescape") != b""


def test_events_are_one_json_object_a_line(session, capsys) -> None:
    out, _ = printed(Events([{"event": "a"}, {"event": "b"}], line=lambda event: "words"), session, capsys)
    assert [json.loads(line) for line in out.splitlines()] == [{"event": "a"}, {"event": "b"}]
    session.options.output = "table"
    assert printed(Events([{"event": "a"}], line=lambda event: "words"), session, capsys) == ("", "words\n")


def test_done_says_its_sentence_and_has_its_exit_code(session, capsys) -> None:
    assert print_result(Done("Gone.", exit_code=6), session) == 6
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Gone.\n")


def test_something_unprintable_is_our_bug(session) -> None:
    with pytest.raises(TypeError):
        print_result({"a": 1}, session)


HOSTILE = "=cmd()\x1b[31m\x1b]0;owned\x07\r\x9b2J\u202e"


@pytest.mark.parametrize("output", ["table", "wide", "id", "csv", "tsv", "yaml", "json", "ndjson"])
@pytest.mark.parametrize("kind", [Rows, Document, Ids, Done])
def test_no_format_lets_others_command_the_terminal(session, capsys, output: str, kind: type) -> None:
    session.options.output = output
    row = {"Name": HOSTILE, HOSTILE: 1}
    results: dict[type, list[Any]] = {
        Rows: [Rows([row], id_column="Name")],
        Document: [Document(row), Document([row], id_column="Name"), Document(row, text=HOSTILE, ids=[HOSTILE])],
        Ids: [Ids([HOSTILE], HOSTILE), Ids([HOSTILE], id_column="Name", document=[row])],
        Done: [Done(HOSTILE, document=row)],
    }
    for result in results[kind]:
        out, err = printed(result, session, capsys)
        assert all(char.isprintable() or char in "\n\t" for char in out + err), (out, err)
        if output in ("csv", "tsv") and kind is Rows:
            assert out.startswith("Name" + ("," if output == "csv" else "\t") + "'=cmd()")
            assert out.splitlines()[1].startswith("'=cmd()\\x1b[31m")


def test_no_word_to_the_person_commands_the_terminal(session, capsys) -> None:
    session.options.output, session.options.debug = "table", True
    session.say(HOSTILE)
    with pytest.raises(UsageFault):
        session.confirm(HOSTILE, 2)
    for error in (NotFound(HOSTILE, hint=HOSTILE), PartlyFailed("x", details={HOSTILE: HOSTILE}), ValueError(HOSTILE)):
        report(error, session)
    captured = capsys.readouterr()
    assert captured.err.count("\\x1b[31m") > 6
    assert all(char.isprintable() or char == "\n" for char in captured.out + captured.err), captured


def test_the_program_prints_through_one_door() -> None:
    """What prints by itself could print what others wrote."""
    door = Path(screen.__file__)
    printing = re.compile(r"\bprint\(|\bsecho?\(|sys\.std(?:out|err)\.write")
    others = [file for file in door.parent.rglob("*.py") if file != door and printing.search(file.read_text())]
    assert others == []


def test_text_that_goes_into_a_pipe_or_file_stays_as_it_is(session, capsysbinary) -> None:
    print_result(Text(["\x1b[31mred\n", b"\x07", b"\xff\n"]), session)
    assert capsysbinary.readouterr().out == b"\x1b[31mred\n\x07\xff\n"


def test_progress_is_lines_in_a_pipe_and_one_line_on_a_terminal(session, capsys, monkeypatch) -> None:
    for line in ("1 of 2", "1 of 2", "2 of 2"):
        session.progress(line)
    assert capsys.readouterr().err == "1 of 2\n2 of 2\n"
    monkeypatch.setattr(CommandSession, "stderr_is_terminal", True)
    session.progress("1 of 2 \x1b[2J")
    session.progress("x" * 200)
    session.say("Done.")
    assert capsys.readouterr().err == f"\r\x1b[K1 of 2  [2J\r\x1b[K{'x' * 79}\r\x1b[KDone.\n"
    session.options.quiet = True
    session.progress("3 of 2")
    assert capsys.readouterr().err == ""
