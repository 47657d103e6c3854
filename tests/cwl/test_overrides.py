"""Options of a submission: ranges, lists to scatter over, and fields of hints."""

from typing import Any

import pytest

from weyl.client.errors import UsageFault
from weyl.cwl.cli.overrides import hint_values, range_of, scatter_lists

SCHEMA: dict[str, Any] = {
    "properties": {"energy": {"type": "number"}, "name": {"type": "string"}, "files": {"type": "array", "items": {}}}
}


@pytest.mark.parametrize(
    ("text", "fields", "count"),
    [
        ("seed=1000", {"range_param": "seed", "range_end": 1000}, 1000),
        ("seed=5:8", {"range_param": "seed", "range_start": 5, "range_end": 8, "range_step": 1}, 3),
        ("a.b=10:0:-3", {"range_param": "a.b", "range_start": 10, "range_end": 0, "range_step": -3}, 4),
        ("seed=0", {"range_param": "seed", "range_end": 0}, 0),
    ],
)
def test_a_range_is_half_open(text: str, fields: Any, count: int) -> None:
    assert range_of(text) == (fields, count)


@pytest.mark.parametrize("text", ["seed", "seed=", "=3", "seed=a:b", "seed=1:2:3:4", "seed=1:5:0"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(UsageFault, match="--range"):
        range_of(text)


def test_lists_take_the_types_of_their_inputs() -> None:
    fields, count = scatter_lists(["energy=7,8.5", "name=a,b"], "dotproduct", SCHEMA)
    assert fields == {"scatter": {"energy": [7, 8.5], "name": ["a", "b"]}}
    assert count == 2
    fields, count = scatter_lists(["energy=7,8,9", 'name=["x,y","z"]'], "flat_crossproduct", SCHEMA)
    assert fields == {
        "scatter": {"energy": [7, 8, 9], "name": ["x,y", "z"]},
        "scatter_method": "flat_crossproduct",
    }
    assert count == 6


@pytest.mark.parametrize(
    ("texts", "method", "message"),
    [
        (["energy"], "dotproduct", "is not an input and its values"),
        (["energy=1", "energy=2"], "dotproduct", "is not an input and its values"),
        (["energy=1,x"], "dotproduct", "'x' is not a number"),
        (["energi=1"], "dotproduct", "no input 'energi'"),
        (["energy=[1"], "dotproduct", "is not a JSON list"),
        (["energy=1,2", "name=a"], "dotproduct", r"unequal length \(energy: 2, name: 1\)"),
        (["energy=1"], "nested_crossproduct", "there is no 'nested_crossproduct'"),
    ],
)
def test_what_is_no_list_is_refused(texts: list[str], method: str, message: str) -> None:
    with pytest.raises(UsageFault, match=message):
        scatter_lists(texts, method, SCHEMA)


def test_fields_of_hints_may_be_nested() -> None:
    texts = [
        "priority=5",
        "requirements_template.cpu.num_cores={min: 2}",
        "requirements_template.wall_time=60",
        "sites=[A]",
    ]
    assert hint_values(texts, "mine") == {
        "priority": 5,
        "requirements_template": {"cpu": {"num_cores": {"min": 2}}, "wall_time": 60},
        "sites": ["A"],
        "group": "mine",
    }
    for text in ("priority", "=3", "a..b=1", "a=[1"):
        with pytest.raises(UsageFault, match="--hint"):
            hint_values([text])
    with pytest.raises(UsageFault, match="both whole and by its fields"):
        hint_values(["a=1", "a.b=2"])
