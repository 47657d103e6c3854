"""The client's environment: made once, apart from ours, and never passed over in silence."""

import importlib.util
from pathlib import Path

import pytest

from tests.compat.environment import ClientEnvironment, NotInstallable, client_environment, is_obligatory


def test_without_a_network_it_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(NotInstallable, match="diracx"):
        client_environment(tmp_path / "environment")
    # What was begun is not taken for whole the next time.
    assert not (tmp_path / "environment" / "made-of").exists()


@pytest.mark.parametrize(("value", "obligatory"), [("true", True), ("1", True), ("", False), ("false", False)])
def test_in_ci_it_is_obligatory(monkeypatch: pytest.MonkeyPatch, value: str, obligatory: bool) -> None:
    monkeypatch.setenv("CI", value)
    assert is_obligatory() is obligatory


@pytest.mark.xdist_group("compat")
def test_it_is_made_once_and_not_in_our_own(environment: ClientEnvironment) -> None:
    made = Path(environment.directory).parent / "made-of"
    before = made.stat().st_mtime_ns
    assert client_environment() == environment
    assert made.stat().st_mtime_ns == before
    assert importlib.util.find_spec("diracx") is None
