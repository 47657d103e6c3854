"""XML as storage answers it, which may be hostile: no entities, no document types, bounded in depth and size."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from weyl.storage.errors import Corrupt

DEPTH_MAX = 32
ELEMENTS_MAX = 500_000


class _Refused(Exception):
    """What no answer of a storage needs."""


class _Builder:
    def __init__(self) -> None:
        self._tree = TreeBuilder()
        self._depth = self._elements = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > DEPTH_MAX or self._elements > ELEMENTS_MAX:
            raise _Refused("has too many elements, or too deep ones")
        self._tree.start(name.rpartition(" ")[2], {})

    def end(self, name: str) -> None:
        self._depth -= 1
        self._tree.end(name.rpartition(" ")[2])

    def data(self, text: str) -> None:
        self._tree.data(text)

    def close(self) -> Element:
        return self._tree.close()


def parsed(body: bytes) -> Element:
    """Return the root of a document, all names without their namespaces; raises `Corrupt`."""
    builder, parser = _Builder(), expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(body, True)
        return builder.close()
    except (expat.ExpatError, _Refused, AssertionError, ValueError) as error:
        raise Corrupt(f"answers XML that cannot be read: {error}") from error


def _refuse(*_: object) -> None:
    raise _Refused("declares a document type")


def text_of(element: Element, name: str) -> str | None:
    """Return the text of a child, without blanks around it; None if there is no such child."""
    found = element.find(name)
    return None if found is None else (found.text or "").strip()


def whole_number(text: str | None) -> int:
    """Read a size; raises `Corrupt`."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 19:
        raise Corrupt("answers a size that is no number")
    return int(text)


def children(element: Element, name: str) -> Iterator[Element]:
    """Yield the children of a name."""
    return element.iterfind(name)
