"""What the workflows of jobs have put out: kept by the run that made it, shown when the job has ended well."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from weyl.file_catalog.queries.of_jobs import select_outputs_of_job
from weyl.jobs.errors import BadOutputs, HasFailed, JobNotFound, NoOutputs
from weyl.jobs.models.outputs import MANIFEST_BYTES_MAX, JobOutputs
from weyl.jobs.outputs import lfns_in, located
from weyl.jobs.permits import Managed, Readable
from weyl.jobs.queries import outputs as queries
from weyl.jobs.queries.files import select_run
from weyl.jobs.service.status import RUN_IS_OVER
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.errors import Forbidden, TooLarge
from weyl.sandboxes import service as sandboxes
from weyl.sandboxes.models import bare_pfn
from weyl.storage.queries.uploads import select_upload_of_run

_UNSUCCESSFUL = frozenset({"Failed", "Killed", "Deleted"})


async def record(tx: Tx, permit: Managed, reported: JobOutputs, *, now: datetime) -> None:
    """Keep the manifest of the run that the permit speaks for; said twice, the later one holds.

    What earlier runs have put into output sandboxes is not the job's any more.

    Raises `BadOutputs` for one of another job, or whose sandbox is not an output sandbox of the job; `Forbidden` if
    the run is over; `TooLarge`.
    """
    permit.all_exist()
    permit.all_run()
    [(job_id, stamp)] = permit.current().items()
    manifest = reported.manifest
    if manifest.job_id != job_id:
        raise BadOutputs(f"This is the manifest of job {manifest.job_id}, not of job {job_id}")
    text = json.dumps_text(manifest.model_dump())
    if len(text.encode()) > MANIFEST_BYTES_MAX:
        raise TooLarge(f"A manifest has at most {MANIFEST_BYTES_MAX >> 20} MiB: put out fewer files, or a Directory")
    sandbox = None if reported.sandbox is None else bare_pfn(reported.sandbox)
    known = (await sandboxes.job_sandboxes(tx, [job_id]))[job_id]["Output"]
    if sandbox is not None and sandbox not in known:
        raise BadOutputs(f"{sandbox} is not an output sandbox of job {job_id}: assign it first")
    await _check_files(tx, job_id, reported)
    if not await queries.put_outputs(tx, job_id, stamp=stamp, sandbox=sandbox, manifest=text, now=now):
        raise Forbidden(f"Job {job_id}: {RUN_IS_OVER}")
    if sandbox is not None and len(known) > 1:
        await sandboxes.keep_one_output(tx, job_id, name=sandbox)


async def _check_files(tx: Tx, job_id: int, reported: JobOutputs) -> None:
    """Raise `BadOutputs` for a file of the grid that the run has neither read nor left."""
    manifest = reported.manifest
    named = {*lfns_in(manifest.outputs), *(each.lfn for each in manifest.files if each.lfn is not None)}
    if not named:
        return
    known = await _known_files(tx, job_id)
    for lfn in sorted(named - known):
        if not any(each.startswith(f"{lfn}/") for each in known):
            raise BadOutputs(f"{lfn[:200]!r} is none of the files that job {job_id} has read or left")


async def _known_files(tx: Tx, job_id: int) -> set[str]:
    """Return the files that a job reads, and those that its run has registered or is about to."""
    run = await select_run(tx, job_id)
    if run is None:
        return set()
    upload = await select_upload_of_run(tx, job_id, run.attempt)
    under_way = [] if upload is None else upload.document.get("files", [])
    left = [each.lfn for each in await select_outputs_of_job(tx, job_id) if each.attempt == run.attempt]
    return {*(run.lfns or ()), *left, *(each["lfn"] for each in under_way)}


async def read(tx: Tx, permit: Readable, job_id: int) -> Mapping[str, Any]:
    """Return the output object of a job that has ended well, its files with their places.

    Raises `JobNotFound`, `NoOutputs` before the end, and `HasFailed` with the reason.
    """
    row = await queries.select_outputs(tx, permit.one(job_id))
    if row is None:
        raise JobNotFound(job_id)
    if row.status in _UNSUCCESSFUL:
        reasons = [text for text in (row.minor_status, row.application_status) if text and text != "Unknown"]
        raise HasFailed(f"Job {job_id} has no outputs: it is {row.status} ({'; '.join(reasons) or 'nobody knows why'})")
    if row.status != "Done":
        raise NoOutputs(f"Job {job_id} has no outputs yet: it is {row.status}")
    if row.manifest is None:
        raise NoOutputs(f"Job {job_id} has no output object: only jobs that run a workflow have one")
    return located(json.loads(row.manifest)["outputs"], row.sandbox)
