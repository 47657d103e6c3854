"""Jobs that run one workflow: what they have in common is its description, what they differ in stands in rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from weyl.descriptions.jdl import Document
from weyl.descriptions.parametric import mark
from weyl.kit import json

KINDS_MAX = 16
KINDS_MAX_B = 8_192
JOBS_A_KIND = 10


@dataclass(frozen=True)
class Rows:
    """Jobs that differ row by row.

    A value that many rows share should be one object: it is looked at once.
    """

    values: Sequence[Mapping[str, Any]]
    """One a job: attribute -> value; all rows have the same attributes, which may be none."""
    inputs: Sequence[str | None]
    """One a job: the JSON text of its input object, stored as it is."""
    names: Sequence[str] | None = None
    """One a job: what the column JobName shows, cut where that ends; the description keeps the plain name."""
    has_lists = True

    def __post_init__(self) -> None:
        assert self.values, "there is at least one job"
        assert len(self.values) == len(self.inputs) == len(self.names or self.inputs), "one entry a job in each"
        assert all(row.keys() == self.values[0].keys() for row in self.values), "rows differ in the same attributes"

    @property
    def count(self) -> int:
        """Return the number of jobs."""
        return len(self.values)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Return the attributes in which the jobs may differ."""
        return tuple(self.values[0])

    def marked(self, document: Document) -> Document:
        """Return the description with `%(NAME)s` as each attribute in which the jobs may differ."""
        return document | {name: mark(name) for name in self.attributes}

    def parameters(self) -> Iterator[Mapping[str, Any]] | None:
        """Return the attributes of each job that are its own; None if there are none."""
        return iter(self.values) if self.attributes else None

    def kinds(self) -> dict[str, Any]:
        """Return the attributes of which many jobs have the same few values, with these values."""
        values = {name: self.distinct(name)[0] for name in self.attributes}
        return {name: few for name, few in values.items() if _are_few(few, self.count)}

    def parameter_texts(self) -> Iterator[str]:
        """Return what is stored with each job, as JSON: its own values, and numbers of those that are in `kinds`."""
        numbers = {name: self.distinct(name)[1] for name in self.kinds()}
        texts: dict[int, str] = {}
        # A list, so that no row gives its address to another.
        for index, row in enumerate(list(self.values)):
            text = texts.get(id(row))
            if text is None:
                own = {name: numbers[name][index] if name in numbers else value for name, value in row.items()}
                text = texts[id(row)] = json.dumps_text(own)
            yield text

    def variants(self, names: Sequence[str]) -> tuple[list[Document], list[int]]:
        """Return the distinct forms that the attributes `names` take, and for each job which it is."""
        varying = [name for name in self.attributes if name in names]
        if not varying:
            return [{}], [0] * self.count
        columns = [self.distinct(name) for name in varying]
        forms: dict[tuple[int, ...], int] = {}
        which = [forms.setdefault(form, len(forms)) for form in zip(*(numbers for _, numbers in columns), strict=True)]
        values = [column for column, _ in columns]
        documents = [
            {name: column[number] for name, column, number in zip(varying, values, form, strict=True)} for form in forms
        ]
        return documents, which

    def distinct(self, name: str) -> tuple[list[Any], list[int]]:
        """Return the distinct values of an attribute, and for each job which it has."""
        if name not in self._columns:
            self._columns[name] = _numbered([row[name] for row in self.values])
        return self._columns[name]

    @cached_property
    def _columns(self) -> dict[str, tuple[list[Any], list[int]]]:
        return {}


def _are_few(values: Sequence[Any], jobs: int) -> bool:
    """Tell whether a description may hold these values: whoever reads one of its jobs reads them all."""
    if len(values) > KINDS_MAX or len(values) * JOBS_A_KIND > jobs:
        return False
    return len(json.dumps(values)) <= KINDS_MAX_B


def _numbered(values: Sequence[Any]) -> tuple[list[Any], list[int]]:
    # An object that was met before is known by its address: all of them live as long as the rows.
    met: dict[int, int] = {}
    texts: dict[bytes, int] = {}
    distinct: list[Any] = []
    numbers: list[int] = []
    for value in values:
        number = met.get(id(value))
        if number is None:
            number = met[id(value)] = texts.setdefault(json.dumps(value), len(distinct))
            if number == len(distinct):
                distinct.append(value)
        numbers.append(number)
    return distinct, numbers
