"""The status documents of each VO, written once for each revision of the configuration."""

from weyl.config.service import Snapshot
from weyl.kit import json
from weyl.kit.http import Document
from weyl.kit.ids import sha256_hex
from weyl.resource_status.policy import Viewer
from weyl.resource_status.statuses import Kind, view


class StatusBoard:
    """Keeps the documents of the newest revision; no answer costs a statement or a serialisation twice."""

    def __init__(self) -> None:
        self._revision = ""
        self._documents: dict[tuple[str, Kind], Document] = {}

    def document(self, viewer: Viewer, kind: Kind, snapshot: Snapshot) -> Document:
        """Return the document of one kind for one VO."""
        if snapshot.revision != self._revision:
            self._revision, self._documents = snapshot.revision, {}
        key = (viewer.vo, kind)
        if key not in self._documents:
            self._documents[key] = _write(viewer.vo, kind, snapshot)
        return self._documents[key]


def _write(vo: str, kind: Kind, snapshot: Snapshot) -> Document:
    """Name the document by its content: a revision that changes nothing for this VO leaves its copies good.

    A process that is behind another one then gives the same tag for the same content, too.
    """
    elements = view(snapshot.config, vo, kind)
    body = json.dumps(elements)
    digest = sha256_hex(body)[:16] if elements else "empty"
    return Document(body, f"{digest}-{len(elements)}-{vo}", snapshot.modified)
