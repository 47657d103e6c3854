"""What this machine offers: cores, memory and disk of the allocation, processor, system, and how long it lasts."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

GIB = 1024**3
UNLIMITED = 1 << 60


def host_name() -> str:
    """The name of this machine, also where /etc/hosts calls every machine `localhost`."""
    name = socket.getfqdn()
    return socket.gethostname() if name.partition(".")[0] == "localhost" else name


def account() -> str:
    """The user that the pilot runs as; containers run with any id, known or not."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: the affinity mask, cut by the quota of its cgroup."""
    cores = len(os.sched_getaffinity(0))
    quota = _cpu_quota(root)
    return max(1, min(cores, int(quota) if quota else cores))


def usable_memory_mb(root: Path = Path("/")) -> int:
    """Memory that this process may use: the machine's, cut by the limit of its cgroup."""
    limits = [_meminfo_bytes(root)]
    for path in cgroup_files(root, "memory", v2_name="memory.max", v1_name="memory.limit_in_bytes"):
        value = _number(path)
        if value is not None and value < UNLIMITED:
            limits.append(value)
    return max(1, min(limits) // (1024 * 1024))


def free_disk_mb(directory: Path) -> int:
    """Free space where jobs will run."""
    return int(shutil.disk_usage(str(directory)).free // (1024 * 1024))


def cgroup_files(root: Path, controller: str, *, v2_name: str, v1_name: str) -> List[Path]:
    """The limit files of this process's control group and of those above it, for both versions."""
    found: List[Path] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            base, name = root / "sys/fs/cgroup", v2_name
        elif controller in controllers.split(","):
            base, name = root / "sys/fs/cgroup" / controllers, v1_name
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            found.append(base.joinpath(*parts[:depth]) / name)
    return [path for path in found if path.is_file()]


def _cpu_quota(root: Path) -> Optional[float]:
    quotas = []
    for path in cgroup_files(root, "cpu", v2_name="cpu.max", v1_name="cpu.cfs_quota_us"):
        words = _text(path).split()
        if path.name == "cpu.cfs_quota_us":
            words.append(_text(path.with_name("cpu.cfs_period_us")).strip())
        try:
            quota, period = float(words[0]), float(words[1])
        except (ValueError, IndexError):
            continue  # "max": no quota on this level
        if quota > 0 and period > 0:
            quotas.append(quota / period)
    return min(quotas) if quotas else None


def _meminfo_bytes(root: Path) -> int:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 2 * GIB


def processor(root: Path = Path("/")) -> Dict[str, Any]:
    """Model and raw feature flags of the processor; the server knows what they are called elsewhere."""
    model, features = "", []  # type: str, List[str]
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        name = name.strip().lower()
        if name == "model name" and not model:
            model = value.strip()
        if name in ("flags", "features") and not features:
            features = sorted(set(value.split()))
    return {"model": model or platform.machine(), "features": features}


def os_tag(root: Path = Path("/")) -> Optional[str]:
    """The system as an atom that jobs select on, such as `os:el9` or `os:debian13`."""
    values = {}
    for line in _text(root / "etc/os-release").splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip().strip("\"'")
    version = values.get("VERSION_ID", "")
    family = [values.get("ID", ""), *values.get("ID_LIKE", "").split()]
    if "rhel" in family or "fedora" in family[1:]:
        return "os:el" + version.split(".")[0]
    return "os:%s%s" % (values["ID"], version) if values.get("ID") else None


def userns_works() -> bool:
    """Whether an ordinary user may make a namespace of users, as containers without rights need."""
    program = shutil.which("unshare")
    if program is None:
        return False
    command = [program, "--user", "--map-root-user", "true"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def feature_tags(isolation: str, *, limits_memory: bool) -> List[str]:
    """Atoms for what payloads can count on here."""
    tags = []
    if isolation == "namespace" or userns_works():
        tags.append("hostfeat:userns")
    if any(shutil.which(name) for name in ("apptainer", "singularity")):
        tags += ["hostfeat:apptainer", "hostfeat:container"]
    elif shutil.which("podman"):
        tags.append("hostfeat:container")
    if limits_memory:
        tags.append("hostfeat:cgroup_memory")
    if os.path.isdir("/cvmfs"):
        tags += ["cvmfs:" + name for name in sorted(os.listdir("/cvmfs")) if "." in name]
    return tags


def batch_seconds_left(environment: Mapping[str, str]) -> Optional[int]:
    """What the batch system says is left of the allocation; None where there is none to ask."""
    job = environment.get("SLURM_JOB_ID")
    if not job or not shutil.which("squeue"):
        return None
    try:
        command = ["squeue", "-h", "-j", job, "-o", "%L"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return slurm_seconds(done.stdout.decode("ascii", "replace").strip())


def slurm_seconds(text: str) -> Optional[int]:
    """Reads Slurm's `[days-]hours:minutes:seconds`."""
    days, _, clock = text.rpartition("-")
    try:
        seconds = 0
        for part in clock.split(":"):
            seconds = seconds * 60 + int(part)
        return seconds + 86400 * int(days or 0)
    except ValueError:
        return None  # "UNLIMITED", "INVALID", or nothing


def load_average() -> float:
    """Load of the machine in the last minute."""
    return os.getloadavg()[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> Optional[int]:
    try:
        return int(_text(path).strip())
    except ValueError:
        return None
