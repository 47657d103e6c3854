"""The GPUs that this pilot may use, as the vendor's own program lists them."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

QUERY = ["--query-gpu=index,uuid,compute_cap,memory.total", "--format=csv,noheader,nounits"]
TIMEOUT_S = 30


@dataclass(frozen=True)
class Gpus:
    """GPUs of one kind: `ids` are what programs call them."""

    ids: Tuple[str, ...] = ()
    arch: str = ""
    vram_mb: int = 0
    runtime: str = ""

    def offer(self, count: int) -> Dict[str, Any]:
        """So many of them in the words of a match request."""
        if count <= 0:
            return {"count": 0}
        return {
            "count": count,
            "vendor": "nvidia",
            "arch": self.arch,
            "vram_mb_per_gpu": self.vram_mb,
            "runtime_version": self.runtime,
        }

    def first(self, count: int) -> Gpus:
        """Only as many as the allocation has; a negative number means all."""
        return self if count < 0 else Gpus(self.ids[:count], self.arch, self.vram_mb, self.runtime)


def find_gpus(environment: Mapping[str, str]) -> Gpus:
    """Asks nvidia-smi; without it, or without an answer, there are none."""
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None:
        return Gpus()
    listed, header = _run([program, *QUERY]), _run([program])
    if listed is None or header is None:
        return Gpus()
    return read_gpus(listed, header, visible=environment.get("CUDA_VISIBLE_DEVICES"))


def read_gpus(listed: str, header: str, *, visible: Optional[str]) -> Gpus:
    """Reads nvidia-smi's list. Of GPUs that differ, the weakest says what each can do."""
    wanted = None if visible is None else [name.strip() for name in visible.split(",") if name.strip()]
    ids, archs, sizes = [], [], []
    for line in listed.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 4 or not re.fullmatch(r"\d+\.\d+", fields[2]) or not fields[3].isdigit():
            continue
        if wanted is not None and not any(name in (fields[0], fields[1]) for name in wanted):
            continue
        ids.append(fields[1])
        archs.append(int(fields[2].replace(".", "")))
        sizes.append(int(fields[3]))
    runtime = re.search(r"CUDA Version:\s*(\d+(?:\.\d+)*)", header)
    if not ids or runtime is None:
        return Gpus()
    return Gpus(tuple(ids), "sm_%d" % min(archs), min(sizes), runtime.group(1))


def _run(command: "list[str]") -> Optional[str]:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
