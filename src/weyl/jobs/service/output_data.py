"""Output data of a run: what it may leave, what that is called, and its upload, which is committed as a whole."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from weyl.config.lfns import new_fault_of
from weyl.config.models import Config
from weyl.descriptions.description import Binding, Description
from weyl.descriptions.output_data import (
    directory_of,
    fault_of_name,
    is_covered,
    is_lfn,
    lfn_of,
    lfn_of_workflow,
    missing,
)
from weyl.descriptions.parametric import fill
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.models.files import ANCESTORS_MAX
from weyl.file_catalog.permits import Member
from weyl.file_catalog.policy import member
from weyl.file_catalog.registrations import JobRun
from weyl.file_catalog.service.trash import trash_earlier
from weyl.jobs.errors import BadOutputs, JobNotFound, RunIsOver
from weyl.jobs.models.files import ProducedFile, ProducedFiles
from weyl.jobs.output_places import output_ses
from weyl.jobs.permits import Managed
from weyl.jobs.queries import files as queries
from weyl.jobs.queries.files import RunOfJob
from weyl.jobs.service.run_uploads import WITH_OUTPUTS
from weyl.jobs.states import WANTED
from weyl.kit.db import Database, Tx
from weyl.kit.services import Key
from weyl.storage.errors import UploadNotFound
from weyl.storage.models.uploads import CommitRequest, Committed, Opened
from weyl.storage.queries.uploads import select_upload
from weyl.storage.service.commit import CommitOrder, commit
from weyl.storage.service.state import UploadOrder, Uploads
from weyl.storage.service.uploads import open_upload
from weyl.storage.uploads import Landed, Wanted

_READ = frozenset({"OutputData", "OutputMetadata", "OutputPath", "OutputSE", "Workflow"})
_NOTHING = "registered"
EDGES_MAX = 1_000_000
"""Of ancestors that one upload says, of all its files together."""
THREAD_FROM = 20_000
"""So many comparisons of a file with an item take longer than to hand them to a thread."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What the description of a job says of its output data."""

    row: RunOfJob
    said: Description
    home: str
    pattern: str

    @classmethod
    def of(cls, row: RunOfJob, config: Config) -> "Leaving":
        """Read the description of one job."""
        document = fill(dict(row.document), row.parameters, row.job_id)
        options = config.operations[row.vo].data_management
        home = options.home_of(row.vo, row.owner) or ""
        return cls(row, Description.read(document, only=_READ), home, options.lfn_pattern)

    def wanted(self, asked: ProducedFiles) -> list[Wanted]:
        """Return what is to be registered; raises `BadOutputs` for files that the job was not to leave, or lacks.

        A workflow may have put out nothing where its document allows that. What the job has read is the ancestor of
        each file, unless that is too much to say with each: the job itself tells it as well.
        """
        names, files = set[str](), asked.files
        for each in files:
            if each.name in names:
                raise BadOutputs(f"{each.name[:200]!r} is named twice")
            names.add(each.name)
        if (item := self._missing(asked, names)) is not None:
            raise BadOutputs(f"No file for the output data {item[:200]!r} of job {self.row.job_id}")
        ancestors = self.row.lfns or []
        if len(ancestors) > ANCESTORS_MAX or len(ancestors) * len(files) > EDGES_MAX:
            ancestors = []
        return [self._wanted(each, ancestors) for each in files]

    def _missing(self, asked: ProducedFiles, names: Collection[str]) -> str | None:
        """Return one of the output data of which there is no file, though there must be one."""
        if self.said.workflow is None:
            return missing(names, self.said.output_data)
        there = {each.output for each in asked.files} | set(asked.elsewhere)
        return next(
            (each.source for each in self._bindings.values() if each.is_required and each.source not in there), None
        )

    def _wanted(self, file: ProducedFile, ancestors: Sequence[str]) -> Wanted:
        if not is_lfn(file.name) and (fault := fault_of_name(file.name)) is not None:
            raise BadOutputs(f"{file.name[:200]!r} {fault}")
        lfn, ses = self._bound(file) if self.said.workflow else self._listed(file)
        if (fault := new_fault_of(lfn, self.pattern)) is not None:
            raise BadOutputs(f"{lfn[:200]!r} {fault}")
        try:
            checksums = Checksums.from_json(file.checksums)
        except ValueError as error:
            raise BadOutputs(f"{file.name[:200]!r}: {error}") from None
        metadata = {**self.said.output_metadata, **file.metadata}
        return Wanted(file.name, lfn, file.size, checksums, metadata=metadata, ancestors=ancestors, ses=ses or None)

    def _listed(self, file: ProducedFile) -> tuple[str, Sequence[str]]:
        if not is_covered(file.name, self.said.output_data):
            raise BadOutputs(f"{file.name[:200]!r} is not among the output data of job {self.row.job_id}")
        return lfn_of(file.name, self._directory(self.said.output_path)), self.said.output_se

    def _bound(self, file: ProducedFile) -> tuple[str, Sequence[str]]:
        binding = self._bindings.get(file.output or "")
        if binding is None:
            raise BadOutputs(f"{file.name[:200]!r} is of no output that job {self.row.job_id} has as output data")
        return lfn_of_workflow(file.name, self._directory(binding.path), self.row.job_id), binding.ses

    @property
    def _bindings(self) -> Mapping[str, Binding]:
        assert self.said.workflow is not None, "jobs that run one have bindings"
        return {binding.source: binding for binding in self.said.workflow.bindings}

    def _directory(self, path: str | None) -> str:
        return directory_of(path, home=self.home, job_id=self.row.job_id)


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where output data go on their way: the database for reads of its own, and the uploads of the room below."""

    db: Database
    uploads: Uploads

    async def open(
        self, permit: Managed, job_id: int, asked: ProducedFiles, *, config: Config, now: datetime
    ) -> Opened:
        """Open the upload of a run, or return the one that it has: what it leaves, and where each file may be written.

        Raises `RunIsOver` and `BadOutputs`. A run that leaves nothing is registered at once.
        """
        row = await self._run(permit, job_id)
        if row.output_state is None:
            raise BadOutputs(f"Job {job_id} has no output data: its description asks for none")
        leaving = Leaving.of(row, config)
        if len(asked.files) * len(leaving.said.output_data) < THREAD_FROM:
            wanted = leaving.wanted(asked)
        else:
            wanted = await asyncio.to_thread(leaving.wanted, asked)
        if not wanted:
            return await self._nothing(row, now=now)
        order = UploadOrder(
            files=wanted,
            ses=output_ses(config, row.vo, site=row.site),
            site=row.site,
            protocols=asked.protocols,
            is_atomic=True,
            job=JobRun(job_id, row.attempt),
            pilot_stamp=row.pilot_stamp,
        )
        return await open_upload(self.uploads, config, member_of(row, config), order, now=now)

    async def commit(
        self, permit: Managed, job_id: int, upload_id: int, landed: CommitRequest, *, config: Config, now: datetime
    ) -> Committed:
        """Commit the upload of a run; raises `RunIsOver` for one whose run is over, and it is abandoned."""
        permit.all_exist()
        async with self.db.read() as tx:
            upload = await select_upload(tx, upload_id)
        if upload is None or upload.job_id != job_id or upload.attempt is None:
            raise UploadNotFound(f"Job {job_id} has no upload {upload_id}")
        if permit.runs[job_id] != upload.pilot_stamp:
            raise RunIsOver(job_id)
        told = {name: Landed(each.se, each.etags) for name, each in landed.landed.items()}
        run, order = JobRun(job_id, upload.attempt), CommitOrder(upload_id, told)
        return await commit(self.uploads, config, run, order, now=now)

    async def _run(self, permit: Managed, job_id: int) -> RunOfJob:
        permit.all_exist()
        if job_id in permit.past:
            raise RunIsOver(job_id)
        async with self.db.read() as tx:
            row = await queries.select_run(tx, job_id)
        if row is None:
            raise JobNotFound(job_id)
        if row.status not in WITH_OUTPUTS or row.pilot_stamp != permit.runs[job_id]:
            raise RunIsOver(job_id)
        return row

    async def _nothing(self, row: RunOfJob, *, now: datetime) -> Opened:
        async with self.db.transaction() as tx:
            await _note_nothing(tx, row, now=now)
        return Opened(upload_id=None, state=_NOTHING, expires_at=None, files={}, failed={})


async def _note_nothing(tx: Tx, row: RunOfJob, *, now: datetime) -> None:
    """Note that a run leaves no output data; it must still be the one that has said so.

    What earlier runs have left is not the job's output any more.
    """
    found = await queries.lock_run(tx, row.job_id)
    if found is None or (found[0].pilot_stamp, found[1]) != (row.pilot_stamp, row.attempt):
        raise RunIsOver(row.job_id)
    if found[0].output_state == WANTED:
        await trash_earlier(tx, row.vo, row.owner, JobRun(row.job_id, row.attempt), now=now)
        await queries.note_registered(tx, row.job_id)


def member_of(row: RunOfJob, config: Config) -> Member:
    """Return whose rights count for the files of a job: its owner's, in the job's group as it is now."""
    group = config.registry[row.vo].groups.get(row.owner_group)
    return member(row.vo, row.owner, row.owner_group, frozenset() if group is None else group.properties)


OUTPUTS: Key[Outputs] = Key("the uploads of output data")
