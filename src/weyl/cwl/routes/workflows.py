"""Workflows over HTTP: bundles are pushed, checked and read."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import PlainTextResponse

from weyl.config.routes import CurrentConfig
from weyl.cwl.additions import HINTS, HintKind
from weyl.cwl.errors import WrongBundle
from weyl.cwl.graphs import as_dot, as_mermaid
from weyl.cwl.hint_schema import hint_schema
from weyl.cwl.models.bundles import Pushed, SentManifest, StoredWorkflow, Validated, Validation
from weyl.cwl.models.manifest import PATH_LENGTH_MAX
from weyl.cwl.policy import may_push, may_read_workflows
from weyl.cwl.routes.access import CurrentWorkflows, Fragment, WorkflowId, plain_json
from weyl.cwl.service import bundles, looks
from weyl.cwl.service.looks import Looked
from weyl.cwl.service.submission import Workflows
from weyl.cwl.service.validation import validated
from weyl.kit.db import Tx
from weyl.kit.http import CurrentActor, CurrentUser, Now, ReadTx, User

router = APIRouter(prefix="/api/workflows", tags=["workflows"])

PUSH_BYTES_MAX = 32 << 20
_AS_IT_IS = {"X-Content-Type-Options": "nosniff"}
Kinds = Annotated[Mapping[str, HintKind], Depends(HINTS.dependency)]
FilePath = Annotated[str, Path(max_length=PATH_LENGTH_MAX)]


@router.post("/validate", operation_id="workflows_validate", response_model=Validated, max_body_size=PUSH_BYTES_MAX)
async def validate_workflow(
    body: Validation, user: CurrentUser, *, workflows: CurrentWorkflows, config: CurrentConfig, now: Now
) -> Response:
    """Say what is wrong with a workflow and with inputs for it; a bad document is an answer, and nothing is stored."""
    return plain_json(await validated(workflows, body, may_push(user), config=config, now=now))


@router.get("/hints-schema", operation_id="workflows_get_hints_schema", response_model=dict[str, Any])
async def get_hints_schema(_: CurrentActor, kinds: Kinds) -> Response:
    """Answer with the JSON Schema of hints: weyl's own, and those of this installation's extensions."""
    return plain_json(hint_schema({iri: kind.model for iri, kind in kinds.items()}))


@router.put(
    "/{workflow_id}",
    operation_id="workflows_push",
    response_model=Pushed,
    responses={
        201: {"description": "Your VO has it now", "model": Pushed},
        409: {"description": "The content of files is missing: `missing` names them"},
    },
    max_body_size=PUSH_BYTES_MAX,
)
async def push_workflow(
    workflow_id: WorkflowId,
    body: SentManifest,
    user: CurrentUser,
    *,
    workflows: CurrentWorkflows,
    config: CurrentConfig,
    now: Now,
) -> Response:
    """Store a bundle under the id of its manifest, with the content of files that your VO does not have."""
    pusher = may_push(user)
    source = await bundles.of_manifest(workflows.db, pusher, body)
    if source.bundle_id.hex() != workflow_id:
        raise WrongBundle(f"The manifest is that of bundle {source.bundle_id.hex()}, not of {workflow_id}")
    answer, is_new = await looks.push(workflows, pusher, source, config=config, now=now)
    return plain_json(answer, status=201 if is_new else 200)


# Not in the document of the API: it says of GET what HTTP says of it anyway.
@router.head("/{workflow_id}", operation_id="workflows_know", include_in_schema=False)
async def know_workflow(workflow_id: WorkflowId, actor: CurrentActor, tx: ReadTx) -> Response:
    """Say whether your VO has a workflow: 200 or 404."""
    found = await bundles.find(tx, await may_read_workflows(tx, actor), workflow_id)
    return Response(headers={"ETag": f'"{found.bundle_id.hex()}"'})


@router.get("/{workflow_id}", operation_id="workflows_get", response_model=StoredWorkflow)
async def get_workflow(
    workflow_id: WorkflowId, actor: CurrentActor, *, workflows: CurrentWorkflows, now: Now, fragment: Fragment = None
) -> Response:
    """Answer with what is known of a workflow: its files, inputs and outputs."""
    return plain_json(looks.shown_workflow(await _looked(workflows, actor, workflow_id, fragment, now)))


@router.get("/{workflow_id}/schema", operation_id="workflows_get_schema", response_model=dict[str, Any])
async def get_schema(
    workflow_id: WorkflowId, actor: CurrentActor, *, workflows: CurrentWorkflows, now: Now, fragment: Fragment = None
) -> Response:
    """Answer with the JSON Schema of a workflow's input object, for forms and command lines."""
    return plain_json((await _looked(workflows, actor, workflow_id, fragment, now)).part("schema"))


@router.get("/{workflow_id}/graph", operation_id="workflows_get_graph", response_model=dict[str, Any])
async def get_graph(
    workflow_id: WorkflowId,
    actor: CurrentActor,
    *,
    workflows: CurrentWorkflows,
    now: Now,
    fragment: Fragment = None,
    format: Literal["json", "dot", "mermaid"] = "json",  # noqa: A002 - the name of the parameter on the wire
) -> Response:
    """Answer with the steps of a workflow: as JSON, or as text for Graphviz or Mermaid."""
    graph = (await _looked(workflows, actor, workflow_id, fragment, now)).part("graph")
    if format == "json":
        return plain_json(graph)
    return PlainTextResponse(as_dot(graph) if format == "dot" else as_mermaid(graph), headers=_AS_IT_IS)


@router.get("/{workflow_id}/archive", operation_id="workflows_get_archive", response_class=Response)
async def get_archive(workflow_id: WorkflowId, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with a plain tar: `manifest.json`, whose sha256 is the bundle's id, and each file below `files/`."""
    source = await _stored(tx, actor, workflow_id)
    return Response(await asyncio.to_thread(bundles.archive_of, source), media_type="application/x-tar")


@router.get("/{workflow_id}/files/{path:path}", operation_id="workflows_get_file", response_class=Response)
async def get_file(workflow_id: WorkflowId, path: FilePath, actor: CurrentActor, tx: ReadTx) -> Response:
    """Answer with the bytes of one file of a workflow."""
    found = await bundles.find(tx, await may_read_workflows(tx, actor), workflow_id)
    content = await bundles.read_file(tx, found, path)
    # What a stranger has written is shown by nothing.
    headers = {"Content-Disposition": "attachment", **_AS_IT_IS}
    return Response(content, media_type="application/octet-stream", headers=headers)


async def _stored(tx: Tx, actor: User, workflow_id: str) -> bundles.Source:
    return await bundles.read(tx, await bundles.find(tx, await may_read_workflows(tx, actor), workflow_id))


async def _looked(service: Workflows, actor: User, workflow_id: str, fragment: str | None, now: Any) -> Looked:
    async with service.db.read() as tx:
        reader = await may_read_workflows(tx, actor)
    return await looks.look(service, reader, workflow_id, fragment=fragment, user=actor.subject, now=now)
