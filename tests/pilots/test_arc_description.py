"""What ARC is told and what its words mean, without an ARC."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from weyl.pilots.compute_elements import arc_description as arc
from weyl.pilots.compute_elements.driver import CEState, Copy, DriverError, PilotSpec

SPEC = PilotSpec(
    executable="./pilot.sh",
    arguments=("a & b", "<c>"),
    inputs={"pilot.sh": b"", "pilot.pyz": b""},
    outputs=("pilot.log",),
    environment={"A": "x"},
    cores=8,
    memory_mb=16_000,
    wall_s=3600,
    scratch_mb=10,
    queue="grid",
)
COPIES = [Copy("s1", secrets={"secret": b"hush"}), Copy("s2", environment={"B": "y"})]
ADL = f"{{{arc.NAMESPACE}}}"


def texts(root: ElementTree.Element, *path: str) -> list[str | None]:
    """Texts of the elements at a path."""
    return [found.text for found in root.findall("/".join(f"{ADL}{step}" for step in path))]


def test_each_copy_is_described_whole() -> None:
    document = arc.describe(SPEC, COPIES, runtime_environments=["ENV/X"])
    assert b"hush" not in document
    first, second = ElementTree.fromstring(document)
    assert texts(first, "ActivityIdentification", "Name") == ["weyl-s1"]
    assert texts(first, "Application", "Executable", "Path") == ["pilot.sh"]
    assert texts(first, "Application", "Executable", "Argument") == ["a & b", "<c>"]
    assert texts(first, "Resources", "IndividualPhysicalMemory") == [str(2_000 * 1024 * 1024)]
    assert texts(first, "Resources", "TotalCPUTime") == [str(8 * 3600)]
    assert texts(first, "Resources", "SlotRequirement", "NumberOfSlots") == ["8"]
    assert texts(first, "Resources", "RuntimeEnvironment", "Name") == ["ENV/X"]
    assert texts(first, "DataStaging", "InputFile", "Name") == ["pilot.sh", "pilot.pyz", "secret"]
    assert texts(first, "DataStaging", "OutputFile", "Name") == ["stdout.txt", "stderr.txt", "pilot.log"]
    assert texts(second, "Application", "Environment", "Name") == ["A", "B", "WEYL_PILOT_STAMP"]
    assert texts(second, "Application", "Environment", "Value") == ["x", "y", "s2"]
    assert texts(second, "DataStaging", "InputFile", "Name") == ["pilot.sh", "pilot.pyz"]


def test_what_is_not_asked_for_is_not_in_the_description() -> None:
    (activity,) = ElementTree.fromstring(arc.describe(PilotSpec(executable="/bin/true"), COPIES[:1]))
    resources = activity.find(f"{ADL}Resources")
    assert resources is not None
    assert [found.tag for found in resources] == [f"{ADL}SlotRequirement"]


def test_what_xml_cannot_hold_is_refused() -> None:
    with pytest.raises(DriverError, match="control characters"):
        arc.describe(replace(SPEC, arguments=("a\0",)), COPIES)


def test_a_job_is_found_by_the_description_that_it_was_sent() -> None:
    assert arc.title_of(arc.describe(SPEC, COPIES[:1]).decode()) == "weyl-s1"
    assert arc.title_of("<garbage/>") == ""


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("ACCEPTING", CEState.WAITING),
        ("QUEUING", CEState.WAITING),
        ("RUNNING", CEState.RUNNING),
        ("FINISHING", CEState.RUNNING),
        ("FINISHED", CEState.DONE),
        ("FAILED", CEState.FAILED),
        ("KILLED", CEState.DELETED),
        ("None", CEState.UNKNOWN),
        (None, CEState.UNKNOWN),
        (["x"], CEState.UNKNOWN),
    ],
)
def test_every_word_of_arc_has_its_meaning(word: object, state: CEState) -> None:
    assert arc.state(word).state is state


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"job": [{"id": "a"}, "x"]}, [{"id": "a"}]),
        ({"job": {"id": "a"}}, [{"id": "a"}]),
        ({"job": None}, []),
        ([], []),
        (None, []),
    ],
)
def test_one_job_may_come_without_a_list(document: object, found: list[object]) -> None:
    assert arc.entries(document) == found


def test_numbers_and_texts_are_read_from_whatever_comes() -> None:
    assert [arc.number_of(value) for value in ("3", ["4"], None, "x", {}, "-1")] == [3, 4, None, None, None, -1]
    assert [arc.text_of(value) for value in ("a", ["b"], None, {}, 5)] == ["a", "b", "", "", "5"]
