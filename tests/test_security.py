"""The security review is true where a program can tell: its tests and modules exist, and dependencies are pinned."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "developer" / "security-review.md"
TESTS = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE.read_text())
MODULES = sorted(set(re.findall(r"`(weyl(?:_pilot|_engine)?/[\w/]+\.py)`", PAGE.read_text())))


@cache
def functions(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_test_that_the_review_names_exists() -> None:
    assert len(TESTS) > 80
    missing = [f"{file}::{name}" for file, name in TESTS if name not in functions(ROOT / "tests" / file)]
    assert missing == []


def test_every_threat_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 40
    assert [row for row in rows if not re.search(r"`[\w/]+\.py::\w+` *(,.*)?\|$", row)] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_that_the_review_names_exists(module: str) -> None:
    assert (ROOT / "src" / module).is_file()


def test_every_dependency_is_pinned_by_hash() -> None:
    pinned: dict[str, int] = {}
    name = ""
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            name = line
            assert re.match(r"[\w.-]+==\S+", line), line
            pinned[name] = 0
        elif "--hash=sha256:" in line:
            pinned[name] += 1
    assert len(pinned) > 20
    assert [name for name, hashes in pinned.items() if not hashes] == []
    # A name without its file's digest could come from anywhere.
    assert "://" not in (ROOT / "requirements.lock").read_text()
