"""The GPUs that this pilot may use, as the vendor's own program lists them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple

QUERY = ["--query-gpu=index,uuid,compute_cap,memory.total", "--format=csv,noheader,nounits"]
TIMEOUT_S = 30


@dataclass(frozen=True)
class Gpus:
    """GPUs of one kind: `ids` are what programs call them."""

    ids: Tuple[str, ...] = ()
    arch: str = ""
    vram_mb: int = 0
    runtime: str = ""
    are_assigned: bool = False
    """Whether somebody has given these to this pilot and to no other."""

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

    def taken(self, count: int, locks: Path) -> Gpus:
        """As many as the allocation has, a negative number means all; those that other pilots here hold are not ours.

        A batch system tells each pilot which are its own. Without one, whoever comes first holds a lock until it ends.
        """
        wanted = self.ids if count < 0 else self.ids[:count]
        if not self.are_assigned and count:
            wanted = tuple(_locked(self.ids, len(self.ids) if count < 0 else count, locks))
        return replace(self, ids=wanted)


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
        if wanted is not None and not any(_names(name, fields[0], fields[1]) for name in wanted):
            continue
        ids.append(fields[1])
        archs.append(int(fields[2].replace(".", "")))
        sizes.append(int(fields[3]))
    runtime = re.search(r"CUDA Version:\s*(\d+(?:\.\d+)*)", header)
    if not ids or runtime is None:
        return Gpus()
    return Gpus(tuple(ids), "sm_%d" % min(archs), min(sizes), runtime.group(1), are_assigned=wanted is not None)


def _names(name: str, index: str, uuid: str) -> bool:
    """Whether CUDA takes a name for this GPU: HTCondor gives only the first digits of its UUID."""
    return name == index or (name.startswith("GPU-") and uuid.startswith(name))


def _locked(ids: Sequence[str], count: int, directory: Path) -> Iterator[str]:
    """Yields so many that nobody has locked; the locks are open files, which end with this process."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        state = directory.lstat()
    except OSError:
        state = None
    if state is None or not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
        yield from ids[:count]  # no place of ours, and so no way to tell
        return
    for name in ids:
        if count <= 0:
            return
        lock = os.open(str(directory / re.sub(r"[^\w-]", "_", name)), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        count -= 1
        yield name


def _run(command: "list[str]") -> Optional[str]:
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
