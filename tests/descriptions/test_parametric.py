"""A parametric description becomes its jobs, quickly and with the right values."""

import json
import time

import pytest

from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Expression, parse
from weyl.descriptions.parametric import Expansion, expand, fill, template, varies


def _expand(text: str, jobs_max: int = 1000) -> Expansion:
    expansion = expand(parse(text), jobs_max=jobs_max)
    assert expansion is not None
    return expansion


def test_a_plain_description_is_not_parametric() -> None:
    assert expand(parse('Executable = "a"; ParameterStart = 3;'), jobs_max=10) is None


def test_a_list_gives_one_job_a_value() -> None:
    expansion = _expand('Parameters = {"a", 2, 2.5, true};')
    assert expansion.texts("x-%s.%n") == ["x-a.0", "x-2.1", "x-2.5.2", "x-true.3"]
    assert list(expansion.parameters())[1] == {"ParameterNumber": 1, "Parameter": 2}


@pytest.mark.parametrize(
    ("companions", "values"),
    [
        ("", [1, 1, 1]),
        ("ParameterStep = 2;", [1, 3, 5]),
        ("ParameterStart = 10; ParameterFactor = 2;", [10, 20, 40]),
        ("ParameterStart = 3; ParameterFactor = 2; ParameterStep = -1;", [3, 5, 9]),
        ("ParameterStart = 0.1; ParameterStep = 0.1;", [0.1, 0.2, 0.3]),
        ('ParameterStart = "5"; ParameterStep = 1;', [5, 6, 7]),
        ("ParameterStart = 8; ParameterFactor = 0.5;", [8.0, 4.0, 2.0]),
    ],
)
def test_a_number_gives_a_series(companions: str, values: list[float]) -> None:
    assert _expand("Parameters = 3;" + companions).sequences[""] == values


def test_named_sequences_stand_beside_the_unnamed_one() -> None:
    expansion = _expand('Parameters = 2; Parameters.A = {"x", "y"}; ParameterStart.B = 7; ParameterStep.B = 1;')
    assert expansion.texts("%s/%(A)s/%(B)s/%(C)s/%j/%%") == ["1/x/7/%(C)s/%j/%%", "1/y/8/%(C)s/%j/%%"]
    assert list(expansion.parameters()) == [
        {"ParameterNumber": 0, "Parameter": 1, "Parameter.A": "x", "Parameter.B": 7},
        {"ParameterNumber": 1, "Parameter": 1, "Parameter.A": "y", "Parameter.B": 8},
    ]


def test_the_number_is_padded_to_the_width_of_the_last_one() -> None:
    assert _expand("Parameters = 11;").texts("%n")[::10] == ["00", "10"]
    assert _expand("Parameters = 10;").texts("%n")[9] == "9"


@pytest.mark.parametrize(
    ("text", "attribute", "reason"),
    [
        ("Parameters = 0;", "Parameters", "at least one"),
        ("Parameters = -3;", "Parameters", "at least one"),
        ("Parameters = {};", "Parameters", "at least one"),
        ("Parameters = 1001;", "Parameters", "takes at most 1000"),
        ("Parameters = 999999999999;", "Parameters", "takes at most 1000"),
        ("Parameters = {1,2}; Parameters.X = {1};", "Parameters.X", "has 1 values, but Parameters has 2"),
        ("Parameters = many + 1;", "Parameters", "number of values or the list"),
        ("Parameters = {{{1}}};", "Parameters", "texts, numbers"),
        ("Parameters = {[a=1;]};", "Parameters", "texts, numbers"),
        ("Parameters = {{[a=1;]}};", "Parameters", "texts, numbers"),
        ("Parameters = 2; ParameterStep = {1};", "ParameterStep", "must be a number"),
        ("Parameters = 1000; ParameterFactor = 3;", "Parameters", "too large"),
        ("Parameters = 900; ParameterStart = 0.5; ParameterFactor = 1e300;", "Parameters", "too large"),
        ("Parameters = 3; ParameterStep = 9223372036854775807;", "Parameters", "too large"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(text: str, attribute: str, reason: str) -> None:
    with pytest.raises(BadAttribute, match=attribute) as raised:
        _expand(text)
    assert raised.value.attribute == attribute
    assert reason in raised.value.reason


def test_a_stored_description_is_filled_for_each_job() -> None:
    text = (
        'Executable = "r.sh"; Arguments = "%s %n %j"; Priority = %s; L = {"%(X)s"}; Parameters = 12; Parameters.X = 12;'
    )
    document = parse(text)
    expansion = expand(document, jobs_max=12)
    assert expansion is not None
    stored = template(document, expansion.count)
    assert "Parameters" not in stored
    assert "Parameters.X" not in stored
    job = fill(stored, list(expansion.parameters())[3], 77)
    assert job == {
        "Executable": "r.sh",
        "Arguments": "1 03 77",
        "Priority": "1",
        "L": ["1"],
        "Parameter": 1,
        "Parameter.X": 1,
        "ParameterNumber": 3,
    }


def _filled(text: str) -> list[dict[str, object]]:
    document = parse(text)
    expansion = expand(document, jobs_max=10)
    assert expansion is not None
    stored = template(document, expansion.count)
    # The values travel as JSON between submission and the node.
    return [fill(stored, json.loads(json.dumps(values)), 1) for values in expansion.parameters()]


@pytest.mark.parametrize("form", ["%(InputData)s", '"%(InputData)s"', "{%(InputData)s}", '{"%(InputData)s"}'])
def test_each_job_has_the_files_of_its_own_list(form: str) -> None:
    jobs = _filled(f'Parameters.InputData = {{{{"/a","/b"}},{{"/c"}},{{}}}}; InputData = {form};')
    assert [job["InputData"] for job in jobs] == [["/a", "/b"], ["/c"], []]
    assert [job["Parameter.InputData"] for job in jobs] == [["/a", "/b"], ["/c"], []]


def test_a_list_takes_the_place_of_its_item_and_stands_in_a_longer_text_as_in_jdl() -> None:
    jobs = _filled('Parameters = {{a, 2}, "c", 4}; InputData = {"/z", %s, "%s.x"}; Arguments = "-i %s";')
    assert [job["InputData"] for job in jobs] == [["/z", "a", 2, '{"a","2"}.x'], ["/z", "c", "c.x"], ["/z", "4", "4.x"]]
    assert [job["Arguments"] for job in jobs] == ['-i {"a","2"}', "-i c", "-i 4"]


def test_lists_differ_where_their_texts_would_not() -> None:
    expansion = _expand('Parameters = {{"a"}, "{\\"a\\"}"};')
    assert expansion.texts("%s") == [("a",), '{"a"}']
    assert expansion.texts("%s.") == ['{"a"}.', '{"a"}.']
    assert expansion.longest("%s") == 5


def test_placeholders_may_stand_without_quotes_as_in_the_peer() -> None:
    text = 'Parameters = 2; Parameters.F = {"/a, /b", "x y"}; InputData = %(F)s; P = /vo/%(F)s.dat; R = other.C > %s;'
    first, second = _filled(text)
    assert (first["InputData"], first["P"], first["R"]) == ("/a, /b", "/vo//a, /b.dat", "other.C > 1")
    assert (second["InputData"], second["P"]) == ("x y", "/vo/x y.dat")
    assert [type(first[name]) for name in ("InputData", "P", "R")] == [str, str, Expression]


def test_the_id_is_filled_in_plain_jobs_and_nothing_else_is() -> None:
    assert fill({"A": "%j %s %n", "B": 3}, None, 5) == {"A": "5 %s %n", "B": 3}


def test_what_varies_is_seen() -> None:
    assert varies(["a", {"b": "%(X)s"}])
    assert not varies(["a%", "%j", 3])


def test_a_hundred_thousand_values_expand_in_well_under_a_second() -> None:
    document = parse("Parameters = 100000; ParameterStart = 0.5; ParameterStep = 0.25; Parameters.X = 100000;")
    started = time.process_time()
    expansion = expand(document, jobs_max=100_000)
    assert expansion is not None
    assert expansion.texts("--seed %s --x %(X)s --n %n %j")[-1] == "--seed 25000.25 --x 1 --n 99999 %j"
    assert time.process_time() - started < 0.8
