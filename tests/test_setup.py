"""Setting up: packages that tests need are installed without starting anything, and nothing is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tools import setup


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy-rc.d"


def answer(policy: Path) -> int:
    return subprocess.run([policy, "nginx", "start"], check=False).returncode


def test_services_are_forbidden_while_packages_are_installed(policy: Path) -> None:
    with setup.no_services_started(policy):
        assert answer(policy) == 101
    assert list(policy.parent.iterdir()) == []


def test_the_policy_of_the_administrator_comes_back(policy: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o700)
    with pytest.raises(RuntimeError), setup.no_services_started(policy):
        assert answer(policy) == 101
        raise RuntimeError
    assert answer(policy) == 0
    assert policy.stat().st_mode & 0o777 == 0o700
    assert list(policy.parent.iterdir()) == [policy]


def test_a_link_comes_back_as_a_link(policy: Path, tmp_path: Path) -> None:
    policy.symlink_to("/bin/true")
    with setup.no_services_started(policy):
        assert answer(policy) == 101
    assert policy.readlink() == Path("/bin/true")


def test_what_a_killed_run_left_is_put_right(policy: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o755)
    program = (
        "import os, signal, sys; from pathlib import Path; from tools import setup\n"
        "with setup.no_services_started(Path(sys.argv[1])): os.kill(os.getpid(), int(sys.argv[2]))"
    )
    for number, left in ((signal.SIGTERM, 0), (signal.SIGKILL, 101)):
        command = [sys.executable, "-c", program, str(policy), str(int(number))]
        subprocess.run(command, cwd=setup.ROOT, check=False)
        assert answer(policy) == left
    with setup.no_services_started(policy):
        assert answer(policy) == 101
    assert answer(policy) == 0
    assert list(policy.parent.iterdir()) == [policy]


def test_the_packages_are_installed_under_the_policy(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    seen = tmp_path / "seen"
    apt = programs / "apt-get"
    apt.write_text(f'#!/bin/sh\n{policy} x start; echo "$? $*" >>{seen}\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(setup, "POLICY", policy)
    monkeypatch.setattr(setup, "SYSTEM_PACKAGES", {"not-here": "not-here-package"})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    setup.install_system_packages()
    update, install = seen.read_text().splitlines()
    assert update.startswith("101 ")
    assert install.startswith("101 ")
    assert install.endswith("not-here-package")
    assert not policy.exists()
