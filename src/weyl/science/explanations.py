"""Why a job waits or failed, as a program keeps it: what the API says, which prints as people read it."""

import html
from collections.abc import Iterator, Mapping
from typing import Any


class Why(Mapping[str, Any]):
    """The API's document: `why["verdict"]`; `print(why)` shows it in words."""

    def __init__(self, document: Mapping[str, Any], text: str) -> None:
        self._document = document
        self._text = text

    def __getitem__(self, name: str) -> Any:
        return self._document[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self._text)}</pre>"
