"""Sets up the project's virtual environment with nothing but the standard library: venv, then uv, then the hashed lock.

Run by `make`; it does nothing when the environment is up to date. Options: `--system` also installs, as root on
Debian, the system packages that the tests use, and says plainly what it could not install.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "weyl-setup"
SUPPORTED = ((3, 13), (3, 12), (3, 11))
POLICY = Path("/usr/sbin/policy-rc.d")
FORBIDDING = (
    "#!/bin/sh\n# weyl's set-up installs programs for tests: none of them is to start as a service.\nexit 101\n"
)
SYSTEM_PACKAGES = {
    "arcctl": "nordugrid-arc-arex nordugrid-arc-arcctl nordugrid-arc-arcctl-service nordugrid-arc-infosys-ldap"
    " nordugrid-arc-plugins-needed nordugrid-arc-test-utils iptables",
    "bwrap": "bubblewrap",
    "caddy": "caddy",
    "chromium-headless-shell": "chromium-headless-shell",
    "faketime": "faketime",
    "condor_submit": "minicondor",
    "git": "git",
    "nginx": "nginx",
    "radosgw": "radosgw",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurmrestd": "slurmrestd slurm-wlm-jwt-plugin",
    "sshd": "openssh-server",
    "strace": "strace",
    "victoria-metrics": "victoria-metrics",
    "xrootd": "xrootd-server xrootd-scitokens-plugins",
}


def main() -> int:
    """Bring the environment up to date; returns the exit code."""
    if "--system" in sys.argv[1:]:
        install_system_packages()
    wanted = fingerprint()
    python = VENV / "bin" / "python"
    if STAMP.exists() and STAMP.read_text() == wanted and works(str(python)):
        return 0
    if version_of(str(python)) not in SUPPORTED or not has_pip(python):
        make_venv()
    install(python)
    STAMP.write_text(wanted)
    return 0


def fingerprint() -> str:
    """Return what the environment depends on."""
    digest = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def version_of(python: str) -> "tuple[int, int] | None":
    """Return the version of an interpreter; none if it does not run."""
    command = [python, "-c", "import sys; print(sys.version_info[0], sys.version_info[1])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def works(python: str) -> bool:
    """Tell whether an interpreter runs."""
    return version_of(python) is not None


def has_pip(python: Path) -> bool:
    """Tell whether pip is in the environment; an interrupted set-up may have left one without."""
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def can_make_venvs(python: str) -> bool:
    """Tell whether an interpreter can make a virtual environment with pip; Debian splits that off."""
    return subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode == 0


def find_python() -> str:
    """Return the newest supported interpreter that can make virtual environments; exits with a sentence if none can."""
    named = os.environ.get("WEYL_PYTHON")
    candidates = [named] if named else [sys.executable, "python3"]
    if not named:
        names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
        candidates += [*names, *(f"/usr/bin/{name}" for name in names), "/usr/bin/python3"]
    found = {path: version_of(path) for path in filter(None, (shutil.which(name or "") for name in candidates))}
    supported = sorted((path for path in found if found[path] in SUPPORTED), key=lambda path: found[path] or (0, 0))
    for path in reversed(supported):
        if can_make_venvs(path):
            return path
    if supported:
        major, minor = found[supported[-1]] or SUPPORTED[0]
        sys.exit(
            f"Python {major}.{minor} is here, but it cannot make virtual environments.\n"
            f"Install them and try again:  apt-get install python3-venv   (or python{major}.{minor}-venv)"
        )
    sys.exit(
        "weyl needs Python 3.11, 3.12 or 3.13, and none was found"
        + (f" at WEYL_PYTHON={named}" if named else "")
        + ".\nInstall one and try again:  apt-get install python3 python3-venv"
    )


def make_venv() -> None:
    """Make a fresh environment."""
    python = find_python()
    print(f"Making .venv with {python}", file=sys.stderr)
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(VENV)], check=True)


def install(python: Path) -> None:
    """Install what the lock pins, verified by hash, and weyl itself in editable form."""
    print("Installing pinned dependencies", file=sys.stderr)
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(VENV)}
    uv = install_uv(python)
    lock = ["--require-hashes", "-r", str(LOCK)]
    if uv is not None:
        commands = [[uv, "pip", "install", "-q", *lock], [uv, "pip", "install", "-q", "--no-deps", "-e", str(ROOT)]]
    else:
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        commands = [[*pip, *lock], [*pip, "--no-deps", "-e", str(ROOT)]]
    for command in commands:
        subprocess.run(command, check=True, env=environment)


def install_uv(python: Path) -> "str | None":
    """Install the pinned uv into the environment; none where there is no build of it, and pip does the work."""
    if not shutil.which("uv", path=str(VENV / "bin")):
        with tempfile.TemporaryDirectory() as directory:
            requirement = Path(directory) / "uv.txt"
            requirement.write_text(locked_block("uv"))
            command = [
                str(python),
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
            ]
            subprocess.run([*command, "--require-hashes", "-r", str(requirement)], check=False)
    return shutil.which("uv", path=str(VENV / "bin"))


def locked_block(name: str) -> str:
    """Return the lines of the lock that pin one package."""
    lines = LOCK.read_text().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
    return "\n".join(line for line in lines[start:end] if "#" not in line) + "\n"


def install_system_packages() -> None:
    """Install the missing programs that tests use, where that is possible, or name them."""
    missing = {program: package for program, package in SYSTEM_PACKAGES.items() if shutil.which(program) is None}
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        packages = sorted({package for packages in missing.values() for package in packages.split()})
        print(f"Installing system packages: {' '.join(packages)}", file=sys.stderr)
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with no_services_started(POLICY):
            for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
                subprocess.run([*apt, *arguments], stdout=subprocess.DEVNULL, env=environment, check=False)
    for program, package in missing.items():
        if shutil.which(program) is None:
            print(
                f"Not here: {program}. Tests that need it are skipped; as root: apt-get install {package}",
                file=sys.stderr,
            )


@contextmanager
def no_services_started(policy: Path) -> "Iterator[None]":
    """Keep packages from starting their services while the block runs: we want the programs only.

    Debian's `invoke-rc.d` asks the policy first. One that the administrator has is put aside and back; what a run
    that was killed has left is put right by the next.
    """
    theirs, fresh = (policy.with_name(f"{policy.name}.{ending}") for ending in ("before-weyl", "weyl-new"))
    directory = os.open(policy.parent, os.O_RDONLY)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        # One set-up at a time: the second would take the first one's policy for the administrator's.
        fcntl.flock(directory, fcntl.LOCK_EX)
        if os.path.lexists(policy) and not _is_forbidding(policy):
            policy.rename(theirs)
        fresh.write_text(FORBIDDING)
        fresh.chmod(0o755)
        fresh.replace(policy)
        try:
            yield
        finally:
            policy.unlink()
            if os.path.lexists(theirs):
                theirs.rename(policy)
    finally:
        os.close(directory)
        signal.signal(signal.SIGTERM, before)


def _is_forbidding(policy: Path) -> bool:
    return policy.is_file() and not policy.is_symlink() and policy.read_bytes() == FORBIDDING.encode()


if __name__ == "__main__":
    sys.exit(main())
