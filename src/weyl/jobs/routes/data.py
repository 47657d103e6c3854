"""The files of jobs over HTTP: what a run reads and leaves, for the run; which files these were, for people."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from weyl.config.routes import CurrentConfig
from weyl.jobs.errors import NotTheRun
from weyl.jobs.models.files import FILES_BYTES_MAX, PROTOCOLS_MAX, InputFiles, JobFiles, ProducedFiles
from weyl.jobs.permits import Managed
from weyl.jobs.policy import may_read
from weyl.jobs.routes.access import CurrentManager, InputPlaces, OutputPlaces
from weyl.jobs.service.input_files import files_of_job
from weyl.kit.bounds import Name
from weyl.kit.http import CurrentActor, Now, ReadTx, json_response, sent_by_nodes
from weyl.storage.models.uploads import CommitRequest, Committed, Opened, UploadId

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


async def current_run(job_id: int, manager: CurrentManager) -> Managed:
    """Admit the payload and the pilot of a job, of whichever of its runs."""
    if manager.user.kind == "user":
        raise NotTheRun(
            f"This is for the run of the job alone: GET /api/jobs/{job_id}/files says which files these are"
        )
    return await manager.admit([job_id])


CurrentRun = Annotated[Managed, Depends(current_run)]


@router.get("/{job_id}/files", operation_id="jobs_get_files")
async def get_files(job_id: int, actor: CurrentActor, config: CurrentConfig, tx: ReadTx) -> JobFiles:
    """Answer with the files that a job reads, and those that its runs have registered."""
    permit = await may_read(tx, actor, [job_id])
    return await files_of_job(tx, permit, job_id, config=config)


@router.get("/{job_id}/inputs", operation_id="jobs_get_inputs", dependencies=[Depends(sent_by_nodes)])
async def get_inputs(
    job_id: int,
    permit: CurrentRun,
    inputs: InputPlaces,
    config: CurrentConfig,
    *,
    now: Now,
    protocols: Annotated[list[Name] | None, Query(max_length=PROTOCOLS_MAX)] = None,
) -> InputFiles:
    """Answer with requests for the files that the job reads, the nearest place of each first."""
    return await inputs.of_run(permit, job_id, protocols, config=config, now=now)


@router.post(
    "/{job_id}/outputs",
    operation_id="jobs_open_outputs",
    dependencies=[Depends(sent_by_nodes)],
    max_body_size=FILES_BYTES_MAX,
)
async def open_outputs(
    job_id: int, body: ProducedFiles, permit: CurrentRun, outputs: OutputPlaces, *, config: CurrentConfig, now: Now
) -> Opened:
    """Open the upload of the output data of a run: asked again, it is the same one, with requests that hold anew."""
    return await outputs.open(permit, job_id, body, config=config, now=now)


@router.post(
    "/{job_id}/outputs/{upload_id}/commit",
    operation_id="jobs_commit_outputs",
    response_model=Committed,
    responses={202: {"model": Committed, "description": "Still being verified; the job ends by itself"}},
    dependencies=[Depends(sent_by_nodes)],
    max_body_size=FILES_BYTES_MAX,
)
async def commit_outputs(
    job_id: int,
    upload_id: UploadId,
    body: CommitRequest,
    permit: CurrentRun,
    outputs: OutputPlaces,
    *,
    config: CurrentConfig,
    now: Now,
) -> Response:
    """Register all output data of a run, or none; 409 if the run is over."""
    done = await outputs.commit(permit, job_id, upload_id, body, config=config, now=now)
    return json_response(done.model_dump(), status=202 if done.state == "verifying" else 200)
