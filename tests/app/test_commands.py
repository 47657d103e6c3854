"""The commands that run an installation tell its administrator what is missing."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from weyl.server import cookie_problem, listen
from weyl.settings import Settings

pytestmark = pytest.mark.system


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


@pytest.mark.parametrize(
    ("host", "public_url", "is_allowed"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", True),
        ("127.0.0.1", "http://localhost:8000", True),
        ("127.0.0.1", "http://weyl.example.org", False),
        ("127.0.0.1", "http://localhost.example.org", False),
        ("0.0.0.0", "http://localhost:8000", False),
    ],
)
def test_cookies_go_without_secure_on_this_machine_only(host: str, public_url: str, is_allowed: bool) -> None:
    with listen(host, 0) as listener:
        settings = Settings(insecure_cookies=True, public_url=public_url)
        assert (cookie_problem(settings, listener) is None) == is_allowed
        assert cookie_problem(Settings(public_url=public_url), listener) is None


def test_cookies_go_without_secure_on_no_socket_that_somebody_hands_on(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert cookie_problem(Settings(insecure_cookies=True), listener) is not None


def test_a_server_that_others_reach_does_not_start_with_such_cookies(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "weyl", "serve", "--host", "0.0.0.0", "--port", "0"],
        env={**os.environ, "WEYL_KEYS": str(keys), "WEYL_INSECURE_COOKIES": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "WEYL_INSECURE_COOKIES is for this machine alone" in done.stderr
    assert "Traceback" not in done.stderr
