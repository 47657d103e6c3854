"""Where the files of an input object are: addresses become paths, and paths become addresses again."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from schema_salad.ref_resolver import file_uri

from weyl_engine.running.workplace import Unpacked, Workplace

CLASSES = ("File", "Directory")
_SANDBOX = re.compile(r"(?:sandbox:|SB:[^|]*\|)(/[^#]*)(?:#(.*))?", re.IGNORECASE | re.DOTALL)
_LOGICAL = re.compile(r"lfn:(/[^#]*)", re.IGNORECASE | re.DOTALL)
# What may stand in the fragment of an address as it is (RFC 3986), without the percent sign.
FRAGMENT_SAFE = "/:@!$&'()*+,;=?~"


class BadInput(Exception):
    """An input object names something that is not there."""


class Locations:
    """The files that the inputs of one job name."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._addresses: dict[str, str] = {}
        self.missing: list[str] = []
        """Addresses that stay as they are, with the reason."""

    def resolved(self, value: Any) -> Any:
        """Return the input object with paths in the place of addresses; everything else stays as it is."""
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {key: self.resolved(item) for key, item in value.items()}
        if found.get("class") in CLASSES:
            self._locate(found)
        return found

    def address(self, path: str) -> str:
        """Return the address of a file below `in/`: as an input wrote it, else made of its sandbox's name."""
        known = self._addresses.get(path)
        if known is not None:
            return known
        for name, sandbox in self._place.sandboxes.items():
            if sandbox.packed is not None and path == str(sandbox.packed):
                return f"sandbox:{name}"
            if path == str(sandbox.directory) or path.startswith(f"{sandbox.directory}{os.sep}"):
                member = os.path.relpath(path, sandbox.directory)
                end = "/" if Path(path).is_dir() else ""
                return f"sandbox:{name}#{quote(member, safe=FRAGMENT_SAFE)}{end}"
        raise BadInput(f"{path} belongs to no input sandbox")

    def _locate(self, found: dict[str, Any]) -> None:
        address = found.get("location") or found.get("path")
        if not isinstance(address, str):
            return
        if logical := _LOGICAL.fullmatch(address):
            self._locate_logical(found, logical.group(1), address)
        elif match := _SANDBOX.fullmatch(address):
            self._locate_member(found, match, address)

    def _locate_logical(self, found: dict[str, Any], lfn: str, address: str) -> None:
        path = self._place.data.get(lfn)
        if path is None:
            self.missing.append(f"{address}: this file was not brought with the job")
            return
        self._place_at(found, path, address, basename=path.name)

    def _locate_member(self, found: dict[str, Any], match: re.Match[str], address: str) -> None:
        name, member = match.group(1), unquote(match.group(2) or "")
        sandbox = self._place.sandboxes.get(unquote(name)) or self._place.sandboxes.get(name)
        if sandbox is None:
            # An input that the process does not declare brings none: cwltool complains if somebody reads it.
            self.missing.append(f"{address}: this sandbox was not brought with the job")
            return
        path = _path_of(found, sandbox, member, address=address)
        self._place_at(found, path, address, basename=_basename(name, member))

    def _place_at(self, found: dict[str, Any], path: Path, address: str, *, basename: str) -> None:
        found.pop("path", None)
        found["location"] = file_uri(str(path))
        found.setdefault("basename", basename)
        self._addresses[str(path)] = address


def _path_of(found: Mapping[str, Any], sandbox: Unpacked, member: str, *, address: str) -> Path:
    if not member and found["class"] == "File":
        if sandbox.packed is None:
            raise BadInput(f"{address}: the packed archive was not kept")
        return sandbox.packed
    path = Path(os.path.normpath(sandbox.directory / member.rstrip("/")))
    if path != sandbox.directory and not path.is_relative_to(sandbox.directory):
        raise BadInput(f"{address}: this leads out of the sandbox")
    is_there = path.is_file() if found["class"] == "File" else path.is_dir()
    if not is_there:
        raise BadInput(f"{address}: there is no such {found['class']} in the sandbox")
    return path


def _basename(name: str, member: str) -> str:
    return member.rstrip("/").rpartition("/")[2] or name.rpartition("/")[2]
