"""Installs the peer, DiracX 0.7.0 from PyPI and MariaDB from Debian, into a cache outside the repository."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.7.0"
PARTS = ("diracx", "diracx-logic", "diracx-routers", "diracx-db", "diracx-cli", "diracx-api")
REQUIREMENTS = tuple(f"{part}=={VERSION}" for part in PARTS)
# Unpacked, not installed: no package of this machine changes, and no service starts.
DEBIAN_PACKAGES = ("mariadb-server-core", "mariadb-client-core", "libaio1t64", "liburing2")
INSTALL_TIMEOUT_S = 600


class NotInstallable(Exception):
    """The peer cannot be had on this machine; says why."""


@dataclass(frozen=True)
class PeerPrograms:
    """Where the peer's programs are."""

    directory: Path

    @property
    def python(self) -> Path:
        """The interpreter that imports DiracX."""
        return self.directory / "venv" / "bin" / "python"

    @property
    def mariadb(self) -> Path:
        """What MariaDB calls its base directory."""
        return self.directory / "mariadb" / "usr"

    @property
    def libraries(self) -> str:
        """The folders of MariaDB's own libraries, as the loader wants them."""
        return ":".join(str(path) for path in sorted((self.mariadb / "lib").glob("*-linux-gnu")))


def peer_programs() -> PeerPrograms:
    """Return the peer's programs, installed if this machine does not have them yet; raises `NotInstallable`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = cache / "weyl" / f"diracx-{VERSION}"
    wanted, made = "\n".join([sys.version, *REQUIREMENTS, *DEBIAN_PACKAGES]), directory / "made-of"
    if not made.exists() or made.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "packages").mkdir(parents=True)
        print(f"Installing DiracX {VERSION} and MariaDB into {directory}", flush=True)
        _install(PeerPrograms(directory))
        made.write_text(wanted)
    return PeerPrograms(directory)


def _install(programs: PeerPrograms) -> None:
    packages = programs.directory / "packages"
    run("apt-get", "-q", "download", *DEBIAN_PACKAGES, cwd=packages)
    for package in packages.glob("*.deb"):
        run("dpkg-deb", "-x", str(package), str(programs.mariadb.parent), cwd=packages)
    uv = (sys.executable, "-m", "uv", "--quiet")
    run(*uv, "venv", "--python", sys.executable, str(programs.directory / "venv"), cwd=packages)
    run(*uv, "pip", "install", "--python", str(programs.python), *REQUIREMENTS, cwd=packages)


def run(*command: str, cwd: Path) -> None:
    """Run one step of an installation; raises `NotInstallable` with the end of what it said."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstallable(f"`{command[0]}`: {error}") from error
    if done.returncode:
        raise NotInstallable(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr[-500:].strip()}")
