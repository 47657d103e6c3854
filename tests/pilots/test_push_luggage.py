"""What travels with pushed jobs, and what comes back: a workflow that tells of no outputs has not ended well."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.infra.app import Application
from tests.pilots.test_bundles import BUNDLE, DONE, FAILED, SHA256, a_workflow_job, lines, output_of

from weyl.config.resources import ComputingElement, Queue, Site
from weyl.kit.clock import utcnow
from weyl.pilots import bundles
from weyl.pilots.bundles import OUTPUT
from weyl.pilots.need import QueueKey, Target, pushed_offer
from weyl.pilots.queries.push import PushedJob
from weyl.pilots.service.push_data import Carried
from weyl.pilots.service.push_doors import Door, Refused, SandboxFailure
from weyl.pilots.service.push_luggage import bring_home, in_common, of_one
from weyl.pilots.service.yard import YARD
from weyl_pilot.connection import Connections
from weyl_pilot.server import Server

KEY = QueueKey("voa", "LCG.Alpha.org", "ce.alpha.org", "grid")
MANIFEST = {"v": 1, "job_id": 7, "status": "success", "outputs": {}}


class Remembering(Server):
    """Stands in for a server: what the pilot's program would send to it is kept, or refused."""

    def __init__(self, refuses: int = 0) -> None:
        super().__init__("", Connections())
        self.refuses = refuses
        self.stored: list[Any] = []

    def announce_sandbox(self, job_id: int, description: Mapping[str, Any], *, patience_s: float) -> dict[str, Any]:
        return {"pfn": "SB:SandboxSE|/S3/x"}

    def assign_output(self, job_id: int, pfn: str, *, patience_s: float) -> None:
        self.stored.append(pfn)

    def record_outputs(self, job_id: int, pfn: str, manifest: Mapping[str, Any], *, patience_s: float) -> None:
        if self.refuses:
            raise Refused(self.refuses, "no")
        self.stored.append((pfn, dict(manifest)))

    def workflow_archive(self, job_id: int, bundle: str, *, patience_s: float) -> bytes:
        return f"{bundle} for {job_id}".encode()

    def input_object(self, job_id: int, *, patience_s: float) -> bytes:
        return b'{"x": 1.0E5}'


def a_row(job: Mapping[str, Any]) -> PushedJob:
    values = dict.fromkeys(PushedJob._fields) | {"stamp": "e" * 32, "job_id": 7, "job": dict(job), "lines_told": 0}
    return PushedJob(**{**values, "created_at": utcnow()})  # type: ignore[arg-type]


def good(*, is_good: bool = True) -> bundles.Journal:
    return bundles.read_journal(lines(DONE if is_good else FAILED))


# -- back --------------------------------------------------------------------------------------------------------------


async def test_what_a_workflow_has_put_out_is_recorded_with_its_sandbox() -> None:
    server = Remembering()
    output = output_of(("manifest.json", json.dumps(MANIFEST).encode()), ("outputs/x", b"1"))
    await bring_home(Door(server, {}), a_row(a_workflow_job()), {OUTPUT: output}, good(), places={})
    assert server.stored == ["SB:SandboxSE|/S3/x", ("SB:SandboxSE|/S3/x", MANIFEST)]


@pytest.mark.parametrize("files", [{}, {OUTPUT: output_of(("std.out", b"x"))}, {OUTPUT: None}])
async def test_a_workflow_that_ends_well_and_tells_of_no_outputs_is_not_good(files: dict[str, bytes | None]) -> None:
    door, row = Door(Remembering(), {}), a_row(a_workflow_job())
    with pytest.raises(SandboxFailure, match=r"what its workflow has put out|larger than"):
        await bring_home(door, row, files, good(), places={})
    if OUTPUT not in files or files[OUTPUT]:
        await bring_home(door, row, files, good(is_good=False), places={})
        await bring_home(door, a_row({"job_id": 7, "work": {}}), files, good(), places={})


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_outputs_that_the_server_will_never_have_fail_the_job(status: int) -> None:
    output = output_of(("manifest.json", json.dumps(MANIFEST).encode()))
    with pytest.raises(SandboxFailure, match="what it has put out is refused: no"):
        await bring_home(Door(Remembering(status), {}), a_row(a_workflow_job()), {OUTPUT: output}, good(), places={})


async def test_a_job_that_is_not_ours_any_more_is_no_fault_of_its_outputs() -> None:
    output = output_of(("manifest.json", json.dumps(MANIFEST).encode()))
    with pytest.raises(Refused):
        await bring_home(Door(Remembering(403), {}), a_row(a_workflow_job()), {OUTPUT: output}, good(), places={})


# -- there -------------------------------------------------------------------------------------------------------------


def a_target(**payload: Any) -> Target:
    queue = Queue.model_validate({"Mode": "push", "Payload": payload})
    element = ComputingElement.model_validate({"Driver": "local"})
    return Target(KEY, Site(), element, queue, pushed_offer(queue), None)  # type: ignore[arg-type]


async def test_document_and_engine_travel_once_and_the_input_object_with_its_job(application: Application) -> None:
    yard, door = application.services[YARD], Door(Remembering(), {})
    demand = bundles.demand_of(a_workflow_job(), memory_mb=None, wall_s=3600)
    luggage = await in_common(yard, door, a_target(), demand, 7)
    [engine] = await yard.engines.told()
    assert set(luggage.files) == {"workflow.tar", f"{engine['sha256']}.tar.gz"}
    assert luggage.files["workflow.tar"] == f"{BUNDLE} for 7".encode()
    assert luggage.options == {"engines": [engine]}
    assert await of_one(door, demand, a_row(a_workflow_job())) == Carried({"inputs.json": b'{"x": 1.0E5}'})
    # an engine that is there already is not sent
    named = await in_common(yard, door, a_target(Engine="/cvmfs/weyl/engine"), demand, 7)
    assert (set(named.files), named.options) == ({"workflow.tar"}, {})
    # a program needs none of it
    plain = bundles.demand_of({"job_id": 7, "work": {}}, memory_mb=None, wall_s=3600)
    assert await in_common(yard, door, a_target(), plain, 7) == replace(named, files={})
    assert await of_one(door, plain, a_row({"work": {}})) == Carried()


async def test_a_command_that_the_worker_does_not_have_fails_the_job(application: Application) -> None:
    job = a_workflow_job(workflow=None, commands=[{"name": "report", "archive": {"sha256": SHA256, "size": 1}}])
    demand = bundles.demand_of(job, memory_mb=None, wall_s=3600)
    with pytest.raises(SandboxFailure, match="of an extension that the worker does not have"):
        await in_common(application.services[YARD], Door(Remembering(), {}), a_target(), demand, 7)
