"""The built pages: what they are made from is what the server says, they are small, and they are in the wheel."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import web

from weyl.app import create_app
from weyl.builtin import BUILTIN
from weyl.kit.views import View
from weyl.migrations.triggers import trigger_files
from weyl.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "src" / "weyl" / "web" / "static"
SCRIPTS_BYTES_MAX = 200_000
STYLES_BYTES_MAX = 45_000

pytestmark = [pytest.mark.xdist_group("built-pages"), pytest.mark.system]


@pytest.fixture(scope="module")
def built() -> Path:
    """The pages, built from the sources as they are."""
    try:
        web.build()
    except web.NotPossible as problem:
        pytest.skip(str(problem))
    return STATIC


@pytest.fixture
def bare_sources() -> Iterator[Path]:
    """What the pages are made of, on a machine of its own; removed at once, since a Node and its modules are large."""
    with tempfile.TemporaryDirectory(prefix="weyl-n-") as directory:
        place = Path(directory) / "weyl"
        shutil.copytree(ROOT / "web", place / "web", ignore=shutil.ignore_patterns("node_modules", "dist"))
        (place / "tools").mkdir()
        shutil.copy(ROOT / "tools" / "web.py", place / "tools")
        (place / ".venv").symlink_to(ROOT / ".venv")
        yield place


def packed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


def first_scripts(static: Path) -> set[str]:
    """Return the scripts that a list needs before it is there: those of the page, and what they import at once."""
    wanted = set(re.findall(r'(?:src|href)="/assets/([^"]+\.js)"', (static / "index.html").read_text()))
    wanted |= {path.name for path in (static / "assets").glob("EntityPage-*.js")}
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        found.add(name)
        text = (static / "assets" / name).read_text()
        wanted |= set(re.findall(r'(?:from|import)\s*"\./([^"]+\.js)"', text)) - found
    return found


def test_the_document_is_what_the_server_says() -> None:
    ours = json.loads((ROOT / "web" / "openapi.json").read_text())
    assert ours == json.loads(json.dumps(create_app(Settings()).openapi())), "Run make web-types"


def test_every_icon_that_a_view_names_is_there() -> None:
    known = set(re.findall(r"""^  "?([a-z0-9-]+)"?: Icon""", (ROOT / "web/src/kit/icons.tsx").read_text(), re.M))
    named = set()
    for view in [each for each in BUILTIN.views if isinstance(each, View)]:
        named |= {view.icon} | {status.icon for status in view.statuses}
        named |= {action.icon for action in view.actions if action.icon}
    named |= {status.icon for each in BUILTIN.views for tab in each.tabs for status in tab.statuses}
    assert named - known == set()


def test_pure_functions_pass_and_the_types_are_those_of_the_document(built: Path) -> None:
    web.test()


def test_a_second_build_does_nothing(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr(web, "run", refuse)
    web.build()


@pytest.mark.long
def test_where_there_is_no_node_one_from_pypi_builds_them(bare_sources: Path) -> None:
    programs = bare_sources.parent / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    command = [sys.executable, "tools/web.py", "build"]
    environment = {**os.environ, "PATH": str(programs)}
    built = subprocess.run(command, cwd=bare_sources, env=environment, capture_output=True, text=True, check=False)
    if "could not be installed from PyPI" in built.stderr or "is the registry of npm reachable?" in built.stderr:
        pytest.skip(f"Building without a node is NOT tested: {built.stderr}")
    assert built.returncode == 0, built.stderr
    assert f"Installing {web.NODE_WHEEL}" in built.stderr
    made = bare_sources / "src" / "weyl" / "web" / "static"
    assert {path.name for path in made.iterdir()} >= {"index.html", "docs.html", "assets"}


def test_what_a_list_needs_first_is_within_its_budget(built: Path) -> None:
    sizes = {name: packed(built / "assets" / name) for name in first_scripts(built)}
    assert len(sizes) >= 2
    assert sum(sizes.values()) < SCRIPTS_BYTES_MAX, sizes
    # What shows the API's document is a page of its own, which only those load who look at it.
    own = [path for path in (built / "assets").iterdir() if not path.name.startswith("docs-")]
    assert all(packed(path) < SCRIPTS_BYTES_MAX for path in own if path.suffix == ".js")
    assert sum(packed(path) for path in own if path.suffix == ".css") < STYLES_BYTES_MAX


def test_nothing_is_taken_from_another_host(built: Path) -> None:
    page = (built / "index.html").read_text()
    assert "//" not in re.sub(r"<!--.*?-->", "", page).replace("<!doctype html>", "")
    for path in (built / "assets").glob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", path.read_text())


def test_every_script_of_the_page_has_the_nonce(built: Path) -> None:
    tags = re.findall(r"<(?:script|style|link)\b[^>]*>", (built / "index.html").read_text())
    bare = [tag for tag in tags if 'nonce="__NONCE__"' not in tag and 'rel="icon"' not in tag]
    assert bare == []


def test_the_wheel_holds_the_pages_and_the_triggers(built: Path, tmp_path: Path) -> None:
    command = [ROOT / ".venv" / "bin" / "uv", "build", "-q", "--wheel", "--out-dir", tmp_path, ROOT]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"weyl/web/static/index.html", "weyl/web/static/docs.html"} <= set(names)
    assert any(name.startswith("weyl/web/static/assets/") and name.endswith(".js") for name in names)
    assert {f"weyl/{file.room}/triggers.sql" for file in trigger_files()} <= set(names)
    assert not any("node_modules" in name for name in names)


def test_the_lock_names_no_host() -> None:
    assert "resolved" not in (ROOT / "web" / "package-lock.json").read_text()
