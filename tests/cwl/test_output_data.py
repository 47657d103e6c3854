"""Files of the grid go into workflows and come out of them: what the descriptions of their jobs say of them."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.cwl.conftest import ECHO, Post
from tests.infra.app import Installation, config_document

Stored = Callable[[], Awaitable[list[dict[str, Any]]]]

READING = """\
cwlVersion: v1.2
class: CommandLineTool
inputs:
  data: {type: File, inputBinding: {position: 1}}
  more: {type: "File[]?", inputBinding: {position: 2}}
outputs:
  said: {type: stdout}
stdout: said.txt
baseCommand: [cat]
"""
DIRAC = '$namespaces: {dirac: "https://diracgrid.org/cwl#"}\n'


@pytest.fixture(autouse=True)
def storage(installation: Installation) -> Iterator[None]:
    """Give the VOs a storage element; the server that a test starts reads it."""
    document: dict[str, Any] = config_document()
    endpoint = {"Name": "file", "Protocol": "file", "Path": "/srv/alpha"}
    document["Resources"]["StorageElements"] = {
        "ALPHA-DISK": {"Sites": ["LCG.Alpha.org"], "Endpoints": [endpoint]},
        "VOB-DISK": {"VOs": ["vob"], "Endpoints": [{**endpoint, "Path": "/srv/vob"}]},
    }
    installation.commit_config(document, "Storage")
    yield
    installation.commit_config(config_document(), "No storage")


def on_grid(name: str) -> dict[str, str]:
    """Return a File of the grid."""
    return {"class": "File", "location": f"lfn:/voa/{name}"}


def hinted(output_data: str) -> str:
    return f"{DIRAC}hints: {{dirac:Job: {{output_data: {output_data}}}}}\n{ECHO}"


async def test_files_of_the_grid_are_the_input_data_of_each_job(submit: Post, stored: Stored) -> None:
    objects = [{"data": on_grid("a")}, {"data": on_grid("b"), "more": [on_grid("a"), on_grid("b")]}]
    assert (await submit({"workflow": READING, "inputs": objects})).status_code == 201
    rows = await stored()
    assert rows[0]["document"]["InputData"] == "%(InputData)s"
    assert [row["parameters"]["InputData"] for row in rows] == [["/voa/a"], ["/voa/b", "/voa/a"]]
    assert rows[0]["inputs"] == {"data": {"class": "File", "location": "LFN:/voa/a"}}


async def test_jobs_that_read_the_same_files_name_them_once(submit: Post, stored: Stored) -> None:
    assert (await submit({"workflow": READING, "inputs": [{"data": on_grid("a")}] * 2})).status_code == 201
    rows = await stored()
    assert rows[0]["document"]["InputData"] == ["/voa/a"]
    assert {row["parameters"] for row in rows} == {None}


async def test_as_many_files_as_for_jobs_in_jdl(submit: Post) -> None:
    files = [on_grid(str(number)) for number in range(101)]
    answer = await submit({"workflow": READING, "inputs": [{"data": files[0], "more": files}]})
    assert answer.status_code == 400
    assert "more than 100 files" in answer.json()["detail"]


async def test_a_file_of_another_vo_is_refused(submit: Post, stored: Stored) -> None:
    file = {"class": "File", "location": "LFN:/vob/a"}
    answer = await submit({"workflow": READING, "inputs": [{"data": file}]})
    assert answer.status_code == 400
    [problem] = answer.json()["problems"]
    assert (problem["code"], problem["pointer"]) == ("wrong-type", "/data/location")
    assert await stored() == []


async def test_an_output_becomes_output_data(submit: Post, stored: Stored) -> None:
    text = hinted("[{source: said, output_path: /voa/results, output_se: ALPHA-DISK}]")
    assert (await submit({"workflow": text})).status_code == 201
    [row] = await stored()
    assert row["document"]["OutputData"] == ["said"]
    bound = {"Source": "said", "Path": "/voa/results", "SE": ["ALPHA-DISK"], "Required": True}
    assert row["document"]["Workflow"]["Outputs"] == [bound]
    assert row["output_state"] == "wanted"


@pytest.mark.parametrize(
    ("kind", "is_required"),
    [
        ('"File"', True),
        ('"File?"', False),
        ('"File[]"', False),
        ('"Directory"', False),
        ("{type: record, fields: {a: {type: File, outputBinding: {glob: a}}}}", True),
    ],
)
async def test_an_output_that_is_always_a_file_must_leave_one(
    submit: Post, stored: Stored, kind: str, is_required: bool
) -> None:
    text = (
        f"{DIRAC}cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: [echo]\ninputs: []\n"
        f"hints: {{dirac:Job: {{output_data: [{{source: o}}]}}}}\n"
        f"outputs: {{o: {{type: {kind}, outputBinding: {{glob: a}}}}}}\n"
    )
    assert (await submit({"workflow": text})).status_code == 201
    [row] = await stored()
    [bound] = row["document"]["Workflow"]["Outputs"]
    assert bound.get("Required", False) is is_required


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("[{source: sad}]", "the document has no output 'sad'"),
        ("[{source: said}, {source: said}]", "'said' is bound twice"),
        ("[{source: said, output_path: /vob/x}]", "'/vob/x' is no place of your VO"),
        ("[{source: said, output_path: ../x}]", "has . or .. as a directory"),
        ('[{source: said, output_path: "a b"}]', "has the component 'a b'"),
        ("[{source: said, output_se: VOB-DISK}]", "'VOB-DISK' is no storage element of your VO; there are ALPHA-DISK"),
    ],
)
async def test_an_output_that_could_not_be_registered_is_refused(
    submit: Post, stored: Stored, value: str, word: str
) -> None:
    answer = await submit({"workflow": hinted(value)})
    assert answer.status_code == 400
    assert word in answer.json()["detail"]
    assert {problem["code"] for problem in answer.json()["problems"]} == {"schema"}
    assert await stored() == []
