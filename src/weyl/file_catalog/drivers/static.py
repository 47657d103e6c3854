"""The catalogue that the configuration is: files and directories are listed with their storage elements."""

from collections.abc import Mapping, Sequence

from weyl.config.input_data import ListedFile
from weyl.config.models import Config
from weyl.file_catalog.drivers.catalog import File, Replica


class StaticCatalog:
    """Answers from `Operations.<VO>.InputData.Files`; the longest name that fits a file counts."""

    async def locate(self, vo: str, lfns: Sequence[str], config: Config) -> Mapping[str, File]:
        """Return those of the files that are listed, or lie below a listed directory."""
        listed = config.operations[vo].input_data.files
        found = {lfn: _entry(lfn, listed) for lfn in lfns}
        return {lfn: _file(entry) for lfn, entry in found.items() if entry is not None}


def _entry(lfn: str, listed: Mapping[str, ListedFile]) -> ListedFile | None:
    if lfn in listed:
        return listed[lfn]
    end = len(lfn)
    while (end := lfn.rfind("/", 0, end)) >= 0:
        if (entry := listed.get(lfn[: end + 1])) is not None:
            return entry
    return None


def _file(entry: ListedFile) -> File:
    return File(tuple(Replica(name) for name in entry.storage_elements), entry.size)
