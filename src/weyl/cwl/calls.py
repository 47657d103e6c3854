"""The client's calls for workflows: pushing, checking and reading them, and submitting jobs of them."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from weyl.cwl.models.bundles import Pushed, StoredText, StoredWorkflow, Validated
from weyl.cwl.models.manifest import Manifest, bundle_id
from weyl.kit.call import Call, segment
from weyl_engine.yaml12 import to_json


def submit_cwl_jobs(
    workflow: str | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
    *,
    manifest: Mapping[str, Any] | None = None,
    workflow_id: str | None = None,
    options: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[list[dict[str, Any]]]:
    """Submit jobs of a workflow, one per input object, and return `JobID`, `Status` … of each.

    The workflow is a text, files (`manifest`, as `sent` returns it), or the id of a stored one (`workflow_id`,
    `#fragment` allowed). `options` are the further fields of the request: `range_param`, `range_end`, `base_inputs`,
    `scatter`, `hints` and so on. With a key, a repeated call within a day gets the first answer and makes no new jobs.
    """
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    source = _source(workflow, manifest, workflow_id)
    body = _submission(source, inputs, options=options)
    return Call("POST", "/api/jobs/", list[dict[str, Any]], body=to_json(body).encode(), headers=headers)


def rehearse_cwl_jobs(
    workflow: str | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
    *,
    manifest: Mapping[str, Any] | None = None,
    workflow_id: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Call[dict[str, Any]]:
    """Ask what a submission would make: how many jobs, of which classes, and where they could run."""
    body = _submission(_source(workflow, manifest, workflow_id), inputs, options=options)
    return Call("POST", "/api/jobs/", dict[str, Any], body=to_json({**body, "dry_run": True}).encode(), repeatable=True)


def _source(workflow: str | None, manifest: Mapping[str, Any] | None, workflow_id: str | None) -> dict[str, Any]:
    """Return the fields of a request that name a workflow."""
    fields = {"workflow": workflow, "manifest": manifest, "workflow_id": workflow_id}
    return {name: value for name, value in fields.items() if value is not None}


def _submission(
    source: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]], *, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {**source, **({"inputs": list(inputs)} if inputs else {}), **(options or {})}


def get_workflow(workflow_id: str) -> Call[StoredText]:
    """Ask for the text of a workflow as it was submitted: `workflow_id` and `cwl`."""
    return Call("GET", f"/api/jobs/workflows/{segment(workflow_id)}", StoredText)


def push_workflow(manifest: Manifest, contents: Mapping[str, bytes]) -> Call[Pushed]:
    """Store a bundle, with the bytes of the files that are given; 409 names those that the server lacks."""
    return Call("PUT", f"/api/workflows/{bundle_id(manifest)}", Pushed, body=sent(manifest, contents))


def sent(manifest: Manifest, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """Return a manifest as it travels, with the bytes of files."""
    document = manifest.model_dump(mode="json")
    for path, content in contents.items():
        document["files"][path]["content"] = b64encode(content).decode()
    return document


def find_workflow(workflow_id: str, *, fragment: str | None = None) -> Call[StoredWorkflow]:
    """Ask what a stored workflow is: its files, inputs and outputs."""
    return Call("GET", f"/api/workflows/{segment(workflow_id)}", StoredWorkflow, query={"fragment": fragment})


def get_schema(workflow_id: str, *, fragment: str | None = None) -> Call[dict[str, Any]]:
    """Ask for the JSON Schema of a stored workflow's input object."""
    return Call("GET", f"/api/workflows/{segment(workflow_id)}/schema", dict[str, Any], query={"fragment": fragment})


def get_graph(workflow_id: str, *, fragment: str | None = None) -> Call[dict[str, Any]]:
    """Ask for the steps of a stored workflow: `nodes` and `edges`."""
    return Call("GET", f"/api/workflows/{segment(workflow_id)}/graph", dict[str, Any], query={"fragment": fragment})


def draw_graph(workflow_id: str, form: str, *, fragment: str | None = None) -> Call[str]:
    """Ask for the steps of a stored workflow as text for a program that draws: `dot` or `mermaid`."""
    query = {"format": form, "fragment": fragment}
    return Call("GET", f"/api/workflows/{segment(workflow_id)}/graph", str, query=query)


def validate_workflow(
    workflow: str | None = None,
    *,
    manifest: Mapping[str, Any] | None = None,
    workflow_id: str | None = None,
    inputs: Sequence[Mapping[str, Any]] | None = None,
    hints: Mapping[str, Any] | None = None,
) -> Call[Validated]:
    """Ask what is wrong with a workflow and with inputs for it; nothing is stored."""
    more = {name: value for name, value in (("inputs", inputs), ("hints", hints)) if value is not None}
    given = to_json({**_source(workflow, manifest, workflow_id), **more}).encode()
    return Call("POST", "/api/workflows/validate", Validated, body=given, repeatable=True)


def hints_schema() -> Call[dict[str, Any]]:
    """Ask for the JSON Schema of the hints that this installation knows."""
    return Call("GET", "/api/workflows/hints-schema", dict[str, Any])
