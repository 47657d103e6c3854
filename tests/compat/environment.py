"""Environments of DiracX's public packages: made once per machine, never mixed with ours."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.7.0"
PACKAGES = ("diracx", "diracx-client", "diracx-cli", "diracx-api", "diracx-core")
REQUIREMENTS = tuple(f"{package}=={VERSION}" for package in PACKAGES)
DIRECTORY = Path(__file__).parents[2] / ".cache" / f"compat-{VERSION}"
INSTALL_TIMEOUT_S = 300


class NotInstallable(Exception):
    """A public package cannot be had on this machine; says why."""


@dataclass(frozen=True)
class ClientEnvironment:
    """A virtual environment that holds the public client and nothing of ours."""

    directory: Path

    @property
    def python(self) -> str:
        """The interpreter that can import the client."""
        return str(self.directory / "bin" / "python")

    @property
    def dirac(self) -> str:
        """The client's command."""
        return str(self.directory / "bin" / "dirac")


def client_environment(directory: Path = DIRECTORY) -> ClientEnvironment:
    """Return the environment of the client; raises `NotInstallable`."""
    return ClientEnvironment(made_environment(directory, REQUIREMENTS))


def made_environment(
    directory: Path, requirements: Sequence[str], *, finish: Callable[[Path], None] = lambda venv: None
) -> Path:
    """Return a virtual environment below `directory`, made again if the list of versions changed.

    `finish` is called once it is made, and adds to the directory what else belongs there. Raises `NotInstallable`.
    """
    if shutil.which("git") is None:
        raise NotInstallable("DiracX's command line needs `git` on the path")
    wanted = "\n".join([sys.version, *requirements])
    made = directory / "made-of"
    venv = directory / "venv"
    with _locked(directory.with_name(f"{directory.name}.lock")):
        if not made.exists() or made.read_text() != wanted:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            uv = (sys.executable, "-m", "uv", "--quiet")
            run_installer(*uv, "venv", "--python", sys.executable, str(venv))
            run_installer(*uv, "pip", "install", "--python", str(venv / "bin" / "python"), *requirements)
            finish(venv)
            made.write_text(wanted)
    return venv


def is_obligatory() -> bool:
    """Tell whether the suite must run: in CI it may not be passed over."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time make the environment; the others wait and find it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_installer(*command: str) -> None:
    """Run a command that gets something from PyPI; raises `NotInstallable`."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode:
        raise NotInstallable(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr[-2000:]}")
