"""SQL of what jobs ask of the catalogue: where files are, and which files the runs of jobs have put out."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.config.lfns import name_of, parent_of
from weyl.file_catalog.names import path_hash
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class LocatedFile(NamedTuple):
    """A file of a VO, and the storage elements of its replicas, in order, by their status."""

    lfn: str
    file_id: int
    size: int
    good: list[str]
    suspect: list[str]


class OutputFile(NamedTuple):
    """A file that a run of a job has registered."""

    lfn: str
    file_id: int
    size: int
    status: str
    attempt: int


_WANTED = """
  unnest(CAST(:lfns AS text[]), CAST(:hashes AS bytea[]), CAST(:paths AS text[]), CAST(:names AS text[]))
    AS wanted (lfn, hash, path, name)
  JOIN directories AS directory ON directory.path_hash = wanted.hash AND directory.path = wanted.path
  JOIN file_vos AS vo ON vo.vo_id = directory.vo_id AND vo.name = :vo
  JOIN files AS file ON file.dir_id = directory.dir_id AND file.name = wanted.name AND file.status = 'Good'
"""
_LOCATE = Sql(
    f"""
    SELECT wanted.lfn, file.file_id, file.size,
      ARRAY(
        SELECT CAST(se.name AS text) FROM replicas JOIN se_names AS se USING (se_id)
        WHERE replicas.file_id = file.file_id AND replicas.status = 'Good' ORDER BY se.name) AS good,
      ARRAY(
        SELECT CAST(se.name AS text) FROM replicas JOIN se_names AS se USING (se_id)
        WHERE replicas.file_id = file.file_id AND replicas.status = 'Suspect' ORDER BY se.name) AS suspect
    FROM {_WANTED}
    """,
    LocatedFile,
)
_OUTPUTS = Sql(
    """
    SELECT directory.path || '/' || file.name AS lfn, file_id, size, file.status, attempt
    FROM files AS file JOIN directories AS directory USING (dir_id)
    WHERE job_id = :job_id ORDER BY attempt, lfn
    """,
    OutputFile,
)


async def select_located(tx: Tx, vo: str, lfns: Sequence[str]) -> list[LocatedFile]:
    """Return those of these files that the VO has, with the places of their replicas; Bad ones are left out."""
    paths = [parent_of(lfn) for lfn in lfns]
    return await _LOCATE.rows(
        tx,
        vo=vo,
        lfns=lfns,
        hashes=list(map(path_hash, paths)),
        paths=paths,
        names=[name_of(lfn) for lfn in lfns],
    )


async def select_outputs_of_job(tx: Tx, job_id: int) -> list[OutputFile]:
    """Return the files that runs of a job have registered, those of earlier runs, which are in the trash, first."""
    return await _OUTPUTS.rows(tx, job_id=job_id)
