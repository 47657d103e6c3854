"""The files that a run reads: where each can be had from where it runs, with the rights of the owner of the job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from weyl.config.input_data import WEYL
from weyl.config.models import Config
from weyl.descriptions.description import Description
from weyl.descriptions.input_files import lfns_of
from weyl.descriptions.parametric import fill
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.drivers.catalog import CatalogUnavailable, FileCatalog
from weyl.file_catalog.models.files import Code, Failure
from weyl.file_catalog.queries.of_jobs import select_outputs_of_job
from weyl.file_catalog.service.reading import Found, readable
from weyl.jobs.errors import InputsUnknown, JobNotFound, RunIsOver
from weyl.jobs.models.files import InputFile, InputFiles, InputReplica, InputShown, JobFiles, OutputShown
from weyl.jobs.permits import Managed, Readable
from weyl.jobs.queries import files as queries
from weyl.jobs.queries.files import RunOfJob
from weyl.jobs.service.output_data import member_of
from weyl.jobs.states import ACTIVE
from weyl.kit.db import Database, Tx
from weyl.kit.services import Key
from weyl.storage.elements import PROTOCOLS
from weyl.storage.service.access import Access, Reader, access
from weyl.storage.service.reach import Storages

_READ = frozenset({"InputData", "InputSandbox"})


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A file that another catalogue has, which says little of it; its storage paths are its name."""

    size: int | None
    replicas: Sequence[tuple[str, str, str]]
    checksums: Checksums = field(default_factory=Checksums)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What tells where files are, and hands out requests for them."""

    db: Database
    storages: Storages
    catalogs: Mapping[str, FileCatalog]

    async def of_run(
        self, permit: Managed, job_id: int, protocols: Sequence[str] | None, *, config: Config, now: datetime
    ) -> InputFiles:
        """Return the files that a run reads, each with requests, the nearest place first.

        Files whose places hand nothing out are left out: the program opens them itself. Raises `RunIsOver`, and
        `InputsUnknown` if the catalogue cannot be asked.
        """
        permit.all_exist()
        async with self.db.read() as tx:
            row = await queries.select_run(tx, job_id)
        if row is None:
            raise JobNotFound(job_id)
        if job_id in permit.past or row.status not in ACTIVE:
            raise RunIsOver(job_id)
        lfns = lfns_of(Description.read(fill(dict(row.document), row.parameters, job_id), only=_READ))
        found, failed = await self._find(row, lfns, config)
        with_doors = {lfn: file for lfn, file in found.items() if _has_doors(file, config)}
        reader = Reader(subject=row.owner, site=row.site, protocols=protocols or PROTOCOLS, now=now)
        given = await access(self.storages, config, row.vo, with_doors, reader=reader)
        failed |= {lfn: Failure(Code.BUSY, reason) for lfn, reason in given.closed.items()}
        shown = {lfn: _shown(with_doors[lfn], places) for lfn, places in given.requests.items()}
        return InputFiles(files=shown, failed=failed)

    async def _find(
        self, row: RunOfJob, lfns: Sequence[str], config: Config
    ) -> tuple[dict[str, Found | Elsewhere], dict[str, Failure]]:
        if not lfns:
            return {}, {}
        name = str(config.operations[row.vo].input_data.catalog)
        if name == WEYL:
            async with self.db.read() as tx:
                known = await readable(tx, member_of(row, config), lfns, config=config)
            return dict(known.files), dict(known.failed)
        catalog = self.catalogs.get(name)
        if catalog is None:
            raise InputsUnknown(f"No file catalogue {name} is installed")
        try:
            located = await catalog.locate(row.vo, lfns, config)
        except CatalogUnavailable as error:
            raise InputsUnknown(f"The file catalogue {name} cannot be reached: {error}") from error
        found: dict[str, Found | Elsewhere] = {
            lfn: Elsewhere(file.size, [(each.storage_element, "Good", lfn) for each in file.replicas])
            for lfn, file in located.items()
        }
        gone = Failure(Code.NOT_FOUND, f"no such file is in the file catalogue {name}")
        return found, {lfn: gone for lfn in lfns if lfn not in located}


def _has_doors(file: Found | Elsewhere, config: Config) -> bool:
    elements = config.resources.storage_elements
    return any(se in elements and elements[se].endpoints for se, *_ in file.replicas) or not file.replicas


def _shown(file: Found | Elsewhere, places: Sequence[Access]) -> InputFile:
    return InputFile(
        size=file.size,
        checksums=file.checksums.as_json(),
        replicas=[InputReplica(se=place.se, request=place.request.as_json()) for place in places],
    )


async def files_of_job(tx: Tx, permit: Readable, job_id: int, *, config: Config) -> JobFiles:
    """Return what a job reads, and what its runs have registered. Raises `JobNotFound`.

    Of inputs that the owner of the job may not read nothing but the name is told, which the description has.
    """
    row = await queries.select_run(tx, permit.one(job_id))
    if row is None:
        raise JobNotFound(job_id)
    lfns = row.lfns or []
    found = (await readable(tx, member_of(row, config), lfns, config=config)).files if lfns else {}
    inputs = [
        InputShown(lfn=lfn, file_id=found[lfn].file_id, size=found[lfn].size) if lfn in found else InputShown(lfn=lfn)
        for lfn in lfns
    ]
    outputs = [OutputShown.model_validate(each._asdict()) for each in await select_outputs_of_job(tx, job_id)]
    return JobFiles(inputs=inputs, outputs=outputs)


INPUTS: Key[Inputs] = Key("the places of input files")
