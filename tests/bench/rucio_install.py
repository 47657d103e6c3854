"""Installs Rucio from PyPI into a cache outside the repository."""

import os
import shutil
import sys
from pathlib import Path

from tests.bench.peer_install import run

VERSION = "41.5.1"
REQUIREMENTS = (f"rucio[postgresql]=={VERSION}", "cheroot==11.1.2")


def rucio_python() -> Path:
    """Return the interpreter that imports Rucio, which is installed at first use; raises `NotInstallable`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = cache / "weyl" / f"rucio-{VERSION}"
    python, made = directory / "bin" / "python", directory / "made-of"
    wanted = "\n".join([sys.version, *REQUIREMENTS])
    if not made.exists() or made.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        print(f"Installing Rucio {VERSION} into {directory}", flush=True)
        uv = (sys.executable, "-m", "uv", "--quiet")
        run(*uv, "venv", "--allow-existing", "--python", sys.executable, str(directory), cwd=directory)
        run(*uv, "pip", "install", "--python", str(python), *REQUIREMENTS, cwd=directory)
        made.write_text(wanted)
    return python
