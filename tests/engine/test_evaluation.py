"""Expressions of requirements, for many input objects: values, errors, and limits that hold."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weyl_engine.compiling.evaluation import evaluated
from weyl_engine.javascript import Outcome, Scripts, TimeUp
from weyl_engine.references import Script


def expression(
    text: str, *, javascript: bool = True, lib: Sequence[str] = (), **bind: Mapping[str, Any]
) -> dict[str, Any]:
    return {"text": text, "javascript": javascript, "lib": list(lib), "bind": bind or {"n": {"input": "n"}}}


Values = list[list[Any]]
Errors = list[tuple[int, int, str]]


def by_row(expressions: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> tuple[Values, Errors]:
    """Return values and errors row by row, of rows that are evaluated together."""
    names = sorted({name for row in rows for name in row})
    found = evaluated(expressions, {name: [row.get(name) for row in rows] for name in names}, len(rows))
    errors = [
        (row, number, text)
        for row, kind in enumerate(found.which)
        for which, number, text in found.errors
        if which == kind
    ]
    return [found.values[kind] for kind in found.which], errors


def values(text: str, *rows: Mapping[str, Any], **more: Any) -> list[Any]:
    found, errors = by_row([expression(text, **more)], rows)
    assert not errors, errors
    return [row[0] for row in found]


def error(text: str, row: Mapping[str, Any] | None = None, **more: Any) -> str:
    found, errors = by_row([expression(text, **more)], [row or {"n": 1}])
    assert found == [[None]]
    ((number, which, words),) = errors
    assert (number, which) == (0, 0)
    return words


def test_every_row_has_a_value_for_every_expression() -> None:
    both = [expression("$(inputs.n)", javascript=False), expression("$(inputs.n * 2)")]
    found = evaluated(both, {"n": [1, 2, 1]}, 3)
    assert (found.values, found.errors, found.which) == ([[1, 2], [2, 4]], [], [0, 1, 0])
    assert evaluated(both, {"n": [7]}, 3).which == [0, 0, 0]
    assert evaluated([], {}, 3).values == [[]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$(inputs.n + 1)", 4),
        ("$(inputs.n / 2)", 1.5),
        ("${ if (inputs.n > 2) { return 'big'; } return 'small'; }", "big"),
        ("$(inputs.n > 2)", True),
        ("$(inputs.missing)", None),
        ("$(inputs.missing)!$(1 + 1)", "null!2"),
        ("at $(inputs.n)-$([1, inputs.n])", "at 3-[1, 3]"),
        ("$(undefined)", None),
        ("$(null)", None),
        ("$(self)", None),
        ("$({a: inputs.n}) ", {"a": 3}),
        ("$(Math.max(1, inputs.n)) // note\n", "3 // note"),
    ],
)
def test_javascript_is_evaluated(text: str, value: Any) -> None:
    assert values(text, {"n": 3}) == [value]


def test_functions_of_the_library_are_known() -> None:
    lib = ["var factor = 3;", "function times(x) { return factor * x; }"]
    assert values("$(times(inputs.n))", {"n": 1}, {"n": 2}, lib=lib) == [3, 6]


def test_inputs_of_a_tool_come_from_where_they_are_bound() -> None:
    bind: dict[str, Mapping[str, Any]] = {"a": {"input": "n"}, "b": {"value": 10}, "c": {"input": "m", "default": 100}}
    assert values("$(inputs.a + inputs.b + inputs.c)", {"n": 1}, {"n": 1, "m": 5}, {"n": 1, "m": None}, **bind) == [
        *(111, 16, 111)
    ]


def test_a_file_is_known_by_its_name_and_what_the_object_says() -> None:
    bind = {"f": {"input": "f"}}
    member = {"class": "File", "location": "sandbox:/S3/b/sha256:abc.tar.zst#run/a%20b.tar.gz", "size": 7}
    text = "$(inputs.f.basename) $(inputs.f.nameroot) $(inputs.f.nameext) $(inputs.f.size)"
    assert values(text, {"f": member}, **bind) == ["a b.tar.gz a b.tar .gz 7"]
    assert values("$(inputs.f[0].nameroot)", {"f": [{"class": "File", "path": "/x/.rc"}]}, **bind) == [".rc"]
    words = error("$(inputs.f.size)", {"f": {"class": "File", "location": "a.txt"}}, **bind)
    assert "there is no 'size': only the node knows it, unless the File says it" in words
    assert error("$(inputs.f.path)", {"f": {"class": "File", "path": "/x/a"}}, **bind)


def test_a_default_of_the_document_is_the_file_of_its_bundle() -> None:
    written = {"class": "File", "location": "data/ref.txt"}
    bind = {"f": {"input": "f", "written": written, "default": {**written, "size": 5}}}
    assert values("$(inputs.f.size)", {"f": written}, {}, {"f": {**written, "size": 9}}, **bind) == [5, 5, 9]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$(inputs.n / 0)", "the result is not a number: Infinity"),
        ("$(inputs.m * 2)", "the result is not a number: NaN"),
        ("$(inputs.m.length)", "TypeError"),
        ("${ throw new Error('no'); }", "Error: no"),
        ("$(1 +)", "SyntaxError"),
        ("${ while (true) {} }", "it takes longer than 50 ms"),
        ("${ try { while (true) {} } catch (e) { return 1; } }", "it takes longer than 50 ms"),
        ("${ var a = []; while (true) { a.push(new Array(1000000).fill(1)); } }", "it needs more than 64 MiB"),
        ("${ function f() { return f(); } return f(); }", "Maximum call stack size exceeded"),
        ("$(/^(a+)+$/.test('a'.repeat(40) + 'b'))", "it takes longer than 50 ms"),
        ("${ return 10n; }", "BigInt"),
        ("$(require('fs'))", "require is not defined"),
        ("$(std.open('/etc/passwd'))", "std is not defined"),
        ("$(os.exec(['id']))", "os is not defined"),
        ("$(process.exit())", "process is not defined"),
        ("$(fetch('http://example.org'))", "fetch is not defined"),
    ],
)
def test_what_goes_wrong_is_told_and_ends(text: str, words: str) -> None:
    assert words in error(text)


def test_one_bad_row_does_not_spoil_the_others() -> None:
    text = "${ if (inputs.n == 70) { while (true) {} } if (inputs.n == 71) { throw 'x'; } return inputs.n; }"
    found, errors = by_row([expression(text)], [{"n": n} for n in range(300)])
    assert [row[0] for row in found] == [None if n in (70, 71) else n for n in range(300)]
    assert [(row, words) for row, _, words in errors] == [(70, "it takes longer than 50 ms"), (71, "x")]


def test_all_expressions_together_have_a_limit() -> None:
    scripts = Scripts((), cpu_total_s=0.2)
    endless = Script("while (true) {}", is_body=True)
    started = time.process_time()
    with pytest.raises(TimeUp):
        scripts.evaluate(endless, [{"n": n} for n in range(1_000)])
    assert time.process_time() - started < 5


def test_what_a_script_does_to_the_world_around_it_harms_nobody_else() -> None:
    vandal = "${ JSON.stringify = function () { return '[[0, 1]]'; }; Array.prototype.push = null; return inputs.n; }"
    found, _ = by_row([expression(vandal), expression("$(inputs.n + 1)")], [{"n": 1}, {"n": 2}])
    # Both are the user's own; the answers stay answers.
    assert len(found) == 2
    assert Scripts((), cpu_total_s=1).evaluate(Script("inputs.n", is_body=False), [{"n": 4}]).kinds == [Outcome(4)]


def test_a_library_that_cannot_be_read_is_an_error_of_every_row() -> None:
    _, errors = by_row([expression("$(f(1))", lib=["function f( {"])], [{"n": 1}, {"n": 2}])
    assert [row for row, _, _ in errors] == [0, 1]
    assert "SyntaxError" in errors[0][2]


ATOMS = st.sampled_from(
    [
        *("inputs.n", "inputs.m", "inputs.m.k", "inputs.m[0]", "inputs.m.length", "inputs.o", "self", "runtime"),
        *("null", "undefined", "1e400", "-0", "2.50", "10n", "'text'", "[3, 1, 2]", "{a: 1}", "function () {}"),
        *("inputs.m.push(1)", "inputs.m.sort()", "(inputs.n = 5)", "delete inputs.n", "Object.keys(inputs)"),
        *("{toJSON: function (key) { return key; }}", "new Number(NaN)", "Symbol('s')", "inputs", "missing"),
        *(
            "(function () { throw inputs.n; })()",
            "JSON.parse('[')",
            "(function () { var c = {}; c.c = c; return c; })()",
        ),
    ]
)
SCRIPTS = st.one_of(
    ATOMS,
    st.tuples(ATOMS, st.sampled_from(["+", "*", "%", "===", "<", "&&", "||", ","]), ATOMS).map(" ".join),
    st.tuples(ATOMS, ATOMS, ATOMS).map("{0[0]} ? {0[1]} : {0[2]}".format),
    ATOMS.map("[{0}, inputs.n]".format),
)
TEXTS = st.one_of(
    SCRIPTS.map("$({})".format),
    SCRIPTS.map("${{ return {}; }}".format),
    st.tuples(SCRIPTS, SCRIPTS).map("at $({0[0]}), $({0[1]})".format),
    st.sampled_from(["$(1 +)", "$(", "plain", "${ inputs.n }", "${ while (inputs.n === 1) {} return inputs.m; }"]),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, 1.0, -0.0, 2**31, 1e300, 0.1, "", "1", "é\u2028"]))
INPUTS = st.fixed_dictionaries(
    {"n": SCALARS, "m": st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.just("k"), SCALARS))}
)


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=3),
    rows=st.lists(INPUTS, min_size=1, max_size=8),
    times=st.sampled_from([1, 40]),
)
def test_rows_have_together_what_each_has_alone(texts: list[str], rows: list[dict[str, Any]], times: int) -> None:
    bind: dict[str, Mapping[str, Any]] = {"n": {"input": "n"}, "m": {"input": "m"}, "o": {"value": {"b": [1]}}}
    expressions = [expression(text, **bind) for text in texts]
    alone = [by_row(expressions, [row]) for row in rows]
    values, errors = by_row(expressions, rows * times)
    assert [json.dumps(each) for each in values] == [json.dumps(found[0]) for found, _ in alone] * times
    assert errors == [(row, number, text) for row, (_, told) in enumerate(alone * times) for _, number, text in told]
