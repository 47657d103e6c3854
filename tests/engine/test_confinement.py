"""Nothing that a document names is fetched: traps stand where a file or a connection would be opened."""

import builtins
import io
import os
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.engine.conftest import Compile, errors
from weyl_engine.compiling.loading import Bundle, BundleFetcher

EVIL = [
    *("http://169.254.169.254/latest/meta-data", "https://example.org/a.cwl", "file:///etc/passwd", "file:/etc/passwd"),
    *(
        "ftp://example.org/a",
        "data:text/plain,x",
        "/etc/passwd",
        "../../etc/passwd",
        "//example.org/a",
        "bundle:/../etc/x",
    ),
]
TOOL = """
    cwlVersion: v1.2
    class: CommandLineTool
    MORE
    inputs: {x: {type: int, inputBinding: {}}}
    outputs: {o: stdout}
    baseCommand: echo
"""
FLOW = """
    cwlVersion: v1.2
    class: Workflow
    MORE
    inputs: {x: int}
    outputs: {o: {type: File, outputSource: s/o}}
    steps: {s: {in: {x: x}, out: [o], run: RUN }}
"""


def tool(more: str) -> str:
    return TOOL.replace("MORE", more)


def flow(run: str, more: str = "") -> str:
    return FLOW.replace("MORE", more).replace("RUN", run)


# The libraries look whether an address is a file here by chance, and for parts of their own.
HARMLESS = ("/bundle:/main.cwl", "/bundle:/other.cwl", "site-packages/ruamel/yaml")
SPRUNG: list[Any] = []


@pytest.fixture
def traps(warm: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Note every attempt to open a file, a connection or a process, and refuse it."""

    def trap(name: str) -> Any:
        def spring(*arguments: Any, **_: Any) -> Any:
            if name in ("stat", "scandir") and any(each in str(arguments[0]) for each in HARMLESS):
                raise FileNotFoundError
            SPRUNG.append((name, arguments[:2]))
            raise OSError(f"{name} of {arguments[:2]}")

        return spring

    SPRUNG.clear()
    for place, names in (
        (builtins, ("open",)),
        (io, ("open", "open_code")),
        (os, ("open", "stat", "listdir", "scandir", "posix_spawn")),
        (socket, ("socket", "create_connection", "getaddrinfo")),
        (urllib.request, ("urlopen",)),
        (requests.Session, ("send", "request")),
    ):
        for name in names:
            monkeypatch.setattr(place, name, trap(name))
    yield
    monkeypatch.undo()


@pytest.mark.parametrize("address", EVIL)
@pytest.mark.parametrize(
    "text",
    [
        flow("'EVIL'"),
        flow("{$import: 'EVIL'}"),
        flow("other.cwl", "$base: 'EVIL'"),
        flow("'a:x.cwl'", "$namespaces: {a: 'EVIL'}"),
        tool("requirements: [{$import: 'EVIL'}]"),
        tool("requirements: {InlineJavascriptRequirement: {expressionLib: [{$include: 'EVIL'}]}}"),
        tool("hints: [{$import: 'EVIL'}]"),
        tool("hints: {x:Y: {$mixin: 'EVIL'}}"),
        tool("$schemas: ['EVIL']"),
        tool("$schemas: 'EVIL'"),
        tool("$namespaces: {a: 'EVIL'}\n    hints: {a:B: {c: 1}}"),
        "cwlVersion: v1.2\n$graph:\n- $import: 'EVIL'\n- {class: CommandLineTool, id: main, inputs: [], outputs: []}\n",
        "$graph: 'EVIL'\ncwlVersion: v1.2\n",
        "cwl:tool: 'EVIL'\ncwlVersion: v1.2\nclass: CommandLineTool\ninputs: []\noutputs: []\n",
    ],
    ids=[
        *("run", "import of a step", "base", "namespace of a step", "import", "include", "import of a hint", "mixin"),
        *("schemas", "schema", "namespace", "import in a graph", "graph", "tool of an input object"),
    ],
)
def test_no_reference_leaves_the_bundle(traps: None, compile_texts: Compile, text: str, address: str) -> None:
    found = compile_texts(text.replace("EVIL", address), {"other.cwl": tool("")})
    assert SPRUNG == []
    is_harmless = "$base" in text or ("$namespaces" in text and "a:x.cwl" not in text)
    assert bool(errors(found)) is not is_harmless, found["problems"]


@pytest.mark.parametrize("address", EVIL)
def test_the_fetcher_itself_refuses_everything_else(traps: None, address: str) -> None:
    fetcher = BundleFetcher(Bundle("main.cwl", None, {"main.cwl": b"a: 1"}), {}, None)
    with pytest.raises(Exception, match=r"not a file of the bundle|not in the bundle|outside of the bundle"):
        fetcher.fetch_text(fetcher.urljoin("bundle:/main.cwl", address))
    assert fetcher.fetch_text("bundle:/main.cwl") == "a: 1"
    assert SPRUNG == []


def test_the_traps_work(traps: None) -> None:
    with pytest.raises(OSError, match="open of"):
        open("/etc/hostname")  # noqa: PTH123, SIM115 - it must not open
    assert SPRUNG
