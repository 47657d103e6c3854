"""Tag expressions: grammar, normal form, limits, and what an author is told."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weyl.task_queues import tags
from weyl.task_queues.errors import TagSyntaxError

NAMES = ["a", "b", "c"]


def expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(NAMES),
        lambda inner: st.one_of(
            inner.map(lambda text: f"~({text})"),
            st.tuples(inner, st.sampled_from(["&", "|"]), inner).map(
                lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
            ),
        ),
        max_leaves=8,
    )


def truth(text: str, given_tags: frozenset[str]) -> bool:
    python = text.replace("~", " not ").replace("&", " and ").replace("|", " or ")
    return bool(eval(python, {"__builtins__": {}}, {name: name in given_tags for name in NAMES}))


@settings(max_examples=300, deadline=None)
@given(expressions())
def test_the_normal_form_keeps_the_meaning_and_reads_back_as_itself(text: str) -> None:
    parsed = tags.parse(text)
    for size in range(len(NAMES) + 1):
        for chosen in itertools.combinations(NAMES, size):
            assert tags.evaluate(parsed, frozenset(chosen)) == truth(text, frozenset(chosen))
    assert tags.parse(str(parsed)) == parsed
    every = [frozenset(chosen) for size in range(len(NAMES) + 1) for chosen in itertools.combinations(NAMES, size)]
    assert tags.is_possible(parsed) == any(truth(text, chosen) for chosen in every)
    for name in NAMES:
        if tags.requires(parsed, name):
            others = frozenset(NAMES) - {name}
            assert not any(
                tags.evaluate(parsed, frozenset(chosen))
                for size in range(len(others) + 1)
                for chosen in itertools.combinations(sorted(others), size)
            )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a & b", "b&a"),
        ("a & a & b", "(b & a)"),
        ("~(a | b)", "~b & ~a"),
        ("~(a & ~b)", "b | ~a"),
        ("~~a", "a"),
        ("a | (b | c)", "(c | a) | b"),
        ("a & ~a", "b & ~b"),
        ("", "  "),
    ],
)
def test_equal_meaning_spelled_differently_is_equal(left: str, right: str) -> None:
    assert tags.parse(left) == tags.parse(right)


def test_negation_binds_before_and_before_or() -> None:
    assert tags.parse("~a & b | c") == tags.parse("((~a) & b) | c")


def test_the_empty_expression_accepts_every_offer() -> None:
    assert tags.evaluate(tags.parse(""), frozenset())


@pytest.mark.parametrize(
    ("text", "position"),
    [("a &", 3), ("& a", 0), ("(a | b", 6), ("a b", 2), ("a ) b", 2), ("a + b", 2), ("a & (b | )", 9), ("~", 1)],
)
def test_an_unreadable_expression_says_where(text: str, position: int) -> None:
    with pytest.raises(TagSyntaxError) as caught:
        tags.parse_authored(text)
    assert caught.value.position == position
    assert caught.value.status == 400


def test_limits_hold_for_what_people_write_only() -> None:
    many = " | ".join(f"x{number}" for number in range(tags.ATOMS_MAX + 1))
    assert len(tags.atoms(tags.parse(many))) == tags.ATOMS_MAX + 1
    with pytest.raises(TagSyntaxError):
        tags.parse_authored(many)
    with pytest.raises(TagSyntaxError):
        tags.parse_authored("a" * (tags.EXPRESSION_LENGTH_MAX + 1))
    with pytest.raises(TagSyntaxError):
        tags.parse("(" * 200 + "a" + ")" * 200)


def test_reserved_prefixes_are_closed_and_the_nearest_word_is_named() -> None:
    with pytest.raises(TagSyntaxError) as caught:
        tags.parse_authored("os:ubunto24")
    assert caught.value.suggestion == "os:ubuntu24"
    with pytest.raises(TagSyntaxError) as caught:
        tags.parse_authored("hostfeat:python3.13")
    assert caught.value.suggestion == "hostfeat:python-3.13"
    tags.parse_authored("cvmfs:lhcb.cern.ch & hostfeat:python-3.9 & (os:el9 | os:ubuntu24) & ~network:wan-degraded")


@pytest.mark.parametrize("text", ["site:CERN", "cores:8", "platform:x86_64-el9", "vendor:nvidia"])
def test_what_has_a_field_is_refused_as_a_tag(text: str) -> None:
    with pytest.raises(TagSyntaxError, match="use"):
        tags.parse_authored(text)
