"""Parameter references: the same answers as cwltool's, without it."""

from typing import Any

import pytest
from cwl_utils.expression import interpolate

from weyl_engine.references import BadExpression, holds_expression, template

INPUTS: dict[str, Any] = {
    "n": 4,
    "x": 1.5,
    "flag": True,
    "none": None,
    "text": 'a "b" \\ c',
    "it's": 1,
    "items": [1, "two", {"three": [3]}],
    "file": {"class": "File", "basename": "a.txt", "size": 12},
    "deep": {"a b": {"c-d": [[5]]}},
}
TEXTS = [
    *(
        "$(inputs.n)",
        " $(inputs.n)\n",
        "$(inputs.x)",
        "$(inputs.flag)",
        "$(inputs.none)",
        "$(inputs.text)",
        "$(inputs)",
    ),
    *("$(inputs.items)", "$(inputs.items[1])", "$(inputs.items.length)", "$(inputs['n'])", '$(inputs["it\'s"])'),
    *(
        "$(inputs.items[2].three[0])",
        "$(inputs.deep['a b'][\"c-d\"][0][0])",
        "$(inputs['it\\'s'])",
        "$(self)",
        "$(null)",
    ),
    *(
        "a$(inputs.n)b",
        "$(inputs.n)$(inputs.x)",
        "$(inputs.none)-$(inputs.flag)",
        "$(inputs.file)!",
        "-$(inputs.items)",
    ),
    *("plain", "a\\b", "a\\\\b", "\\$(inputs.n)", "\\\\$(inputs.n)", "\\${x}", "$", "$x", "a$", "($(inputs.n))", "\\"),
]
BROKEN = [
    *(
        "$(inputs.missing)",
        "$(inputs.n.m)",
        "$(inputs.items[7])",
        "$(inputs.n[0])",
        "$(inputs.items.size)",
        "$(other.x)",
    ),
    *(
        "$(inputs.n + 1)",
        "${return 1}",
        "$(inputs.n",
        "${return 1",
        "$(inputs.file.path)",
        "$( inputs.n )",
        "$('inputs')",
    ),
]


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_a_reference_is_what_cwltool_finds(text: str, is_old: bool) -> None:
    context: Any = {"inputs": INPUTS, "self": None, "runtime": {}}
    theirs = interpolate(text, context, escaping_behavior=1 if is_old else 2)
    parsed = template(text, javascript=False, old_escapes=is_old)
    assert parsed.evaluate(context) == theirs
    assert not parsed.needs_javascript


@pytest.mark.parametrize("text", BROKEN)
def test_what_cwltool_refuses_is_refused(text: str) -> None:
    context: Any = {"inputs": INPUTS, "self": None, "runtime": {}}
    with pytest.raises(Exception, match=r".+"):
        interpolate(text, context)
    with pytest.raises(BadExpression):
        template(text, javascript=False).evaluate(context)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$(inputs.missing)", "$(inputs.missing): there is no 'missing'"),
        ("$(inputs.n.m)", "there is no 'm' in a number"),
        ("$(inputs.items[7])", "there are 3 members, counted from 0"),
        ("$(inputs.n + 1)", "JavaScript needs InlineJavascriptRequirement"),
        ("$(inputs.n", "$(inputs.n has no end"),
        ("$(runtime.cores)", "runtime is unknown here"),
    ],
)
def test_the_error_says_what_is_missing(text: str, words: str) -> None:
    with pytest.raises(BadExpression) as caught:
        template(text, javascript=False).evaluate({"inputs": INPUTS})
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["$(inputs.n + 1)", "${ return 1; }", "a $(f(')')) b", "$(others.x)", "$({a: ')'}.a)"])
def test_anything_else_is_a_script_where_javascript_is_allowed(text: str) -> None:
    assert template(text, javascript=True).needs_javascript


def test_a_text_does_not_grow_without_bound() -> None:
    parsed = template("$(inputs.t)" * 100, javascript=False)
    with pytest.raises(BadExpression, match=r"longer than 65,536 characters"):
        parsed.evaluate({"inputs": {"t": "x" * 1_000}})


def test_only_texts_hold_expressions() -> None:
    assert holds_expression("a $(b)")
    assert holds_expression("${b}")
    assert not any(map(holds_expression, ["a", "$a", 1, None, ["$(a)"]]))
