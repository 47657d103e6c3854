"""What many rows have, where many have the same: each kind of it once, and for each row which kind it has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Grouped(Generic[T]):
    """Kinds, and by row the number of its kind."""

    kinds: Sequence[T]
    which: Sequence[int]

    def each(self, make: Callable[[T], U]) -> "Grouped[U]":
        """Return what is made of each kind, by row."""
        return Grouped([make(kind) for kind in self.kinds], self.which)

    def through(self, further: "Grouped[U]") -> "Grouped[U]":
        """Return what is said of each kind, by row: kinds of which the same is said become one."""
        return Grouped(further.kinds, [further.which[number] for number in self.which])


def alike(kind: T, count: int) -> Grouped[T]:
    """Return what all rows have."""
    return Grouped([kind], [0] * count)


def grouped(values: Sequence[Any], count: int) -> Grouped[Any]:
    """Group what could stand in JSON, one value for all rows or one a row: 1, 1.0 and true are three kinds."""
    if len(values) == 1:
        return alike(values[0], count)
    # Whole numbers and texts differ from each other as their written forms do.
    keys = values if set(map(type, values)) <= {int, str} else list(map(repr, values))
    kinds = dict(zip(keys, values, strict=True))
    numbers = {key: number for number, key in enumerate(kinds)}
    return Grouped(list(kinds.values()), [numbers[key] for key in keys])


def together(columns: Sequence[Grouped[T]], count: int) -> Grouped[tuple[T, ...]]:
    """Return the kinds of rows that columns make side by side; without any column all rows are alike."""
    if not columns:
        return alike((), count)
    if len(columns) == 1:
        return columns[0].each(lambda kind: (kind,))
    keys = list(zip(*(column.which for column in columns), strict=True))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    kinds = [tuple(column.kinds[part] for column, part in zip(columns, key, strict=True)) for key in numbers]
    return Grouped(kinds, [numbers[key] for key in keys])
