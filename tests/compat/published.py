"""DiracX's own tests of its client, command line and API, as they are published: downloaded, never kept by us."""

import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.compat.environment import DIRECTORY, REQUIREMENTS, VERSION, made_environment, run_installer

# All that has entry points: a fixture compares what is installed with the directories beside the one under test.
PACKAGES = ("client", "cli", "api", "core", "testing")
PUBLISHED = DIRECTORY.with_name(f"{DIRECTORY.name}-published")
# The second holds the fixtures of the tests, the last downloads them.
PUBLISHED_REQUIREMENTS = (*REQUIREMENTS, f"diracx-testing=={VERSION}", "pip")
RUN_TIMEOUT_S = 300


@dataclass(frozen=True)
class PublishedTests:
    """Where the tests are, and the environment in which they run."""

    directory: Path

    def run(self, package: str, demo: Path, work: Path) -> dict[str, str]:
        """Run the tests of a package against the demo that `demo` describes; returns what became of each."""
        report = work / f"{package}.xml"
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [
                str(self.directory / "venv" / "bin" / "python"),
                *("-m", "pytest", "-p", "no:cacheprovider", "--no-cov", f"--demo-dir={demo}", f"--junitxml={report}"),
            ],
            cwd=self.directory / f"diracx-{package}",
            env={**kept, "HOME": str(work), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        assert report.exists(), done.stdout[-3000:] + done.stderr[-3000:]
        return {_name(case): _outcome(case) for case in ElementTree.parse(report).iter("testcase")}


def published_tests(directory: Path = PUBLISHED) -> PublishedTests:
    """Return the tests, downloaded if they are not here yet; raises `NotInstallable`."""
    made_environment(directory, PUBLISHED_REQUIREMENTS, finish=_download)
    return PublishedTests(directory)


def _download(venv: Path) -> None:
    directory = venv.parent
    names = [f"diracx-{package}=={VERSION}" for package in PACKAGES]
    options = ("--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(directory))
    run_installer(str(venv / "bin" / "python"), "-m", "pip", "download", *options, *names)
    for package in PACKAGES:
        unpacked = f"diracx_{package}-{VERSION}"
        with tarfile.open(directory / f"{unpacked}.tar.gz") as archive:
            archive.extractall(directory, filter="data")
        # As the directory is called in the repository that the tests come from.
        (directory / unpacked).rename(directory / f"diracx-{package}")


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _outcome(case: ElementTree.Element) -> str:
    """Return `passed`, or what pytest says instead."""
    for kind in ("failure", "error", "skipped"):
        if (found := case.find(kind)) is not None:
            return f"{kind}: {found.get('message') or ''}"[:1000]
    return "passed"
