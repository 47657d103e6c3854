"""Job descriptions in JSON say what JDL says, and requirements in full."""

from typing import Any

import pytest

from weyl.descriptions import jdl, json_form
from weyl.descriptions.classes import requirement_classes
from weyl.descriptions.description import Description, Owner
from weyl.descriptions.errors import BadAttribute, BadSubmission
from weyl.descriptions.requirements import Limits, resolve
from weyl.descriptions.texts import prepare
from weyl.kit import json
from weyl.task_queues.requirements import RequirementClass

OWNER = Owner("lhcb", "user", "ada")
LIMITS = Limits()
ONE: dict[str, Any] = {"cpu_work_db12": 1000, "cpu": {"architecture": {"name": "x86_64", "level": "x86-64-v3"}}}
CUDA = {
    "cpu_work_db12": 1000,
    "gpu": {"vendor": "nvidia", "arch": "sm_80", "count": {"min": 1, "max": 1}},
    "tags": "arch:riscv64",
}


def classes_of(document: dict[str, Any], limits: Limits = LIMITS) -> tuple[RequirementClass, ...]:
    """Return the classes in which jobs with this document would wait."""
    return requirement_classes(resolve(Description.read(document), limits), OWNER, limits)


def _text(**members: Any) -> str:
    return json.dumps_text({"executable": "run.sh", **members})


def _problems(limits: Limits = LIMITS, **members: Any) -> list[dict[str, str]]:
    with pytest.raises(BadSubmission) as refused:
        prepare([_text(**members)], OWNER, limits, jobs_max=10, form="json")
    return list(refused.value.extra["problems"])


def test_names_are_read_however_they_are_spelled() -> None:
    written = '{"EXECUTABLE": "a", "input_sandbox": ["b"], "StdOutput": "c", "banned_sites": ["S"], "my_own": 1}'
    assert json_form.parse(json.loads(written)) == {
        "Executable": "a",
        "InputSandbox": ["b"],
        "StdOutput": "c",
        "BannedSites": ["S"],
        "my_own": 1,
    }


def test_what_was_said_in_json_reads_back_from_the_jdl_that_is_kept() -> None:
    found = prepare([_text(requirements=ONE, arguments="-n 1")], OWNER, Limits(), jobs_max=10, form="json")
    kept = jdl.parse(found.descriptions[0].jdl)
    assert kept == {"Executable": "run.sh", "Requirements": ONE, "Arguments": "-n 1"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"executable": "a", "Executable": "b"}', "Executable: is given twice"),
        ('{"executable": "a\\u0000"}', "no text may have"),
        ('{"a": 9223372036854775808}', "more than 63 bits"),
        ('{"a b": 1}', "begins with a letter"),
        ('{"Requirements": {"a b": 1}}', "begins with a letter"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "nested"),
        ("[1]", "must be an object"),
    ],
)
def test_what_jdl_could_not_say_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadAttribute, match=sentence):
        json_form.parse(json.loads(text))


def test_requirements_decide_the_class_and_leave_the_attributes_out() -> None:
    [found] = classes_of({"Executable": "a", "Requirements": ONE, "Site": "A"})
    assert found.document["requirements"]["cpu"]["architecture"] == {"name": "x86_64", "level": "x86-64-v3"}
    assert found.document["sites"] == ["A"]
    assert "avx2" in found.document["features"]


def test_alternatives_are_classes_of_their_own_and_equal_ones_are_one() -> None:
    made = classes_of({"Requirements": [ONE, CUDA, ONE]})
    assert [("gpu" in each.document["requirements"]) for each in made] == [False, True]


def test_every_problem_of_every_alternative_is_told_with_its_place() -> None:
    twisted = {"cpu_work_db12": 0, "cpu": {"num_core": 1}}
    assert [(each["pointer"], each.get("did_you_mean")) for each in _problems(requirements=[ONE, twisted])] == [
        ("/requirements/1/cpu_work_db12", None),
        ("/requirements/1/cpu/num_core", "num_cores"),
    ]
    assert [each["pointer"] for each in _problems(requirements={"cpu": {}})] == ["/requirements"]


def test_a_vo_may_demand_an_architecture() -> None:
    limits = Limits(require_architecture=True)
    [problem] = _problems(limits, requirements={"wall_time": 60})
    assert problem["pointer"] == "/requirements/cpu/architecture/name"
    assert classes_of({"Requirements": CUDA}, limits)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"requirements": ONE, "cpu_time": 10}, "CPUTime: is part of Requirements"),
        ({"requirements": [ONE]}, "a list of 2 to 8"),
        ({"requirements": [ONE, 3]}, "a list of 2 to 8"),
        ({"requirements": {**ONE, "tags": "os:%s"}, "parameters": 2}, "no placeholders"),
    ],
)
def test_requirements_that_cannot_be_meant_are_refused(members: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSubmission, match=sentence):
        prepare([_text(**members)], OWNER, Limits(), jobs_max=10, form="json")


def test_defaults_of_the_vo_fill_what_is_left_out() -> None:
    limits = Limits(defaults={"wall_time": 3600, "io": {"scratch_mb": 100}, "tags": "cvmfs:x.org"})
    [found] = classes_of({"Requirements": {"wall_time": 60, "cpu": {}}}, limits)
    wanted = found.document["requirements"]
    assert (wanted["wall_time"], wanted["io"], wanted["tags"]) == (300, {"scratch_mb": 512}, "cvmfs:x.org")


def test_old_expressions_named_requirements_stay_without_meaning() -> None:
    document = jdl.parse('Executable = "a"; Requirements = other.Site == "A";')
    [found] = classes_of(document)
    assert found.document["requirements"]["cpu_work_db12"] >= 86_400


def test_a_record_in_jdl_says_the_same() -> None:
    text = 'Executable = "a"; Requirements = [ cpu_work_db12 = 1000; tags = "os:el9"; ];'
    [found] = classes_of(jdl.parse(text))
    assert found.document["requirements"]["tags"] == "os:el9"
