"""`weyl demo` from beginning to end, as a newcomer sees it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.infra.stack import command_of
from weyl.demo.stack import processes_below

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.timeout(600)]


@pytest.fixture
def workspace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="weyl-d-") as directory:
        path = Path(directory)
        path.chmod(0o755)
        (path / "tmp").mkdir()
        (path / "home").mkdir()
        yield path


def _environment(workspace: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEYL_", "DIRACX_"))}
    return {**kept, "TMPDIR": str(workspace / "tmp"), "HOME": str(workspace / "home")}


def _left(workspace: Path) -> list[str]:
    """Return what still runs or lies there."""
    running = [command_of(process) for process in processes_below(workspace)]
    running += [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if str(workspace) in " ".join(process.info["cmdline"] or [])
    ]
    return running + [str(path) for path in (workspace / "tmp").iterdir()]


def test_the_demo_runs_its_jobs_fits_the_z_and_leaves_nothing(workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "weyl", "demo", "--events", "400"],
        cwd=workspace,
        env=_environment(workspace),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    mass = re.search(r"Z mass\s+(\d+\.\d+) \+- (\d+\.\d+) GeV", done.stdout)
    assert mass is not None
    assert abs(float(mass[1]) - 91.19) < 0.6
    assert "Pythia" in done.stdout
    assert "20 jobs" in done.stdout
    assert "As CWL, jobs " in done.stdout
    assert "20 files, 10 on DEMO-DISK, 10 on DEMO-S3" in done.stdout
    assert "sha256 of all 20 equal to those in the catalogue" in done.stdout
    assert (workspace / "zmumu.svg").read_text().lstrip().startswith(("<svg", "<?xml"))
    assert _left(workspace) == []


def test_a_demo_opens_its_pages_and_ends_with_0_when_it_is_interrupted_and_leaves_nothing(workspace: Path) -> None:
    browser, opened = workspace / "browser", workspace / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" >"{opened}"\n')
    browser.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-m", "weyl", "demo", "--open"],
        cwd=workspace,
        env={**_environment(workspace), "BROWSER": str(browser)},
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        try:
            assert demo.stdout is not None
            told = ""
            for line in demo.stdout:
                told += line
                if "Submitted one JDL" in line:
                    break
            url = opened.read_text()
            assert f"The web pages are at {url}: log in" in told
            page = httpx2.get(url)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            demo.send_signal(signal.SIGINT)
            demo.stdout.read()
            assert demo.wait(60) == 0
        finally:
            demo.kill()
    assert _left(workspace) == []
