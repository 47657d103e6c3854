"""What is shown of workflows that are stored, and of the jobs that run them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weyl.config.models import Config
from weyl.cwl.compilation import Compilation
from weyl.cwl.graphs import with_states
from weyl.cwl.judgement import Judge
from weyl.cwl.origins import origins_of
from weyl.cwl.permits import Pusher, WorkflowReader
from weyl.cwl.problems import shown, warnings_of
from weyl.cwl.queries.jobs import WorkflowOfJob
from weyl.cwl.service import bundles
from weyl.cwl.service.bundles import Source
from weyl.cwl.service.submission import Workflows, refusal
from weyl.descriptions.description import Workflow
from weyl.kit.db import Tx


@dataclass(frozen=True)
class Looked:
    """A stored workflow and what the compiler knows of it."""

    source: Source
    compilation: Compilation

    def part(self, name: str) -> Any:
        """Return what is known only of a sound document; raises `InvalidWorkflow` for another one."""
        if not self.compilation.is_sound:
            raise refusal(self.compilation.problems)
        return self.compilation.get(name)


async def look(
    service: Workflows, reader: WorkflowReader, reference: str, *, fragment: str | None, user: str, now: datetime
) -> Looked:
    """Return a workflow that the VO has, compiled; raises `WorkflowNotFound`."""
    async with service.db.read() as tx:
        source = await bundles.read(tx, await bundles.find(tx, reader, reference), fragment=fragment)
    return Looked(source, await service.compilations.get(source.bundle_id, source.bundle, user=user, now=now))


def shown_workflow(looked: Looked) -> dict[str, Any]:
    """Return what people see of a workflow."""
    source, compilation = looked.source, looked.compilation
    return {
        "bundle_id": source.bundle_id.hex(),
        "workflow_id": source.workflow_id,
        "manifest": source.manifest.model_dump(mode="json"),
        **{name: compilation.get(name) for name in ("label", "doc", "class")},
        "inputs": compilation.inputs,
        "outputs": compilation.outputs,
        "problems": shown(compilation.problems),
    }


async def push(
    service: Workflows, pusher: Pusher, source: Source, *, config: Config, now: datetime
) -> tuple[dict[str, Any], bool]:
    """Store a bundle that the compiler can read; returns what is answered, and whether the VO did not have it.

    Raises `InvalidWorkflow`. What a VO says of jobs is judged when jobs are submitted.
    """
    get = service.compilations.get
    compilation = await get(source.bundle_id, source.bundle, user=pusher.user, now=now)
    judged = Judge(pusher.vo, config.operations[pusher.vo], service.kinds).judge(compilation, files=source.files)
    if not compilation.is_sound:
        raise refusal(judged.problems)
    source = source.labelled(compilation)
    is_new = await bundles.push(service.db, pusher, source, now=now)
    answer = {
        "bundle_id": source.bundle_id.hex(),
        "workflow_id": source.workflow_id,
        "problems": shown(warnings_of(judged.problems)),
    }
    return answer, is_new


async def graph_of_job(service: Workflows, job: WorkflowOfJob, *, user: str, now: datetime) -> dict[str, Any]:
    """Return the graph of what a job runs, with how far its steps have come; whoever may read the job may see it."""
    assert job.bundle_id is not None, "the job runs a workflow"
    reader = WorkflowReader(job.vo, bytes.fromhex(job.bundle_id))
    looked = await look(service, reader, job.bundle_id, fragment=job.fragment, user=user, now=now)
    return with_states(looked.part("graph"), job.steps)


async def origins(service: Workflows, tx: Tx, workflow: Workflow) -> Mapping[str, str]:
    """Return which requirement of a workflow each condition of its jobs comes from, as far as that is known.

    Whoever asks for it may read a job that runs the workflow.
    """
    compilation = await service.compilations.kept(tx, bytes.fromhex(workflow.bundle), workflow.fragment)
    return {} if compilation is None or not compilation.is_sound else origins_of(compilation)
