"""A problem of a document, as the server hands it on: a code, words, and the place."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PROBLEMS_MAX = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document, or (as a warning) may be; `line` and `column` count from 1."""

    code: str
    detail: str
    pointer: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    is_warning: bool = False
    did_you_mean: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON, without what is unknown."""
        fields: dict[str, Any] = {
            "code": self.code,
            "severity": "warning" if self.is_warning else "error",
            "detail": self.detail,
            "pointer": self.pointer,
        }
        more = {"file": self.file, "line": self.line, "column": self.column, "did_you_mean": self.did_you_mean}
        return fields | {name: value for name, value in more.items() if value is not None}


class Refused(Exception):
    """The document cannot be compiled; `problems` says why."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(problem.detail for problem in self.problems))


def documents(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return problems as JSON, errors first, each once and a hundred at most."""
    ordered = sorted(dict.fromkeys(problems), key=lambda each: (each.is_warning, each.file or "", each.line or 0))
    return [problem.document() for problem in ordered[:PROBLEMS_MAX]]


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether one of them refuses the document."""
    return any(not problem.is_warning for problem in problems)


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word that was probably meant."""
    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.75)), None)
