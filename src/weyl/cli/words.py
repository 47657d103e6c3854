"""What earlier commands have shown, kept for the completion of later ones: ids, sites, groups, logins."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Columns whose values are worth typing again.
COLUMNS = ("Site", "GridSite", "DestinationSite", "JobGroup", "Owner", "VO")
# What later commands are given the ids of, by the unit of the rows that had them.
UNITS = frozenset(
    (
        *("jobs", "pilots", "task queues", "tasks", "dead letters", "logins", "sites"),
        *("computing elements", "storage elements", "transfer servers"),
        *("files", "entries", "fields"),
    )
)
# A job of yesterday may have become something else; its id is still the one to type.
AGE_MAX_S = 24 * 3600
WORDS_MAX = 200

# kind -> word -> (when it was seen, what it is).
Words = dict[str, dict[str, tuple[float, str]]]


@dataclass(slots=True)
class Learner:
    """Takes up what one command shows, a bounded number of words of each kind."""

    seen: Words = field(default_factory=dict)

    def take(self, unit: str, id_column: str, row: Mapping[str, Any]) -> None:
        """Note the id of a row, what state it is in, and the names in it."""
        now = time.time()
        ids = self.seen.setdefault(unit, {})
        if unit in UNITS and row.get(id_column) is not None and len(ids) < WORDS_MAX:
            ids[str(row[id_column])] = (now, " ".join(str(row[key]) for key in ("Status", "JobName") if row.get(key)))
        for column in COLUMNS:
            known = self.seen.setdefault(column, {})
            if row.get(column) and len(known) < WORDS_MAX:
                known[str(row[column])] = (now, "")

    def save(self, path: Path, installation: str) -> None:
        """Add the words to the file; whoever cannot write it goes without completion, not without the command."""
        new = {kind: words for kind, words in self.seen.items() if words}
        if not new:
            return
        with suppress(OSError):
            everything = {**_read(path), installation: _merged(load(path, installation), new)}
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}")
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(everything, file)
            part.replace(path)


def load(path: Path, installation: str) -> Words:
    """Return the words of an installation that are not too old."""
    oldest = time.time() - AGE_MAX_S
    kept: Words = {}
    with suppress(AttributeError, TypeError, ValueError):
        for kind, words in _read(path).get(installation, {}).items():
            kept[kind] = {word: (at, about) for word, (at, about) in words.items() if at > oldest}
    return kept


def profiles(directory: Path) -> Iterable[str]:
    """Return the names of the logins that are kept here."""
    return sorted(path.stem.removeprefix("credentials-") for path in directory.glob("credentials-*.json"))


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _merged(old: Words, new: Words) -> Words:
    """Put what was just seen in front, and forget what was not seen for longest."""
    merged = {**old}
    for kind, words in new.items():
        both = {**words, **{word: known for word, known in old.get(kind, {}).items() if word not in words}}
        merged[kind] = dict(list(both.items())[:WORDS_MAX])
    return merged
