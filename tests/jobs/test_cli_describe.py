"""From what the user typed to job descriptions."""

from pathlib import Path
from typing import Any

import pytest

from weyl.client.errors import Unreachable, UsageFault
from weyl.descriptions import jdl
from weyl.jobs.cli.describe import Changes, Description, from_command, from_jdl, read_descriptions
from weyl.jobs.cli.follow import fresh_part, last_lines
from weyl.jobs.cli.outage import OUTAGE_MAX_S, Outage
from weyl.jobs.cli.parameters import parameter
from weyl.jobs.waiting import verdict

TEXT = """[
  Executable = "run.sh";  // a comment
  InputSandbox = {"run.sh", "LFN:/voa/file"};
]"""


def read(text: str, directory: Path, **changes: Any) -> Description:
    return from_jdl(text, origin="job.jdl", directory=directory, changes=Changes(**changes))


def test_a_description_without_local_files_is_sent_as_it_is(tmp_path: Path) -> None:
    text = '[ Executable = "/bin/echo"; /* kept */ ]'
    assert read(text, tmp_path).render(None) == text


def test_local_files_become_a_sandbox_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("")
    description = read(TEXT, tmp_path)
    assert description.files == [tmp_path / "run.sh"]
    document = jdl.parse(description.render("SB:SandboxSE|/S3/x"))
    assert document["InputSandbox"] == ["SB:SandboxSE|/S3/x", "LFN:/voa/file"]
    assert document["Executable"] == "run.sh"


def test_patterns_of_file_names_are_expanded(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.dat"):
        (tmp_path / name).write_text("")
    description = read('Executable = "x"; InputSandbox = "*.txt";', tmp_path)
    assert [path.name for path in description.files] == ["a.txt", "b.txt"]


def test_files_named_by_the_values_of_parameters_all_travel(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "b.dat"):
        (tmp_path / name).touch()
    description = read('Executable = "x"; InputSandbox = {"%s.txt"}; Parameters = {"a", "b"};', tmp_path)
    assert [path.name for path in description.files] == ["a.txt", "b.txt"]
    assert description.remote == []
    with pytest.raises(UsageFault, match=r"%\(seed\)s\.root"):
        read('Executable = "x"; InputSandbox = {"%(seed)s.root"}; Parameters.seed = 3;', tmp_path)


def test_a_missing_file_is_named_unless_a_sandbox_may_hold_it(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match=r"gone\.txt"):
        read('Executable = "x"; InputSandbox = "gone.txt";', tmp_path)
    held = read('Executable = "x"; InputSandbox = {"SB:SE|/S3/x", "gone.txt"};', tmp_path)
    assert held.remote == ["SB:SE|/S3/x", "gone.txt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('Arguments = "x";', "Executable"),
        ('Executable = "', "line 1"),
        ('{"cwlVersion": "v1.2"}', "looks like CWL"),
        ("cwlVersion: v1.2\nclass: CommandLineTool", "looks like CWL"),
    ],
)
def test_what_is_no_description_is_a_usage_fault(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageFault, match=message):
        read(text, tmp_path)


def test_options_win_over_the_description(tmp_path: Path) -> None:
    text = 'Executable = "x"; JobName = "old"; jobgroup = "old"; Site = "A";'
    document = read(text, tmp_path, name="n", job_group="g", sites=("B", "C"), cores=4, memory_mb=2000).document
    assert document == {
        "Executable": "x",
        "JobName": "n",
        "JobGroup": "g",
        "Site": ["B", "C"],
        "NumberOfProcessors": 4,
        "MaxRAM": 2000,
    }


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("seed=1..20", 20),
        ("seed=20..1", 20),
        ("seed=5..5", 1),
        ("seed=a,b,c", 3),
        ('seed=["a, b", 2]', 2),
        ('seed=[["a", "b"], ["c"], []]', 3),
    ],
)
def test_parameters_make_as_many_jobs_as_they_have_values(tmp_path: Path, text: str, count: int) -> None:
    assert read('Executable = "x";', tmp_path, parameters=(text,)).count() == count


def test_values_keep_their_kind() -> None:
    assert parameter("p=1,2.5,007,x") == {"Parameters.p": [1, 2.5, "007", "x"]}
    assert parameter("p=3..1") == {"Parameters.p": 3, "ParameterStart.p": 3, "ParameterStep.p": -1}


@pytest.mark.parametrize("text", ["", "seed", "=1..2", "a b=1", "seed=1..x", "seed=[1", 'seed=[{"a": 1}]'])
def test_bad_parameters_are_usage_faults(text: str) -> None:
    with pytest.raises(UsageFault):
        parameter(text)


def test_parameters_of_different_lengths_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(UsageFault):
        read('Executable = "x";', tmp_path, parameters=("a=1..2", "b=1..3")).count()


@pytest.mark.parametrize("value", ["1-20", "1:20", "1...20"])
def test_a_range_as_other_programs_write_it_is_refused_with_the_cure(value: str) -> None:
    with pytest.raises(UsageFault) as fault:
        parameter(f"a={value}")
    assert fault.value.hint.startswith("Write --param a=1..20, or for the text itself --param 'a=[")
    assert parameter("a=1-20,x") == {"Parameters.a": ["1-20", "x"]}


def test_values_come_from_a_file_one_per_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("/hep/a b.root\n\n 7 \n")
    (tmp_path / "empty.txt").write_text("\n")
    assert parameter("file=@list.txt") == {"Parameters.file": ["/hep/a b.root", 7]}
    with pytest.raises(UsageFault, match=r"empty\.txt has no values"):
        parameter("file=@empty.txt")
    with pytest.raises(UsageFault) as fault:
        parameter("file=@lst.txt")
    assert fault.value.hint == "Did you mean list.txt?"


def test_values_that_nothing_uses_are_told(tmp_path: Path) -> None:
    [warning] = read('Executable = "/bin/x";', tmp_path, parameters=("seed=1..2",)).warnings
    assert "%(seed)s" in warning
    assert not read('Executable = "/bin/x"; Arguments = "%(seed)s";', tmp_path, parameters=("seed=1..2",)).warnings


def test_a_program_that_stays_here_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.sh").touch()
    assert "InputSandbox does not name it" in read('Executable = "run.sh";', tmp_path).warnings[0]
    assert "Did you mean run.sh?" in read('Executable = "rum.sh";', tmp_path).warnings[0]
    assert not read('Executable = "run.sh"; InputSandbox = "run.sh";', tmp_path).warnings


def test_options_say_time_memory_and_what_comes_back(tmp_path: Path) -> None:
    changes = Changes(cores=4, memory_mb=8000, cpu_time_s=7200, priority=5, outputs=("*.root", "std.out"))
    document = from_command(["/bin/true"], sandbox=[], changes=changes, directory=tmp_path).document
    numbers = {"NumberOfProcessors": 4, "MaxRAM": 8000, "CPUTime": 7200, "Priority": 5}
    assert document.items() >= numbers.items()
    assert document["OutputSandbox"] == ["std.out", "std.err", "*.root"]
    said = read('Executable = "/bin/x"; StdOutput = "o"; OutputSandbox = "log";', tmp_path, outputs=("b",)).document
    assert said["OutputSandbox"] == ["log", "b"]
    assert read('Executable = "/bin/x"; StdOutput = "o";', tmp_path, outputs=("b",)).document["OutputSandbox"] == [
        "o",
        "std.err",
        "b",
    ]


def again(text: str, directory: Path) -> list[Description]:
    return read_descriptions(text, origin="again", directory=directory, changes=Changes())


def test_what_a_dry_run_prints_makes_the_same_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("run.sh", "sub/a.txt", "sub/b.txt"):
        (tmp_path / name).touch()
    changes = Changes(outputs=("*.root",), parameters=("seed=1..3",), cores=2)
    typed = from_command(["./run.sh", "a b", "%(seed)s"], sandbox=["sub/a.txt"], changes=changes, directory=tmp_path)
    described = from_jdl(
        'Executable = "/bin/cat"; Arguments = "a.txt"; InputSandbox = {"*.txt", "LFN:/v/x"};',
        origin="sub/job.jdl",
        directory=tmp_path / "sub",
        changes=Changes(),
    )
    for first in (typed, described):
        [second] = again(f"# a comment\n{first.preview()}", tmp_path)
        assert sorted(map(Path.resolve, second.files)) == sorted(map(Path.resolve, first.files))
        assert jdl.parse(second.render("SB:x")) == jdl.parse(first.render("SB:x"))
        assert second.count() == first.count()
    both = "\n".join(each.preview(is_alone=False) for each in (typed, described))
    assert [each.count() for each in again(both, tmp_path)] == [3, 1]


def test_descriptions_in_json_are_those_of_the_api(tmp_path: Path) -> None:
    (tmp_path / "simulate.sh").touch()
    text = '{"executable": "simulate.sh", "input_sandbox": ["simulate.sh"], "requirements": {"wall_time": 60}}'
    [one] = again(text, tmp_path)
    assert one.files == [tmp_path / "simulate.sh"]
    assert jdl.parse(one.render("SB:x"))["Requirements"] == {"wall_time": 60}
    assert [each.origin for each in again(f"[{text}, {text}]", tmp_path)] == ["again[1]", "again[2]"]
    for wrong, sentence in (("[]", "empty list"), ('{"a"', "not JSON"), ("[{}]", "Executable"), ("[{}, 1]", "object")):
        with pytest.raises(UsageFault, match=sentence):
            again(wrong, tmp_path)


def test_copies(tmp_path: Path) -> None:
    assert read('Executable = "x";', tmp_path, copies=7).count() == 7


def test_a_command_line_keeps_its_words(tmp_path: Path) -> None:
    description = from_command(["/bin/echo", "a b", "it's"], sandbox=(), changes=Changes(), directory=tmp_path)
    assert description.document["Executable"] == "/bin/echo"
    assert description.document["Arguments"] == "'a b' 'it'\"'\"'s'"
    assert description.document["JobName"] == "echo"


def test_a_local_program_travels_along(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("")
    (tmp_path / "data").mkdir()
    description = from_command(["./run.sh"], sandbox=("data",), changes=Changes(), directory=tmp_path)
    assert [path.name for path in description.files] == ["data", "run.sh"]
    assert description.document["Executable"] == "run.sh"


def test_a_program_in_a_directory_must_be_here_unless_a_sandbox_may_bring_it(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match=r"no file \./run\.sh"):
        from_command(["./run.sh"], sandbox=[], changes=Changes(), directory=tmp_path)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "run.sh").touch()
    description = from_command(["./run.sh"], sandbox=["tools/run.sh"], changes=Changes(), directory=tmp_path)
    assert description.document["Executable"] == "./run.sh"


def test_a_missing_file_of_a_command_is_a_usage_fault(tmp_path: Path) -> None:
    with pytest.raises(UsageFault):
        from_command(["/bin/true"], sandbox=("gone",), changes=Changes(), directory=tmp_path)
    with pytest.raises(UsageFault):
        from_command([], sandbox=(), changes=Changes(), directory=tmp_path)


@pytest.mark.parametrize(
    ("statuses", "wanted", "any_one", "expected"),
    [
        ("Done Done", None, False, True),
        ("Done Completed", None, False, True),
        ("Done Failed", None, False, False),
        ("Done Running", None, False, None),
        ("Failed Running", None, False, None),
        ("Killed", None, False, False),
        ("Deleted", None, False, False),
        ("Running Running", "Running", False, True),
        ("Running Waiting", "Running", False, None),
        ("Running Failed", "Running", False, False),
        ("Failed Failed", "Failed", False, True),
        ("Waiting Done", None, True, True),
        ("Waiting Failed", None, True, None),
        ("Failed Failed", None, True, False),
    ],
)
def test_when_a_wait_is_over(statuses: str, wanted: str | None, any_one: bool, expected: bool | None) -> None:
    by_id = dict(enumerate(statuses.split()))
    assert verdict(by_id, frozenset([wanted]) if wanted else None, any_one=any_one) is expected


@pytest.mark.parametrize(
    ("shown", "text", "new"),
    [
        ("", "a\n", "a\n"),
        ("a\n", "a\nb\n", "b\n"),
        ("a\nb\nc\n", "b\nc\nd\n", "d\n"),
        ("a\nb\nc\n", "c\n", ""),
        ("a\n", "x\ny\n", "x\ny\n"),
        ("a\n", "", ""),
        ("a\nb", "a\nbc\n", "c\n"),
    ],
)
def test_only_what_is_new_of_an_output_is_shown(shown: str, text: str, new: str) -> None:
    assert fresh_part(shown, text) == new


def test_who_waits_bears_a_server_that_is_away_for_a_while_and_is_told_once() -> None:
    said: list[str] = []
    outage, error = Outage(said.append), Unreachable("Cannot reach weyl.example.org.")
    outage.bear(error, 1000)
    outage.bear(error, 1000 + OUTAGE_MAX_S)
    outage.end()
    outage.end()
    assert said == [
        "Cannot reach weyl.example.org. Waiting for the server; the jobs go on.",
        "The server answers again.",
    ]
    outage.bear(error, 9000)
    with pytest.raises(Unreachable):
        outage.bear(error, 9001 + OUTAGE_MAX_S)


def test_the_last_lines_end_with_a_line_feed() -> None:
    assert last_lines("a\nb\nc", 2) == "b\nc\n"
    assert last_lines("a\nb\n", 0) == ""
    assert last_lines("a", None) == "a\n"
    assert last_lines("", None) == ""
