"""Whoever asks why a job waits is told which requirement of which tool keeps it waiting."""

from typing import Any

from tests.cwl.conftest import ECHO, Post
from tests.infra.app import Application

from weyl.cwl.compilation import Compilation
from weyl.cwl.origins import origins_of
from weyl.descriptions.description import Workflow
from weyl.kit.db import Database
from weyl.matcher.service.explain import ORIGINS


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "file": name, "after": [], **more}


def test_the_tool_that_decides_is_named() -> None:
    tools = [
        tool("a.cwl", resources={"coresMin": 4, "ramMin": 100}, time_limit=60),
        tool("b.cwl", resources={"ramMin": {"expression": 0}}, network=True, time_limit={"expression": 1}),
    ]
    assert origins_of(Compilation({"problems": [], "tools": tools})) == {
        "hostfeat:cwl": "the document itself, since it is CWL",
        "cores": "`coresMin` of `a.cwl`",
        "ram": "`ramMin` of `b.cwl`",
        "scratch": "`tmpdirMin and outdirMin` of `a.cwl`",
        "wall_time": "`ToolTimeLimit` of `b.cwl`",
        "network:outbound": "`NetworkAccess` of `b.cwl`",
    }


async def test_what_was_compiled_is_not_compiled_to_explain(served: Application, submit: Post, db: Database) -> None:
    text = f"requirements: {{ResourceRequirement: {{ramMin: 4000}}}}\n{ECHO}"
    said = (await submit({"workflow": text, "dry_run": True})).json()
    assert (await submit({"workflow": text})).status_code == 201
    async with db.read() as tx:
        found = await served.services[ORIGINS](tx, Workflow(said["bundle_id"], None))
        unknown = await served.services[ORIGINS](tx, Workflow("0" * 64, None))
    assert found.get("ram", "`ramMin` of `echo`").startswith("`ramMin` of")
    assert unknown == {}
