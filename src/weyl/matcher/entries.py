"""The classes that one process knows of, and what it believes of their jobs."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from weyl.kit import json
from weyl.matcher.evaluation import Needs, needs_of


@dataclass(slots=True, eq=False)
class Entry:
    """One class in the index, with what this process believes of its jobs."""

    class_id: int
    # The document as JSON: parsed it would take ten times the room, and it is wanted only when a job is given out.
    text: bytes
    needs: Needs
    bit: int
    # The oldest waiting job when last seen, and how many waited; None: not known.
    head: int = 0
    waiting: int | None = None
    # How many of them claims that are under way ask for.
    under_way: int = 0
    # The last job popped here: the index of the queue holds dead entries below it. 0: start at the beginning.
    floor: int = 0
    # Whether it takes part, and stands in the line of its owner: the many that have run dry are not walked past.
    is_in_line: bool = False
    # Notices heard for this class, to tell whether one came while a pop was under way.
    notices: int = 0
    idle_sweeps: int = 0

    @property
    def document(self) -> dict[str, Any]:
        """Return the document of the class."""
        return json.loads(self.text)  # type: ignore[no-any-return]


class EntryMaker:
    """Makes entries; what many classes have in common is kept once."""

    def __init__(self) -> None:
        self._known: dict[object, Any] = {}

    def __len__(self) -> int:
        return len(self._known)

    def entry(self, class_id: int, document: Mapping[str, Any], bit: int) -> Entry:
        """Return the entry of a class."""
        needs = needs_of(document)
        shared = {name: self._shared(getattr(needs, name)) for name in _SHARED}
        # A copy of just its size: what orjson returns keeps the room that it was written in, five times as much.
        text = bytes(memoryview(json.dumps(document)))
        return Entry(class_id, text, replace(needs, **shared), bit)

    def _shared(self, value: Any) -> Any:
        if isinstance(value, frozenset | tuple) and value not in self._known:
            value = type(value)(map(sys.intern, value))
        return self._known.setdefault(value, value)


_SHARED = (
    *("vo", "group", "owner", "job_type", "sites", "banned_sites", "avoided_hosts", "local_data"),
    *("system", "architecture", "features", "ram", "ram_limit", "gpu", "expression"),
)
