"""The outputs of a run: files that the tools have made are moved to one directory, inputs keep their addresses."""

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schema_salad.ref_resolver import uri_file_path

from weyl_engine.running.locations import CLASSES, Locations
from weyl_engine.running.workplace import Workplace

BLOCK = 1 << 20
# What cwltool keeps for itself, or what says the same as the location.
_PRIVATE = ("path", "nameroot", "nameext", "dirname", "contents", "listing", "http://commonwl.org/cwltool#generation")


class Escaped(Exception):
    """An output leads out of the directory of its job, or nowhere."""


class Gathering:
    """Moves outputs, once each, however many parts of the output object name them."""

    def __init__(self, place: Workplace, locations: Locations) -> None:
        self._place = place
        self._locations = locations
        self._moved: dict[str, Path] = {}
        """Real path before -> path now."""
        self._targets: dict[tuple[str, str], Path] = {}
        """Real path before and name in the output object -> path now."""
        self._numbers: defaultdict[str, int] = defaultdict(lambda: 1)
        """The number to try first, by name: thousands of outputs may have the same."""

    def gathered(self, outputs: Any) -> Any:
        """Return the output object with plain paths below the job's directory as locations, `outputs/lines.txt`.

        Raises Escaped when an output is a link that leaves the directory of the job.
        """
        self._place.outputs.mkdir(exist_ok=True)
        found = list(_entries(outputs))
        directories = [entry for entry in found if entry["class"] == "Directory"]
        real = {id(entry): self._real(entry) for entry in found}
        ours = [path for entry in directories if (path := real[id(entry)]) is not None and self._is_ours(path)]
        for path in ours:
            self._settle(Path(path))
        # Outer directories first: what lies in one of them moves with it.
        for path in sorted(set(ours), key=lambda path: path.count(os.sep)):
            if self._now(path) is None:
                name = _name_in(directories, real, path)
                self._targets[path, name] = self._move(path, self._free([name])[0])
        return self._placed(outputs)

    # -- one object ---------------------------------------------------------------------------------------------------

    def _placed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._placed(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class") not in CLASSES:
            return {key: self._placed(item) for key, item in value.items()}
        return self._primary(value)

    def _primary(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Place a file with its secondary files, which keep the name of their primary, or a directory."""
        members = [entry, *(item for item in entry.get("secondaryFiles") or () if isinstance(item, dict))]
        names = iter(self._free([_basename(member) for member in members]))
        placed = self._place_one(entry, next(names))
        if "secondaryFiles" in entry:
            placed["secondaryFiles"] = [self._place_one(member, next(names)) for member in members[1:]]
        return placed

    def _place_one(self, entry: dict[str, Any], name: str) -> dict[str, Any]:
        path = self._real(entry)
        if path is None:
            return self._literal(entry, name) if self._is_literal(entry) else _described(entry, entry["location"])
        now, is_same_name = self._now(path), Path(path).name == _basename(entry)
        if now is None and self._is_input(path) and is_same_name:
            return self._input(entry, path)
        if now is not None and now.parent != self._place.outputs and now.name == _basename(entry):
            return self._local(entry, now)
        target = self._targets.get((path, _basename(entry)))
        if target is None:
            is_ours = now is None and self._is_ours(path)
            target = self._move(path, name) if is_ours else _copied(now or Path(path), self._place.outputs / name)
            self._targets[path, _basename(entry)] = target
        return self._local(entry, target)

    def _local(self, entry: dict[str, Any], path: Path) -> dict[str, Any]:
        """Describe what lies below `outputs/`; the listing of a directory is what cwltool has seen in it."""
        described = _described(entry, str(path.relative_to(self._place.base)), path)
        if "listing" in entry:
            described["listing"] = [self._local(item, path / _basename(item)) for item in entry["listing"]]
        return described

    def _input(self, entry: dict[str, Any], path: str) -> dict[str, Any]:
        described = _described(entry, self._locations.address(path), Path(path))
        if "listing" in entry:
            described["listing"] = [self._input(item, f"{path}/{_basename(item)}") for item in entry["listing"]]
        return described

    def _literal(self, entry: dict[str, Any], name: str) -> dict[str, Any]:
        path = self._place.outputs / name
        self._write(entry, path)
        return self._local(entry, path)

    def _write(self, entry: dict[str, Any], path: Path) -> None:
        """Make a file of its contents, or a directory of its listing; a directory holds all that it lists."""
        if self._is_literal(entry) and entry["class"] == "File":
            path.write_text(entry.get("contents") or "", encoding="utf-8")
        elif self._is_literal(entry):
            path.mkdir()
            for item in entry.get("listing") or ():
                self._write(item, path / _basename(item))
        else:
            real = self._real(entry)
            assert real is not None
            _copied(self._now(real) or Path(real), path)

    # -- paths --------------------------------------------------------------------------------------------------------

    def _real(self, entry: dict[str, Any]) -> str | None:
        """Return where the bytes are; None: not here, or not yet."""
        location = str(entry.get("location") or "")
        if self._is_literal(entry) or not (location.startswith("file://") or "://" not in location):
            return None
        path = uri_file_path(location) if location.startswith("file://") else location
        if self._now(path) is not None:
            return path
        real = os.path.realpath(path)
        if not self._is_inside(real):
            raise Escaped(f"the output {_basename(entry)} leads out of the directory of the job")
        if not Path(real).exists() and self._now(real) is None:
            raise Escaped(f"the output {_basename(entry)} leads nowhere")
        return real

    def _is_literal(self, entry: dict[str, Any]) -> bool:
        """Whether an entry is its own content: for a tool, cwltool writes such a file, and removes it afterwards."""
        location = str(entry.get("location") or "_:")
        is_gone = location.startswith("/") and not Path(location).exists() and self._now(location) is None
        return location.startswith("_:") or ("contents" in entry and is_gone)

    def _is_inside(self, path: str) -> bool:
        return path.startswith(f"{self._place.base}{os.sep}")

    def _is_ours(self, path: str) -> bool:
        return path.startswith(f"{self._place.work}{os.sep}")

    def _is_input(self, path: str) -> bool:
        return path.startswith(f"{self._place.inputs}{os.sep}")

    def _now(self, path: str) -> Path | None:
        """Return where a path is that was moved, by itself or with a directory around it."""
        known = self._moved.get(path)
        if known is not None:
            return known
        for parent in Path(path).parents:
            moved = self._moved.get(str(parent))
            if moved is not None:
                return moved / os.path.relpath(path, parent)
        return None

    def _move(self, path: str, name: str) -> Path:
        target = self._place.outputs / name
        Path(path).rename(target)
        self._moved[path] = target
        return target

    def _free(self, names: list[str]) -> list[str]:
        """Return names that nothing has yet: as they are, or all with one number, before what differs in them."""
        number = self._numbers[names[0]]
        while True:
            numbered = names if number == 1 else [_numbered(name, names[0], number) for name in names]
            if not any(os.path.lexists(self._place.outputs / name) for name in numbered):
                self._numbers[names[0]] = number
                return numbered
            number += 1

    def _settle(self, directory: Path) -> None:
        """Put what links lead to in their place, so that the directory can be moved; its own links stay links."""
        for parent, directories, files in os.walk(directory):
            for name in (*directories, *files):
                path = Path(parent, name)
                if path.is_symlink():
                    self._settle_link(path, directory)

    def _settle_link(self, path: Path, directory: Path) -> None:
        real = Path(os.path.realpath(path))
        if not self._is_inside(str(real)) or not real.exists():
            raise Escaped(f"the link {path.relative_to(directory)} in an output leads out of the directory of the job")
        path.unlink()
        if real.is_relative_to(directory):
            path.symlink_to(os.path.relpath(real, path.parent))
        else:
            _copied(real, path)


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each file and directory of an output object, also secondary files; not what directories list."""
    if isinstance(value, list):
        for item in value:
            yield from _entries(item)
    elif isinstance(value, dict) and value.get("class") in CLASSES:
        yield value
        yield from _entries(value.get("secondaryFiles"))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _entries(item)


def _basename(entry: dict[str, Any]) -> str:
    name = entry.get("basename") or str(entry.get("location") or "").rstrip("/").rpartition("/")[2]
    return str(name).replace("/", "_") or "output"


def _name_in(directories: list[dict[str, Any]], real: dict[int, str | None], path: str) -> str:
    return next(_basename(entry) for entry in directories if real[id(entry)] == path)


def _numbered(name: str, primary: str, number: int) -> str:
    """Put a number behind the root of the primary's name, else before the extension."""
    root = Path(primary).stem
    if not name.startswith(root):
        root = Path(name).stem
    return f"{root}_{number}{name[len(root) :]}"


def _copied(source: Path, target: Path) -> Path:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
    return target


def _described(entry: dict[str, Any], location: str, path: Path | None = None) -> dict[str, Any]:
    """Return what the output object says of a file or directory, with checksum and size as cwltool gives them."""
    described = {key: value for key, value in entry.items() if key not in (*_PRIVATE, "secondaryFiles")}
    described["location"] = location
    described["basename"] = path.name if path is not None else _basename(entry)
    if entry["class"] == "File" and path is not None:
        described["size"] = path.stat().st_size
        described.setdefault("checksum", "")
        described["checksum"] = described["checksum"] or f"sha1${_sha1(path)}"
    return described


def _sha1(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha1").hexdigest()
