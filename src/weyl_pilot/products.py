"""What a payload has made and is to be kept as output data: found below its directory, measured, opened again."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Collection, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from weyl_pilot.archive import BLOCK, find_outputs
from weyl_pilot.errand import Errand
from weyl_pilot.results import open_owned, read_owned
from weyl_pilot.sums import Sums
from weyl_pilot.work import is_logical

METADATA = "outputs/metadata.json"
METADATA_BYTES_MAX = 4 << 20


class BadProducts(Exception):
    """Output data are not there, or not as they should be; the text names them."""


@dataclass(frozen=True)
class Product:
    """One file that is to be kept, and how to know it again."""

    name: str
    """What the job calls it."""
    path: str
    """Where it is, below the job's directory."""
    size: int = 0
    checksums: Mapping[str, str] = field(default_factory=dict)
    seal: Tuple[int, ...] = ()
    """Changes with the file."""
    output: Optional[str] = None
    """Of which output of a workflow it is."""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def told(self) -> Dict[str, Any]:
        """What the server is told of it."""
        said: Dict[str, Any] = {"name": self.name, "size": self.size, "checksums": dict(self.checksums)}
        if self.output is not None:
            said["output"] = self.output
        if self.metadata:
            said["metadata"] = dict(self.metadata)
        return said


@dataclass(frozen=True)
class Found:
    """Where the payload of one job has put what it made."""

    run: Path
    owner: Optional[int]
    brought: Collection[str] = ()
    """Paths of files that were there before: no pattern means them, only their names do."""

    def listed(self, items: Iterable[str]) -> Dict[str, str]:
        """The paths that names, patterns and logical files mean, by name; raises BadProducts where one means none."""
        items = list(dict.fromkeys(items))
        named = {item: item.rpartition("/")[2] for item in items if is_logical(item)}
        found: Dict[str, str] = {}
        missing: List[str] = []
        for item in items:
            if item in named:
                paths = [name for name in [named[item]] if self._is_file(name)]
                found.update(dict.fromkeys([item], *paths) if paths else {})
            else:
                paths = self._matched(item)
                # A file with a logical name of its own is not kept under a second one.
                found.update({path: path for path in paths if path == item or path not in named.values()})
            if not paths:
                missing.append(item)
        if missing:
            raise BadProducts("not there: " + ", ".join(missing))
        return found

    def measured(self, files: Mapping[str, str], errand: Errand, outputs: Mapping[str, str]) -> List[Product]:
        """Reads every file once; raises BadProducts or Halted."""
        said = self._metadata()
        products = []
        for name, path in files.items():
            errand.told = "checksum of %s" % name
            size, sums, seal = self._read(path, errand)
            told = next((said[key] for key in (name, path, path.rpartition("/")[2]) if key in said), {})
            products.append(Product(name, path, size, sums, seal, outputs.get(name), told))
        return products

    def open(self, product: Product) -> IO[bytes]:
        """Opens what was measured; raises OSError when it is another file by now."""
        stream = self._opened(product.path)
        if stream is None:
            raise OSError("%s is not there any more" % product.path)
        if _seal(stream) != product.seal:
            stream.close()
            raise OSError("%s was changed while it was stored" % product.path)
        return stream

    def _matched(self, item: str) -> List[str]:
        plain = os.path.normpath(item)
        if self._is_file(plain) and not os.path.isabs(item) and not plain.startswith("../"):
            return [plain]
        names, _ = find_outputs(self.run, [item])
        return [name for name in names if self._is_file(name) and name not in (METADATA, *self.brought)]

    def _is_file(self, path: str) -> bool:
        try:
            return stat.S_ISREG(os.lstat(str(self.run / path)).st_mode) and self._is_inside(path)
        except (OSError, ValueError):
            return False

    def _is_inside(self, path: str) -> bool:
        top = os.path.realpath(str(self.run))
        return os.path.realpath(str(self.run / path)).startswith(top + os.sep)

    def _opened(self, path: str) -> Optional[IO[bytes]]:
        return open_owned(os.path.realpath(str(self.run / path)), self.owner) if self._is_inside(path) else None

    def _read(self, path: str, errand: Errand) -> Tuple[int, Dict[str, str], Tuple[int, ...]]:
        stream = self._opened(path)
        if stream is None:
            raise BadProducts("%s is not a file of the job's own" % path)
        with stream:
            seal, size, sums = _seal(stream), 0, Sums()
            for block in iter(lambda: stream.read(BLOCK), b""):
                errand.check()
                size += len(block)
                sums.update(block)
            return size, sums.values(), seal

    def _metadata(self) -> Mapping[str, Mapping[str, Any]]:
        """What the payload says of its files; raises BadProducts when that cannot be read."""
        if not os.path.lexists(str(self.run / METADATA)):
            return {}
        content = read_owned(self.run / METADATA, self.owner, METADATA_BYTES_MAX) if self._is_inside(METADATA) else None
        try:
            said = json.loads(content or b"")
        except (ValueError, RecursionError) as error:
            raise BadProducts("%s is no JSON" % METADATA) from error
        if not isinstance(said, dict) or not all(isinstance(values, dict) for values in said.values()):
            raise BadProducts('%s must be like {"file": {"field": value}}' % METADATA)
        return said


def _seal(stream: IO[bytes]) -> Tuple[int, ...]:
    facts = os.fstat(stream.fileno())
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def files_below(run: Path, directory: str) -> Sequence[str]:
    """The paths of all files in a directory, below the job's own."""
    found = []
    for parent, _, names in os.walk(str(run / directory)):
        found += [os.path.relpath(os.path.join(parent, name), str(run)) for name in names]
    return sorted(found)
