"""Finding a place in the configuration document by a path such as `Resources.Sites.LCG.CERN.ch.CEs`."""

from collections.abc import Mapping
from typing import Any

from weyl.config.errors import NotConfigured
from weyl.kit.likeness import most_like


def find(document: Any, path: str) -> Any:
    """Return what stands at `path`; names may hold dots themselves, so the longest name that fits is taken."""
    words = [word for word in path.replace("/", ".").split(".") if word]
    current, depth = document, 0
    while depth < len(words):
        taken = _longest_name(current, words[depth:])
        if not taken:
            raise NotConfigured(_complaint(current, words[:depth], words[depth]))
        current = current[".".join(words[depth : depth + taken])]
        depth += taken
    return current


def _longest_name(section: Any, words: list[str]) -> int:
    if not isinstance(section, Mapping):
        return 0
    return next((count for count in range(len(words), 0, -1) if ".".join(words[:count]) in section), 0)


def _complaint(section: Any, above: list[str], word: str) -> str:
    place = ".".join(above) or "the configuration"
    if not isinstance(section, Mapping):
        return f"{place} is a value; there is no {word!r} below it"
    guesses = most_like(word, map(str, section))
    hint = f"did you mean {guesses[0]}?" if guesses else f"it has {', '.join(map(str, section)) or 'nothing'}"
    return f"{place} has no {word!r}; {hint}"
