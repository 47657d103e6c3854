"""`weyl data check`: what the catalogue and storage do not agree on, with an exit code that scripts understand."""

import json
from collections.abc import Callable

from tests.cli.conftest import Program
from tests.cli.test_data import DISK, WithStorage, base, installation, made, managers

__all__ = ["base", "installation", "managers"]


def test_findings_are_listed_and_end_with_exit_7(
    weyl: Program, weyl_as: Callable[..., Program], installation: WithStorage, base: str
) -> None:
    for name in ("lost", "short", "good"):
        made(weyl, name, b"content of a file")
    assert weyl("data", "put", "lost", "short", "good", f"{base}/", "--se", DISK).returncode == 0
    assert weyl("data", "check", DISK).returncode == 5
    keeper = weyl_as("alice", group="data")
    clean = keeper("data", "check", "--under", base, "--checksums", "-o", "json")
    assert (clean.returncode, json.loads(clean.stdout)) == (0, []), clean.stderr
    assert "no findings" in clean.stderr
    place = installation.disk / base[1:]
    (place / "lost").unlink()
    (place / "short").write_bytes(b"content")
    (place / "dark").write_bytes(b"x")
    found = keeper("data", "check", DISK, "--under", base, "-o", "json")
    assert found.returncode == 7
    kinds = {row["kind"]: row["path"] for row in json.loads(found.stdout)}
    assert kinds == {"lost": f"{base}/lost", "truncated": f"{base}/short", "dark": f"{base}/dark"}
    assert keeper("data", "check", "NOWHERE").returncode == 3
