"""Values that make many jobs of one command: which words are series, and where the values go in the command."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeGuard

from weyl.client.errors import UsageFault

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NOTHING_DONE = "Nothing was submitted."
VALUES_MAX = 100_000

Scalar = str | int | float


@dataclass(frozen=True, slots=True)
class Series:
    """The values of each series, all of one length, and those words that are the same in every job."""

    lists: Mapping[str, Sequence[Scalar]]
    constants: Mapping[str, Scalar]

    @property
    def names(self) -> list[str]:
        """The names of both, in no order."""
        return [*self.lists, *self.constants]


def is_series(value: Any) -> TypeGuard[Iterable[Any]]:
    """Say whether a value is many: a list, a range, an array, anything that can be iterated but a text."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | PurePath)


def series_of(words: Mapping[str, Any]) -> Series:
    """Read the words of a submission; raises `UsageFault` for series of unequal length and values of odd types."""
    lists: dict[str, list[Scalar]] = {}
    constants: dict[str, Scalar] = {}
    for name, value in words.items():
        if not _NAME.fullmatch(name):
            raise UsageFault(f"{name!r} cannot name a series.", hint="Use letters, digits and _.")
        if is_series(value):
            lists[name] = [_scalar(name, each) for each in value]
        else:
            constants[name] = _scalar(name, value)
    lengths = {name: len(values) for name, values in lists.items()}
    told = ", ".join(f"{name}: {length:,}" for name, length in lengths.items())
    if len(set(lengths.values())) > 1:
        raise UsageFault(
            f"The series have unequal lengths ({told}).",
            hint="Each job takes the next value of every series. For all pairs: "
            "a, b = zip(*itertools.product(first, second))",
        )
    if any(not 0 < length <= VALUES_MAX for length in lengths.values()):
        raise UsageFault(f"A series has between 1 and {VALUES_MAX:,} values ({told}).", hint=NOTHING_DONE)
    return Series(lists, constants)


def _scalar(name: str, value: Any) -> Scalar:
    # Numbers of NumPy and the like know what they are in Python.
    plain = value.item() if hasattr(value, "item") and not is_series(value) else value
    if isinstance(plain, PurePath):
        return str(plain)
    if isinstance(plain, bool) or not isinstance(plain, str | int | float):
        raise UsageFault(
            f"{name} has the value {plain!r}, which is neither a number nor a text.",
            hint=f"Write it as it is to stand in the command: {name}=str(value).",
        )
    return plain


def filled_in(text: str, series: Series) -> str:
    """Return a text whose `{seed}` stands for the value: the placeholder of JDL, or the value itself."""
    for name in series.lists:
        text = text.replace("{" + name + "}", f"%({name})s")
    for name, value in series.constants.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def command_words(words: Sequence[str], series: Series) -> list[str]:
    """Return the command with all values in it: where `{seed}` stands, else one after the other at its end."""
    text = " ".join(words)
    left = [name for name in series.names if "{" + name + "}" not in text and f"%({name})s" not in text]
    ordered = [filled_in("{" + name + "}", series) for name in left]
    return [*(filled_in(word, series) for word in words), *ordered]
