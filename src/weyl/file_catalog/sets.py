"""Effective values of directories: what holds for all files below, the nearest value first; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from weyl.file_catalog.fields import Value
from weyl.kit import json

Doc = dict[int, Value]
"""Values by the ids of their fields."""

HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Placed:
    """A directory with its own values; `lineage` are the ids from the root of its VO down to itself."""

    dir_id: int
    vo_id: int
    lineage: Sequence[int]
    own: Mapping[int, Value]


def effective(lineage: Sequence[int], own: Mapping[int, Mapping[int, Value]]) -> Doc:
    """Return the values that hold in a directory, of the own values of those above it and of itself."""
    doc: Doc = {}
    for dir_id in lineage:
        doc.update(own.get(dir_id, {}))
    return doc


def effective_of(directories: Iterable[Placed]) -> dict[int, Doc]:
    """Return what holds in each of some directories; those above that have values must be among them."""
    known = list(directories)
    own = {each.dir_id: each.own for each in known if each.own}
    return {each.dir_id: effective(each.lineage, own) for each in known}


def text_of(doc: Mapping[int, Value]) -> str:
    """Return the document of a set in its one form."""
    return json.dumps_text({str(field_id): doc[field_id] for field_id in sorted(doc)})


def hash_of(text: str) -> bytes:
    """Return what the text of a set is known by."""
    return blake2b(text.encode(), digest_size=HASH_BYTES).digest()
