"""The manifest of a bundle: the files of one workflow by path, and the id that their exact bytes give it."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from weyl.kit.bounds import Entries

FILES_MAX = 10_000
FILE_BYTES_MAX = 4 << 20
BUNDLE_BYTES_MAX = 16 << 20
PATH_LENGTH_MAX = 1_024
FRAGMENT_LENGTH_MAX = 1_024
TEXT_PATH = "workflow.cwl"
"""What the one file of a workflow is called that was submitted as a text."""

Digest = Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]
"""A sha256 as 64 hexadecimal digits in small letters: of a file, or the id of a bundle."""

_FRAGMENT = re.compile(r"[^\x00-\x1f\x7f#]+")


class BundledFile(BaseModel):
    """One file of a bundle: what its bytes are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Digest
    size: int = Field(ge=0, le=FILE_BYTES_MAX, description="Bytes")


class Manifest(BaseModel):
    """Which files make up a workflow, and with which of them, and with which process in it, it begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = 1
    entry: str = Field(min_length=1, max_length=PATH_LENGTH_MAX, description="The path of the file that is run")
    fragment: str | None = Field(
        default=None,
        min_length=1,
        max_length=FRAGMENT_LENGTH_MAX,
        description="The process in that file, without `#`, where it holds several",
    )
    files: Annotated[dict[str, BundledFile], Entries(FILES_MAX)] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_sound(self) -> "Manifest":
        for path in self.files:
            check_path(path)
        if self.entry not in self.files:
            raise ValueError(f"entry: {self.entry!r} is not one of the files")
        if self.fragment is not None and not _FRAGMENT.fullmatch(self.fragment):
            raise ValueError("fragment: must be one line without '#'")
        total = sum(file.size for file in self.files.values())
        if total > BUNDLE_BYTES_MAX:
            raise ValueError(f"files: {total} bytes in all; a bundle may have {BUNDLE_BYTES_MAX}")
        _refuse_twins(self.files)
        return self

    def canonical(self) -> bytes:
        """Return the one spelling of the manifest: sorted keys, no blanks, UTF-8."""
        document = self.model_dump(mode="json")
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def bundle_id(manifest: Manifest) -> str:
    """Return the id of a bundle: sha256 of its manifest in canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(manifest.canonical()).hexdigest()


def manifest_of(entry: str, files: Mapping[str, bytes], *, fragment: str | None = None) -> Manifest:
    """Return the manifest of files; raises `ValueError` for a path, a size or an entry that no bundle may have."""
    told: dict[str, Any] = {
        path: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} for path, content in files.items()
    }
    return Manifest.model_validate({"v": 1, "entry": entry, "fragment": fragment, "files": told})


def check_path(path: str) -> str:
    """Return a path that may stand in a manifest as it is; raises `ValueError` that says what is wrong with it.

    It is relative, its parts are separated by `/`, it is in Unicode's form NFC, and it leads nowhere else.
    """
    reason = _path_problem(path)
    if reason is not None:
        raise ValueError(f"files: {path[:200]!r} {reason}")
    return path


def _path_problem(path: str) -> str | None:
    if not 1 <= len(path) <= PATH_LENGTH_MAX:
        return f"must have 1 to {PATH_LENGTH_MAX} characters"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        return "has a control character in it"
    if "\\" in path:
        return "has a backslash in it: separate folders by '/'"
    if unicodedata.normalize("NFC", path) != path:
        return "is not in Unicode's form NFC"
    if path.startswith("/"):
        return "must be relative: it begins with '/'"
    parts = path.split("/")
    if "" in parts or "." in parts:
        return "has an empty part in it, or '.'"
    if ".." in parts:
        return "must not have '..' in it"
    if any(len(part.encode()) > 255 for part in parts):
        return "has a part of more than 255 bytes"
    return None


def _refuse_twins(files: Mapping[str, object]) -> None:
    """Refuse a path that is a file and a folder at once."""
    folders = {path[:at] for path in files for at, character in enumerate(path) if character == "/"}
    for path in sorted(folders & files.keys())[:1]:
        raise ValueError(f"files: {path[:200]!r} is a file, and a folder of another one")
