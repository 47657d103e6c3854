"""What the tests of the compiler share: bundles from texts, compiled in this process."""

import logging
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from weyl_engine.compiling import loading
from weyl_engine.compiling.bundle import Bundle
from weyl_engine.compiling.complaints import COLUMNS
from weyl_engine.compiling.document import compiled

Compile = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def warm() -> None:
    """Load the schemas of cwltool once for all tests."""
    loading.warm()


@pytest.fixture
def compile_texts(warm: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compile]:
    """Return a function that compiles texts: the entry `main.cwl`, and others by their paths."""

    def run(
        main: str, others: Mapping[str, str] | None = None, *, fragment: str | None = None, entry: str = "main.cwl"
    ) -> dict[str, Any]:
        texts = {entry: main, **(others or {})}
        return compiled(Bundle(entry, fragment, {path: textwrap.dedent(text).encode() for path, text in texts.items()}))

    monkeypatch.setenv("COLUMNS", COLUMNS)
    before = logging.root.manager.disable
    logging.disable()
    yield run
    logging.disable(before)


def errors(compilation: Mapping[str, Any]) -> list[str]:
    """Return the codes of what refuses a document."""
    return [problem["code"] for problem in compilation["problems"] if problem["severity"] == "error"]
