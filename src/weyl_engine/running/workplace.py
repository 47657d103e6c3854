"""The directory of one job on the node, and `job.json`, which says what lies in it."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schema_salad.ref_resolver import file_uri

ENGINE_RAM_MB = 128
"""What the engine itself needs of a job's memory."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An input sandbox that the wrapper has brought: its members, and the archive itself where an input names it."""

    directory: Path
    packed: Path | None = None


@dataclass(frozen=True, slots=True)
class Workplace:
    """What is to run, where, and with how much of the machine."""

    base: Path
    entry: str
    fragment: str | None
    sandboxes: dict[str, Unpacked] = field(default_factory=dict)
    """By the part of a sandbox's name that begins with a slash."""
    data: dict[str, Path] = field(default_factory=dict)
    """Files of the catalogue that the wrapper has brought, by their logical names."""
    cores: int = 1
    ram_mb: int = 0
    """Memory of the allocation in MiB; 0: unknown."""
    gpus: int = 0

    @classmethod
    def read(cls, job_file: Path) -> "Workplace":
        """Return what `job.json` says; its paths are relative to its directory."""
        document = json.loads(job_file.read_bytes())
        base = Path(os.path.realpath(job_file.parent))
        sandboxes = {name: _unpacked(base, entry) for name, entry in (document.get("sandboxes") or {}).items()}
        return cls(
            base=base,
            entry=str(document["entry"]),
            fragment=document.get("fragment") or None,
            sandboxes=sandboxes,
            data={str(lfn): base / path for lfn, path in (document.get("data") or {}).items()},
            cores=max(1, int(document.get("cores") or 1)),
            ram_mb=int(document.get("ram_mb") or 0),
            gpus=int(document.get("gpus") or 0),
        )

    @property
    def document_uri(self) -> str:
        """The process to run, as an address that any character in a file's name survives."""
        uri = file_uri(str(self.workflow / self.entry))
        return f"{uri}#{self.fragment}" if self.fragment else uri

    @property
    def workflow(self) -> Path:
        """The files of the bundle."""
        return self.base / "workflow"

    @property
    def inputs(self) -> Path:
        """The unpacked input sandboxes, and the files of the catalogue."""
        return self.base / "in"

    @property
    def work(self) -> Path:
        """The working directories of the tools."""
        return self.base / "work"

    @property
    def outputs(self) -> Path:
        """Where outputs are gathered."""
        return self.base / "outputs"

    @property
    def input_object(self) -> Path:
        """The input object, as it was submitted."""
        return self.base / "inputs.json"

    @property
    def tool_ram_mb(self) -> int | None:
        """Memory in MiB for tools: the allocation without the engine's own; None: unknown."""
        return max(1, self.ram_mb - ENGINE_RAM_MB) if self.ram_mb else None


def _unpacked(base: Path, entry: Any) -> Unpacked:
    packed = entry.get("packed")
    return Unpacked(base / entry["directory"], base / packed if packed else None)
