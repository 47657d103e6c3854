"""Values that make many jobs of one command."""

import json
from pathlib import Path
from typing import Any

import pytest

from weyl.client.errors import UsageFault
from weyl.science.options import Options, refuse_near_options, seconds_of
from weyl.science.series import command_words, filled_in, series_of
from weyl.science.submission import _from_command, _read, command_line


class Number:
    """Stands for a number of NumPy, which says what it is in Python."""

    def item(self) -> int:
        return 7


def test_lists_are_series_and_the_rest_is_the_same_in_every_job() -> None:
    found = series_of({"seed": range(3), "tag": "abc", "path": Path("/x"), "n": Number(), "e": (7.5, 8, 9)})
    assert found.lists == {"seed": [0, 1, 2], "e": [7.5, 8, 9]}
    assert found.constants == {"tag": "abc", "path": "/x", "n": 7}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"a": range(3), "b": range(4)}, r"unequal lengths \(a: 3, b: 4\)"),
        ({"a": []}, "between 1 and 100,000 values"),
        ({"a": [None]}, "a has the value None, which is neither"),
        ({"a": [[1, 2]]}, r"a has the value \[1, 2\]"),
        ({"a": True}, "a has the value True"),
        ({"a": {"b": 1}}, "a has the value"),
        ({"ä": 1}, "cannot name a series"),
    ],
)
def test_odd_values_are_told_before_anything_is_submitted(words: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageFault, match=says):
        series_of(words)


def test_values_stand_where_they_are_named_or_at_the_end() -> None:
    values = series_of({"seed": range(3), "energy": [7, 8, 9], "tag": "abc"})
    assert command_words(["run", "--seed={seed}", "{tag}.root"], values) == [
        *("run", "--seed=%(seed)s", "abc.root"),
        "%(energy)s",
    ]
    assert command_words(["run"], values) == ["run", "%(seed)s", "%(energy)s", "abc"]
    assert command_words(["run", "%(seed)s"], values) == ["run", "%(seed)s", "%(energy)s", "abc"]
    assert filled_in("out-{seed}-{other}.root", values) == "out-%(seed)s-{other}.root"


def test_a_text_is_split_as_a_shell_would_unless_it_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line("run 'a b' c") == ["run", "a b", "c"]
    Path("my run.sh").touch()
    assert command_line("my run.sh") == ["my run.sh"]
    assert command_line(Path("my run.sh")) == ["my run.sh"]
    assert command_line(["run", Path("x y")]) == ["run", "x y"]
    with pytest.raises(UsageFault, match="is not a command"):
        command_line("run 'a")


def test_a_command_becomes_a_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.sh").touch()
    Path("data.txt").touch()
    options = Options(
        name="sim-{seed}",
        group="g",
        site="LCG.X",
        cores=2,
        memory=100,
        time="2h",
        priority=3,
        files="data.txt",
        output=["*.root", "{seed}.log"],
    )
    made = _from_command(["./run.sh"], options, series_of({"seed": range(50)}))
    assert made.count() == 50
    assert sorted(path.name for path in made.files) == ["data.txt", "run.sh"]
    document = {name: value for name, value in made.document.items() if not name.startswith(("Parameter", "Std"))}
    assert document == {
        "Executable": "run.sh",
        "Arguments": document["Arguments"],
        "JobName": "sim-%(seed)s",
        "JobGroup": "g",
        "Site": ["LCG.X"],
        "NumberOfProcessors": 2,
        "MaxRAM": 100,
        "CPUTime": 7200,
        "Priority": 3,
        "OutputSandbox": ["std.out", "std.err", "*.root", "%(seed)s.log"],
    }
    assert str(document["Arguments"]).strip("'") == "%(seed)s"


def test_a_file_in_jdl_gets_the_values_and_what_is_to_be_brought_back(tmp_path: Path) -> None:
    file = tmp_path / "job.jdl"
    file.write_text('Executable = "/bin/echo"; Arguments = "%(seed)s %(tag)s"; OutputSandbox = {"a"};')
    [made] = _read(str(file), Options(output="b"), series_of({"seed": [1, 5], "tag": "x"}))
    assert made.count() == 2
    assert made.document["OutputSandbox"] == ["a", "b"]
    assert json.loads(json.dumps(made.document["Parameters.tag"])) == ["x", "x"]
    with pytest.raises(UsageFault, match="names its files itself"):
        _read(str(file), Options(files="b"), series_of({}))
    with pytest.raises(UsageFault, match="Cannot read"):
        _read(str(tmp_path / "none.jdl"), Options(), series_of({}))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"cores": 0}, "cores is 0, not a whole number from 1 on"),
        ({"cores": "2"}, "cores is '2'"),
        ({"memory": 1.5}, "memory is 1.5"),
        ({"priority": True}, "priority is True"),
    ],
)
def test_options_out_of_range_are_refused(words: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageFault, match=says):
        Options(**words)


@pytest.mark.parametrize(
    ("word", "meant"), [("core", "cores"), ("outputs", "output"), ("mem", "memory"), ("walltime", "time")]
)
def test_what_is_nearly_an_option_is_refused_unless_the_command_names_it(word: str, meant: str) -> None:
    with pytest.raises(UsageFault, match=f"no option '{word}': did you mean '{meant}'") as caught:
        refuse_near_options([word], "./run.sh")
    # What to do stands below the message, in notebooks too.
    assert caught.value.__notes__ == [f"A value of this name goes into parameters={{{word!r}: ...}}."]
    refuse_near_options([word], f"./run.sh {{{word}}}")
    refuse_near_options(["seed", "energy", "size", "tag", "n"], "./run.sh")


def test_time_is_seconds_or_a_text() -> None:
    assert [seconds_of(each) for each in (90, 1.5, "2h", "90m", "300")] == [90, 1, 7200, 5400, 300]
    for wrong in (0, -5, True, 10**9, "soon"):
        with pytest.raises(UsageFault):
            seconds_of(wrong)
