"""YAML as CWL runners read it, and its limits."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema_salad.utils import yaml_no_ts

from weyl_engine import yaml12
from weyl_engine.yaml12 import BadYaml

WORDS = [
    *("null", "Null", "NULL", "~", "", "nUll", "true", "True", "TRUE", "false", "False", "FALSE", "tRue"),
    *("yes", "no", "on", "off", "y", "n", "Yes", "NO", "On", "OFF"),
    *("0", "-0", "+7", "17", "017", "089", "0o17", "0x1F", "-0x1f", "0b101", "1_000", "0_7", "1:30", "-1:30", "9" * 30),
    *(
        "1.5",
        "1.",
        ".5",
        "-.5",
        "1e3",
        "1E3",
        "1.5e-3",
        "1e-05",
        "1.23E5",
        "1_0.5",
        ".5e+3",
        ".5e3",
        "-1.0",
        "e3",
        "1e",
        "0.0",
    ),
    *(
        "2026-01-01",
        "2026-01-01T10:00:00Z",
        "a",
        "-x",
        "$(inputs.x)",
        "12:30:45",
        "1.2.3",
        "v1.2",
        "0o8",
        "0xg",
        "1__0",
    ),
]


def runners(text: str) -> Any:
    """Return what the loader of cwltool reads."""
    return json.loads(json.dumps(yaml_no_ts().load(io.StringIO(text))))


@pytest.mark.parametrize("word", WORDS)
def test_a_plain_word_is_what_cwltool_reads_in_it(word: str) -> None:
    ours = yaml12.load(f"k: {word}\n")
    theirs = runners(f"k: {word}\n")
    assert ours == theirs
    assert type(ours["k"]) is type(theirs["k"])


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2, {b: c}]\n",
        "a: |\n  x\n  y\nb: >-\n  x\n  y\n",
        "a: \"\\u00e9\\n\"\nb: 'it''s'\n",
        "base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\n",
        "base: &b {x: 1}\nmore: &m {z: 1, x: 9}\nother: {<<: [*b, *m], w: 0}\n",
        "a: &x [1, 2]\nb: *x\n",
        "? a\n: 1\n? b\n: 2\n",
        "{type: File?, of: string?}\n",
        '{"a": [1.0, 1, null, true, "x"], "b": {"c": "\\ud83d\\ude00"}}',
        "- 1\n- - 2\n  - 3\n-\n  a: 1\n",
        "# only a comment\na: 1 # and one more\n",
    ],
)
def test_a_document_is_what_cwltool_reads_in_it(text: str) -> None:
    assert yaml12.load(text) == runners(text)


def test_a_tag_of_the_core_says_which_type_is_meant() -> None:
    assert yaml12.load("[!!str 12, !!float 1, !!int '3', !!null '', !!bool true, !!seq [], !!map {}, ! x]") == [
        *("12", 1.0, 3, None, True, [], {}, "x")
    ]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_is_read_as_json_and_written_back(value: Any) -> None:
    text = json.dumps(value)
    assert yaml12.load(text) == value
    again = json.loads(yaml12.to_json(yaml12.load(text)))
    assert again == value
    assert [type(each) for each in _leaves(again)] == [type(each) for each in _leaves(value)]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    return [leaf for each in value for leaf in _leaves(each)] if isinstance(value, list) else [value]


def test_a_float_stays_one_and_may_keep_its_spelling() -> None:
    text = "[1.0, 1, 1.0E5, 1.23E5, 1., .5, 9007199254740993]"
    assert yaml12.to_json(yaml12.load(text)) == "[1.0,1,100000.0,123000.0,1.0,0.5,9007199254740993]"
    assert yaml12.to_json(yaml12.load(text, keep_spelling=True)) == "[1.0,1,1.0E5,1.23E5,1.0,0.5,9007199254740993]"


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        yaml12.to_json([float("nan")])


def test_keys_are_texts_as_in_json() -> None:
    assert yaml12.load("{1: a, true: b, null: c, 1.5: d, yes: e}") == {
        "1": "a",
        "true": "b",
        "null": "c",
        "1.5": "d",
        "yes": "e",
    }


def test_several_documents_are_read_one_by_one() -> None:
    assert yaml12.load_all("a: 1\n---\na: 2\n...\n---\n- x\n") == [{"a": 1}, {"a": 2}, ["x"]]
    assert yaml12.load_all("") == []
    assert yaml12.load("") is None
    with pytest.raises(BadYaml, match="one document is expected here, not 2") as caught:
        yaml12.load("a: 1\n---\nb: 2\n")
    assert (caught.value.line, caught.value.column) == (3, 1)


def test_every_value_has_its_place() -> None:
    text = "class: CommandLineTool\nrequirements:\n  - class: ResourceRequirement\n    ramMin: 5\n'a/b~': {x: [1, 2]}\n"
    marked = yaml12.marked(text)
    assert dict(marked.marks) == {
        "": (1, 1),
        "/class": (1, 1),
        "/requirements": (2, 1),
        "/requirements/0": (3, 5),
        "/requirements/0/class": (3, 5),
        "/requirements/0/ramMin": (4, 5),
        "/a~1b~0": (5, 1),
        "/a~1b~0/x": (5, 10),
        "/a~1b~0/x/0": (5, 14),
        "/a~1b~0/x/1": (5, 17),
    }
    assert marked.position("/requirements/0/coresMin/deeper") == (3, 5)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\nb: [1, 2\n", 3, 1, "did not find expected ',' or ']'"),
        ("a: 1\na: 2\n", 2, 1, "'a' is here twice"),
        ("{1: a, '1': b}", 1, 8, "'1' is here twice"),
        ("a: !!python/object/apply:os.system [id]\n", 1, 4, "the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!binary aGk=\n", 1, 4, "the tag tag:yaml.org,2002:binary has no meaning here"),
        ("a: !mine x\n", 1, 4, "the tag !mine has no meaning here"),
        ("a: *b\n", 1, 4, "nothing before is called &b"),
        ("a: &a [*a]\n", 1, 8, "&a contains itself"),
        ("? [1]\n: 2\n", 1, 3, "a key must be a text"),
        ("? &k [1]\n: 2\n", 1, 3, "a key must be a text"),
        ("a: &k [1]\n*k : 2\n", 2, 1, "a key must be a text"),
        ("a: .nan\n", 1, 4, "not a number that JSON has"),
        ("a: -.inf\n", 1, 4, "not a number that JSON has"),
        ("a: 1e999\n", 1, 4, "larger than any number"),
        ("a: !!int x\n", 1, 4, "'x' is no int"),
        ("<<: 1\n", 1, 1, "<< needs a mapping"),
        ("a: \x00\n", 1, 4, "a character that YAML does not allow"),
        ("a: b: c\n", 1, 5, "mapping values are not allowed"),
        ("a: '\ud800'\n", 1, 1, "half of a surrogate pair"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(BadYaml) as caught:
        yaml12.load(text)
    error = caught.value
    assert (error.code, error.line, error.column) == ("not-yaml", line, column)
    assert words in error.detail


def test_bytes_must_be_utf_8() -> None:
    assert yaml12.load("\ufeffa: é\n".encode()) == {"a": "é"}
    with pytest.raises(BadYaml, match="not UTF-8") as caught:
        yaml12.load(b"a: 1\nb: \xff\n")
    assert (caught.value.line, caught.value.column) == (2, 4)


def bomb(levels: int, width: int) -> str:
    lines = ["l0: &l0 x"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(10, 10), "more than 1,000,000 values"),
        ("a: &a x\nb: [" + "*a, " * 1_001 + "]", "more than 1,000 aliases"),
        ("a: &a " + "x" * 100_000 + "\nb: [" + "*a, " * 999 + "]", "more than 16 MiB of text"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ("[" * 100_000, "nested more than 64 deep"),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, "nested more than 64 deep"),
        ("a: " + "x" * (4 << 20), "larger than 4,194,304 bytes"),
        ("a: " + "é" * (2 << 20), "larger than 4,194,304 bytes"),
    ],
    ids=["nodes", "aliases", "text", "depth", "endless", "depth of aliases", "size", "size in bytes"],
)
def test_a_bomb_is_refused_before_it_grows(text: str, words: str) -> None:
    with pytest.raises(BadYaml, match=words) as caught:
        yaml12.load(text)
    assert caught.value.code == "too-large"


def test_a_number_of_too_many_digits_is_refused() -> None:
    with pytest.raises(BadYaml, match="more than 400 digits"):
        yaml12.load("a: " + "9" * 5_000)


def test_the_limits_themselves_are_allowed() -> None:
    assert yaml12.load("[" * 64 + "]" * 64)
    assert len(yaml12.load("a: &a x\nb: [" + "*a, " * 1_000 + "]")["b"]) == 1_000


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("no", "no is a text in YAML 1.2, which runners read, and false in YAML 1.1"),
        ("on", "and true in YAML 1.1"),
        ("1:30", "and 90 in YAML 1.1"),
        ("-1:30", "and -90 in YAML 1.1"),
        ("010", "010 is 10 in YAML 1.2, which runners read, and 8 in YAML 1.1"),
        ("0o17", "0o17 is 15 in YAML 1.2, which runners read, and a text in YAML 1.1"),
        ("2026-01-01", "and a date in YAML 1.1"),
        ("1e3", "1e3 is 1000.0 in YAML 1.2, which runners read, and a text in YAML 1.1"),
    ],
)
def test_words_with_two_meanings_are_noted(word: str, words: str) -> None:
    (note,) = yaml12.marked(f"a:\n  b: {word}\n").notes
    assert (note.code, note.pointer, note.line, note.column) == ("yaml11", "/a/b", 2, 6)
    assert words in note.detail
    assert not yaml12.marked(f"a: '{word}'\n").notes


@pytest.mark.parametrize("word", ["9223372036854775808", "-9223372036854775809", "0.1234567890123456789", "1e-400"])
def test_numbers_that_lose_digits_are_noted(word: str) -> None:
    assert "lossy-number" in [note.code for note in yaml12.marked(f"a: {word}\n").notes]


@pytest.mark.parametrize(
    "word", ["9223372036854775807", "0.1", "1.50000000000000000000", "0.00000000000000000000001", "true"]
)
def test_numbers_that_are_kept_are_not(word: str) -> None:
    assert not yaml12.marked(f"a: {word}\n").notes
