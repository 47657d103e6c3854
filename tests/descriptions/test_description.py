"""The description of one job is read as a whole: every attribute in its field, everything else in `extra`."""

import dataclasses
from typing import Any

import pytest

from weyl.descriptions.attributes import KNOWN
from weyl.descriptions.description import FIELDS, Description, value_of
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import parse
from weyl.descriptions.requirements import ATTRIBUTES as DECIDING
from weyl.descriptions.work import ATTRIBUTES as OF_WORK


def test_every_attribute_that_is_read_has_a_field_of_its_own() -> None:
    fields = {field.name for field in dataclasses.fields(Description)} - {"extra"}
    assert sorted(known.field for known in FIELDS.values()) == sorted(fields)
    assert FIELDS.keys() <= set(KNOWN)
    assert {*DECIDING, *OF_WORK} <= FIELDS.keys()


def test_what_is_left_out_is_as_the_defaults_say() -> None:
    assert Description.read({}) == Description()
    assert Description.read(dict.fromkeys(FIELDS, None)) == Description(output_sandbox=())
    nothing = Description(output_sandbox=())
    assert all(value_of(None, name) == getattr(nothing, known.field) for name, known in FIELDS.items())


def test_a_text_is_read_into_fields_and_the_rest_is_kept() -> None:
    text = """
    Executable = "a"; Arguments = {"x", 3}; Site = "B, A"; CPUTime = "100"; WholeNode = yes; Tags = {"os:el9"};
    ExecutionEnvironment = {"A=b%20c"}; Campaign = "MC26"; InputDataPolicy = "download"; Requirements = other.Site;
    """
    found = Description.read(parse(text))
    assert (found.executable, found.arguments, found.sites, found.cpu_time_s) == ("a", "x 3", ("B", "A"), 100)
    assert (found.whole_node, found.tags, found.environment) == (True, ("os:el9",), {"A": "b c"})
    assert found.requirements is None
    assert found.extra == {"Campaign": "MC26", "InputDataPolicy": "download"}


def test_only_some_attributes_may_be_read() -> None:
    document = parse('Executable = "a"; CPUTime = "never"; Campaign = "MC26";')
    assert Description.read(document, only={"Executable"}) == Description(executable="a")
    with pytest.raises(BadAttribute, match="CPUTime"):
        Description.read(document)


@pytest.mark.parametrize("more", [{"CPUTime": 5}, {"Tags": "os:el9"}, {"Platform": "x86_64-any"}, {"WholeNode": False}])
def test_requirements_are_said_in_one_place(more: dict[str, Any]) -> None:
    with pytest.raises(BadAttribute, match="is part of Requirements"):
        Description.read({"Requirements": {"wall_time": 60}, **more})
    assert Description.read({"Requirements": {"wall_time": 60}}).requirements == ({"wall_time": 60},)
