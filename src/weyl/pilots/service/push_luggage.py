"""What travels to nodes without a network beside the bundle of each job, and what comes back from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from weyl.pilots.bundles import INPUT_OBJECT, OUTPUT, WORKFLOW, Demand, Journal, manifest_in, runs_workflow
from weyl.pilots.need import Target
from weyl.pilots.queries.push import PushedJob
from weyl.pilots.service.push_data import Carried, fetch_data
from weyl.pilots.service.push_doors import Door, SandboxFailure
from weyl.pilots.service.yard import Yard
from weyl.pilots.tarballs import SUFFIX
from weyl_pilot.manifest import placed

OUTPUT_BYTES_MAX = 100 << 20


@dataclass(frozen=True, slots=True)
class Luggage:
    """Files that jobs have in common, by name, and what their bundles say of them."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    """Names of the input sandboxes, in their order."""
    options: Mapping[str, Any] = field(default_factory=dict)


async def in_common(yard: Yard, door: Door, target: Target, demand: Demand, job_id: int) -> Luggage:
    """Fetch what one of several jobs that are alike needs; raises `SandboxFailure`, or what the door does."""
    files = await door.fetch(job_id, demand.inputs) if demand.inputs else {}
    inputs = list(files)
    files |= {f"{sha256}{SUFFIX}": _files_of_command(yard, sha256) for sha256 in demand.archives}
    if demand.workflow is None:
        return Luggage(files, inputs)
    files[WORKFLOW] = await door.workflow(job_id, demand.workflow)
    if target.queue.payload.engine is not None:
        return Luggage(files, inputs)
    engines = await yard.engines.for_machine(target.queue.architecture)
    files |= {each.name: await each.content() for each in engines}
    return Luggage(files, inputs, {"engines": [each.engine.told() for each in engines]})


async def of_one(door: Door, demand: Demand, row: PushedJob) -> Carried:
    """Return what only one job has; raises `DataFault`, or what the door does."""
    carried = await fetch_data(door, row) if demand.has_data else Carried()
    if demand.workflow is None:
        return carried
    return replace(carried, files={**carried.files, INPUT_OBJECT: await door.input_object(row.job_id)})


async def bring_home(
    door: Door,
    row: PushedJob,
    files: Mapping[str, bytes | None],
    journal: Journal,
    *,
    places: Mapping[str, Mapping[str, str]],
) -> None:
    """Store a job's output, and what its workflow has put out; raises `SandboxFailure`, also for a good job without.

    `places` is where its output data are by now.
    """
    content, manifest = files.get(OUTPUT), None
    if OUTPUT in files and content is None:
        raise SandboxFailure(f"its output is larger than {OUTPUT_BYTES_MAX >> 20} MiB")
    if content is not None:
        pfn = await door.upload(row.job_id, content)
        if runs_workflow(row.job) and (manifest := manifest_in(content)) is not None:
            await door.record(row.job_id, pfn, _placed(manifest, places))
    if manifest is None and journal.is_good and runs_workflow(row.job):
        raise SandboxFailure("nothing in its output tells what its workflow has put out")


def _placed(manifest: dict[str, Any], places: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return a manifest, which the node has written, with logical names for what is kept by these."""
    try:
        return placed(manifest, places) if places else manifest
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SandboxFailure("what its workflow has put out makes no sense") from error


def _files_of_command(yard: Yard, sha256: str) -> bytes:
    content = yard.commands.content(sha256)
    if content is None:
        raise SandboxFailure("a command around it is of an extension that the worker does not have in this version")
    return content
