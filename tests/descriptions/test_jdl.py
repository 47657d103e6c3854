"""JDL is read as its users write it, written so that it reads back, and never worse than a plain sentence."""

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weyl.descriptions import attributes
from weyl.descriptions.attributes import KNOWN
from weyl.descriptions.errors import JDLSyntaxError
from weyl.descriptions.jdl import Expression, Value, parse, render

_texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)
_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,10}", fullmatch=True)
_expressions = st.sampled_from(["other.A > 3", 'member("a;b", {1, 2})', "a && (b || !c)", "[x = 1; y = x].y", "%s"])
_scalars = st.one_of(
    _texts,
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    _expressions.map(Expression),
)


def _documents(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    unique = st.lists(_names, max_size=4, unique_by=lambda name: attributes.canonical(name).lower())
    return unique.flatmap(
        lambda names: st.tuples(*[values for _ in names]).map(
            lambda found: dict(zip(map(attributes.canonical, names), found, strict=True))
        )
    )


_values = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=4) | _documents(inner), max_leaves=12)


def _typed(value: object) -> object:
    """The value with its types, so that 1 and true, or a text and an expression, are told apart."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if isinstance(value, dict):
        return {name: _typed(item) for name, item in value.items()}
    return type(value), repr(value)


@given(_documents(_values))
@settings(max_examples=150, deadline=None)
def test_what_is_rendered_reads_back_as_it_was(document: dict[str, Value]) -> None:
    assert _typed(parse(render(document))) == _typed(document)


@given(st.text(st.sampled_from("ab1.%\"\\'{}[](),;=<>!/*# \n+-"), max_size=60) | st.text(max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_with_a_syntax_error(text: str) -> None:
    try:
        document = parse(text)
    except JDLSyntaxError:
        return
    assert _typed(parse(render(document))) == _typed(document)


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_name_is_spelled_as_in_the_documentation_however_it_is_written(name: str) -> None:
    assert parse(f'{name.lower()} = "x"; {name.upper()} = "y";') == {name: "y"}


def test_a_description_as_users_write_it() -> None:
    text = """
    // what to run
    [
      Executable = "/bin/sh";        # a shell
      Arguments = "-c \\"echo hello; exit 3\\" \\d+";
      InputSandbox = {"a.sh", "LFN:/vo/b", };
      CPUTime = 3600; Priority = -1;  Scale = 1.5e3;
      wholenode = TRUE;
      Tag = {"GPU"};                 /* one
                                        only */
      Requirements = other.Site  ==  "A;B"
                     && other.RAM > 3;
      Nested = [ a = 1; b = {[ c = undefined ]} ];
    ]
    """
    assert parse(text) == {
        "Executable": "/bin/sh",
        "Arguments": '-c "echo hello; exit 3" \\d+',
        "InputSandbox": ["a.sh", "LFN:/vo/b"],
        "CPUTime": 3600,
        "Priority": -1,
        "Scale": 1500.0,
        "WholeNode": True,
        "Tags": ["GPU"],
        "Requirements": 'other.Site == "A;B" && other.RAM > 3',
        "Nested": {"a": 1, "b": [{"c": None}]},
    }


def test_brackets_and_the_last_semicolon_may_be_left_out() -> None:
    assert parse("A = 1; B = 2") == parse("[A = 1; B = 2;]") == {"A": 1, "B": 2}
    assert parse("") == parse("[]") == parse(" // nothing") == {}


def test_a_value_without_quotes_is_kept_as_an_expression() -> None:
    value = parse("JobName = simulation;")["JobName"]
    assert isinstance(value, Expression)
    assert value == "simulation"


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ('Executable = "a', 1, 14, "to close the text that begins here"),
        ("A = {1, 2", 1, 5, "'}', because '{' is never closed"),
        ("A = {1; 2}", 1, 7, "',' or '}'"),
        ('A = 1;\n\nB = "x"\n  C = 2;', 4, 5, "';' before this '=', after the value of B"),
        ("A = ;", 1, 5, "a value for A"),
        ("= 3", 1, 1, "the name of an attribute"),
        ("A 3", 1, 3, "'=' after 'A'"),
        ("A = f(1", 1, 6, "')', because '(' is never closed"),
        ("A = 1]", 1, 6, "no ']' here"),
        ("A = 1 /* x", 1, 7, "'*/'"),
        ("A = 9999999999999999999", 1, 5, "63 bits"),
        ("A = 1e999", 1, 5, "a finite number"),
        ('A = "\\000"', 1, 5, "\\000"),
        ('A = "\x00"', 1, 6, "\\x00"),
        ("[A = 1;] B = 2", 1, 10, "the end of the text"),
        ("A = " + "{" * 40, 1, 38, "nested"),
        ("A = " + "(" * 40, 1, 37, "nested"),
    ],
)
def test_an_error_names_the_place_and_what_was_expected(text: str, line: int, column: int, expected: str) -> None:
    with pytest.raises(JDLSyntaxError) as raised:
        parse(text)
    assert (raised.value.line, raised.value.column) == (line, column)
    assert expected in raised.value.expected
    assert str(raised.value.detail).startswith(f"line {line}, column {column}: expected")


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        "[a=",
        '"a"',
        '\\"',
        "/*",
        "/**/",
        "/ ",
        "(",
        "[a=1;b={[c=1]+1}]",
        "{{{{1}+1}+1}+1},",
        " ",
        "a = b + 1; ",
        "'",
    ],
)
def test_time_grows_with_the_text_and_not_faster(unit: str) -> None:
    def seconds(repeats: int) -> float:
        text = "A = " + unit * repeats
        started = time.process_time()
        try:
            parse(text)
        except JDLSyntaxError:
            return time.process_time() - started
        return time.process_time() - started

    # eight times the text, far less than the 64 times of a quadratic parser; the constant forgives a busy machine
    assert seconds(40_000) < 20 * seconds(5_000) + 0.1


def test_a_large_description_is_read_in_well_under_a_second() -> None:
    values = ", ".join(f'"/vo/user/{number}/file"' for number in range(50_000))
    started = time.process_time()
    assert len(parse(f"InputData = {{{values}}};")["InputData"]) == 50_000  # type: ignore[arg-type]
    assert time.process_time() - started < 1


def test_every_printable_character_survives_in_text() -> None:
    assert parse(render({"A": string.printable}))["A"] == string.printable
