"""The commands that run an installation tell its administrator what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["worker"]])
def test_a_start_without_keys_says_how_to_make_them(tmp_path: Path, command: list[str]) -> None:
    keys = tmp_path / "keys.json"
    done = subprocess.run(
        [sys.executable, "-m", "weyl", *command],
        env={**os.environ, "WEYL_KEYS": str(keys)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"weyl internal generate-keys {keys}" in done.stderr
    assert "Traceback" not in done.stderr
