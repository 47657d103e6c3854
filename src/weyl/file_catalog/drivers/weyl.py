"""The catalogue of weyl itself, as jobs ask it: which files a VO has, and where they can be read."""

from collections.abc import Mapping, Sequence

from weyl.config.models import Config
from weyl.file_catalog.drivers.catalog import File, Replica
from weyl.file_catalog.queries.of_jobs import select_located
from weyl.kit.db import Database


class WeylCatalog:
    """Answers from the tables of the catalogue, whoever may read the files."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def locate(self, vo: str, lfns: Sequence[str], config: Config) -> Mapping[str, File]:
        """Return those of the files that the VO has, with their Good replicas, or else with the Suspect ones."""
        async with self._db.read() as tx:
            found = await select_located(tx, vo, lfns)
        return {row.lfn: File(tuple(map(Replica, row.good or row.suspect)), row.size) for row in found}
