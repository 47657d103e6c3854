"""The environment of DiracX's public client: made once a machine, never mixed with ours."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.7.0"
PACKAGES = ("diracx", "diracx-client", "diracx-cli", "diracx-api", "diracx-core")
REQUIREMENTS = tuple(f"{package}=={VERSION}" for package in PACKAGES)
DIRECTORY = Path(__file__).parents[2] / ".cache" / f"compat-{VERSION}"
INSTALL_TIMEOUT_S = 300


class NotInstallable(Exception):
    """The public client cannot be had on this machine; says why."""


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
    """Return the environment, made anew if the list of versions changed; raises `NotInstallable`."""
    if shutil.which("git") is None:
        raise NotInstallable("DiracX's command line needs `git` on the path")
    wanted = "\n".join([sys.version, *REQUIREMENTS])
    made = directory / "made-of"
    venv = directory / "venv"
    with _locked(directory.with_name(f"{directory.name}.lock")):
        if not made.exists() or made.read_text() != wanted:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            _uv("venv", "--python", sys.executable, str(venv))
            _uv("pip", "install", "--python", str(venv / "bin" / "python"), *REQUIREMENTS)
            made.write_text(wanted)
    return ClientEnvironment(venv)


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


def _uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode:
        raise NotInstallable(f"`uv {' '.join(arguments)}` ended with {done.returncode}: {done.stderr[-2000:]}")
