"""Input objects keep their spelling, are made when asked for, and are read without becoming Python's all at once."""

import json
from json import JSONDecodeError

import pytest

from weyl.cwl.objects import Base, Given, Scattered, Single, Stepped, items, members, spelled, written


def given(text: str, base: str = "{}") -> Given:
    return Given(text, items(text, 0), Base.read(base))


def test_a_text_is_kept_as_it_was_sent() -> None:
    objects = given('[ {"x": 1.0E5, "n":9007199254740993}, {} ]')
    assert [objects.text(index) for index in range(objects.count)] == ['{"x": 1.0E5, "n":9007199254740993}', "{}"]
    assert objects.value(0) == {"x": 100000.0, "n": 9007199254740993}


def test_what_lies_below_keeps_its_spelling_too() -> None:
    objects = given('[{"x": 1E0}, {"y": 2.50}]', '{"x": 1e-05, "é": "\\u00e9"}')
    assert objects.text(0) == '{"x": 1E0, "é": "\\u00e9"}'
    assert objects.text(1) == '{"x": 1e-05, "é": "\\u00e9", "y": 2.50}'
    assert objects.value(1) == {"x": 1e-05, "é": "é", "y": 2.5}


def test_a_range_makes_one_object_a_number() -> None:
    objects = Stepped("seed", range(10, 0, -3), Base.read('{"x": 1.0}'))
    assert [objects.text(index) for index in range(objects.count)] == [
        '{"x": 1.0, "seed": 10}',
        '{"x": 1.0, "seed": 7}',
        '{"x": 1.0, "seed": 4}',
        '{"x": 1.0, "seed": 1}',
    ]
    assert objects.value(1) == {"x": 1.0, "seed": 7}
    assert list(objects.distinct()) == [0, 3]
    assert list(Stepped("seed", range(1), Base()).distinct()) == [0]


@pytest.mark.parametrize("numbers", [range(0), range(5, 0), range(0, 10, 3), range(10, 0, -3), range(7, 8, 100)])
def test_a_range_is_counted_as_python_does(numbers: range) -> None:
    assert Stepped("seed", numbers, Base()).count == len(numbers)


def test_a_range_that_nobody_can_count_is_counted() -> None:
    assert Stepped("seed", range(-(2**63), 2**63), Base()).count == 2**64


def test_lists_are_taken_in_step_or_each_with_each() -> None:
    body = '{"a": [1, 2.0], "b": ["x", "y", "z"]}'
    columns = {each.name: items(body, each.start) for each in list(members(body))[:-1]}
    crossed = Scattered(body, columns, True, Base())
    assert crossed.count == 6
    assert [crossed.text(index) for index in (0, 1, 3)] == [
        '{"a": 1, "b": "x"}',
        '{"a": 1, "b": "y"}',
        '{"a": 2.0, "b": "x"}',
    ]
    in_step = Scattered(body, {name: columns[name][:4] for name in columns}, False, Base.read('{"c": 0}'))
    assert [in_step.text(index) for index in range(in_step.count)] == [
        '{"c": 0, "a": 1, "b": "x"}',
        '{"c": 0, "a": 2.0, "b": "y"}',
    ]
    assert in_step.value(1) == {"c": 0, "a": 2.0, "b": "y"}


def test_a_product_is_counted_before_it_is_made() -> None:
    body = json.dumps({name: list(range(1000)) for name in "abcd"})
    columns = {each.name: items(body, each.start) for each in list(members(body))[:-1]}
    assert Scattered(body, columns, True, Base()).count == 10**12


def test_some_inputs_of_some_jobs_are_what_their_objects_say() -> None:
    body = '{"a": [1, 2.0, null, 4], "b": ["x", "y", "z", "w"]}'
    columns = {each.name: items(body, each.start) for each in list(members(body))[:-1]}
    base = Base.read('{"c": [0], "b": "under"}')
    kinds = [
        given('[{"a": 1}, {"b": 2.0, "c": null}, {}, {"a": {"a": 1}}]', '{"c": [0], "b": "under"}'),
        Stepped("a", range(9, 1, -2), base),
        Scattered(body, columns, False, base),
        Scattered(body, columns, True, base),
        Scattered(body, {"b": columns["b"]}, True, base),
        Single(base),
    ]
    for objects in kinds:
        for part in (range(objects.count), range(objects.count // 2, objects.count)):
            found = objects.values_of(["a", "b", "c", "d"], part)
            for name, column in found.items():
                said = [objects.value(index).get(name) for index in part]
                assert [repr(value) for value in (column * len(part) if len(column) == 1 else column)] == [
                    *map(repr, said)
                ]


def test_no_inputs_at_all_are_no_text() -> None:
    assert Single(Base()).text(0) is None
    assert Single(Base.read('{"a": 1.50}')).text(0) == '{"a": 1.50}'


def test_floats_know_their_spelling() -> None:
    text = '{"a": [1.0E5, 1, 0.10, -0.0], "b": {"c": "\\"é\\n"}}'
    assert json.loads(written(spelled(text))) == json.loads(text)
    assert written(spelled(text)) == '{"a": [1.0E5, 1, 0.10, -0.0], "b": {"c": "\\"é\\n"}}'


@pytest.mark.parametrize(
    "text", ["[1", "[1,]", "[1 2]", "{}", "", "[{}{}]", "[{},]", "[{", '[{"', "[" * 5_000], ids=lambda text: text[:9]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(JSONDecodeError):
        items(text, 0)


@pytest.mark.parametrize(
    "text",
    ["{", '{"a"}', '{"a": }', "{1: 2}", '{"a": 1,}', "[]", '{"a": [1}', '{"a": ' * 5000],
    ids=lambda text: text[:9],
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(JSONDecodeError):
        list(members(text))
