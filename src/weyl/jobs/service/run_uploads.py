"""What ties uploads to runs of jobs: which may still be committed, and how jobs end that wait for nothing else."""

from datetime import datetime

from weyl.jobs.queries import files as queries
from weyl.jobs.queries.reschedule import Run
from weyl.jobs.service.moves import move
from weyl.jobs.service.status import UPLOADS_SOURCE
from weyl.jobs.states import ACTIVE, MINOR_DONE, OUTPUTS_LOST, Report
from weyl.kit.db import Tx
from weyl.storage.additions import RunUpload
from weyl.storage.errors import UploadOver

WITH_OUTPUTS = ACTIVE | {"Completed"}
"""Where a job stands while its run may register output: on a node, or waiting for that alone."""


class RunUploads:
    """The uploads of jobs, for the room below that carries them out; each call is part of its transaction."""

    async def admit(self, tx: Tx, upload: RunUpload, *, now: datetime) -> None:
        """Lock the job, and raise `UploadOver` unless the upload is that of the run that it has now."""
        row = await self._run(tx, upload)
        if row is None:
            raise UploadOver(f"This run of job {upload.job_id} is over: its output is not registered")

    async def registered(self, tx: Tx, upload: RunUpload, *, now: datetime) -> None:
        """Note that the output of a run that was admitted is registered; a job that has waited for it is Done."""
        row = await queries.note_registered(tx, upload.job_id)
        await self._end(tx, row, Report(now, "Done", MINOR_DONE, source=UPLOADS_SOURCE), now=now)

    async def failed(self, tx: Tx, upload: RunUpload, reason: str, *, now: datetime) -> None:
        """Fail a job that has waited for output which is not registered; others hear it from their wrapper."""
        row = await self._run(tx, upload)
        if row is not None:
            await self._end(tx, row, Report(now, "Failed", OUTPUTS_LOST[0], reason, UPLOADS_SOURCE), now=now)

    async def _run(self, tx: Tx, upload: RunUpload) -> Run | None:
        found = await queries.lock_run(tx, upload.job_id)
        if found is None:
            return None
        row, attempt = found
        is_same = (row.vo, row.pilot_stamp, attempt) == (upload.vo, upload.pilot_stamp, upload.attempt)
        return row if is_same and row.status in WITH_OUTPUTS else None

    async def _end(self, tx: Tx, row: Run, step: Report, *, now: datetime) -> None:
        if row.status == "Completed":
            await move(tx, {row.job_id: row}, step, now=now)
