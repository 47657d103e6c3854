"""The archive in which a node without a network leaves the output data of a job: pure."""

import io
import tarfile
from collections.abc import Mapping
from typing import Any

from weyl.kit import json
from weyl.pilots.bundles import LISTING
from weyl_pilot.products import Product

BYTES_MAX = 100 << 20
LISTING_BYTES_MAX = 16 << 20
ARCHIVE_BYTES_MAX = BYTES_MAX + LISTING_BYTES_MAX
FILES_MAX = 10_000
OUTPUTS_MAX = 1_000


def read_output_data(content: bytes) -> list[tuple[Product, int]]:
    """Return each file that is listed, with where it begins in the archive; raises `ValueError`.

    The archive is the node's, and a payload may have written it: what counts in the end is what the server compares.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            listing = _files(_listing(archive))
            found: list[tuple[Product, int]] = []
            for number, said in enumerate(listing):
                member = archive.next()
                product = _product(said)
                if member is None or not member.isreg() or member.name != str(number) or member.size != product.size:
                    raise ValueError(f"the output data do not hold {product.name[:200]} as it is listed")
                if member.offset_data + member.size > len(content):
                    raise ValueError("the output data are cut short")
                found.append((product, member.offset_data))
            return found
    except (tarfile.TarError, EOFError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"the output data cannot be read: {type(error).__name__}") from error


def read_elsewhere(content: bytes) -> list[str]:
    """Return the outputs whose files were there before, as an archive says that can be read."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        said = _listing(archive).get("elsewhere")
    return list(map(str, said[:OUTPUTS_MAX])) if isinstance(said, list) else []


def _listing(archive: tarfile.TarFile) -> Mapping[str, Any]:
    first = archive.next()
    if first is None or first.name != LISTING or not first.isreg() or first.size > LISTING_BYTES_MAX:
        raise ValueError("the output data do not begin with their list")
    stream = archive.extractfile(first)
    listing: Mapping[str, Any] = json.loads(stream.read() if stream is not None else b"")
    return listing


def _files(listing: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    files = listing["files"]
    if not isinstance(files, list) or len(files) > FILES_MAX:
        raise ValueError(f"the output data are not a list of at most {FILES_MAX} files")
    return files


def _product(said: Mapping[str, Any]) -> Product:
    output, metadata = said.get("output"), said.get("metadata") or {}
    size = int(said["size"])
    if size < 0 or not isinstance(metadata, dict):
        raise ValueError("the list of the output data makes no sense")
    return Product(
        name=str(said["name"]),
        path=str(said["name"]),
        size=size,
        checksums={str(name): str(value) for name, value in said["checksums"].items()},
        output=None if output is None else str(output),
        metadata=metadata,
    )
