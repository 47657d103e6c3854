"""Parametric jobs: one description, many jobs that differ by the values of its parameters.

`Parameters` is a number of values or a list of them. Value k of a number is value k-1 times `ParameterFactor` plus
`ParameterStep`, the first is `ParameterStart`. `Parameters.X` names a further sequence, with the same companions. In
any text `%s` becomes the job's value, `%(X)s` the one of sequence X, `%n` the job's index with leading zeros, and in
every job, parametric or not, `%j` its id.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from functools import cached_property
from itertools import repeat

from weyl.jobs.errors import BadAttribute
from weyl.jobs.jdl import Document, Expression, Value, parse_value

Scalar = str | int | float
"""What a parameter may be."""

COUNT = "ParameterCount"
"""Attribute that stands for the sequences in a stored description: how many jobs were made from it."""

_FAMILIES = ("Parameters", "ParameterStart", "ParameterStep", "ParameterFactor")
_OWN = ("Parameter", "ParameterNumber")
_PLACEHOLDER = re.compile(r"(%s|%n|%j|%\(\w+\)s)", re.ASCII)
_MARK = re.compile(r"%(?:[sn]|\(\w+\)s)", re.ASCII)
_NUMBER = re.compile(r"[+-]?[\d.]{1,18}(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LARGEST = 2**63
# A few bytes of placeholders and one long value could otherwise fill the memory of whoever puts them together.
FILLED_CHARACTERS_MAX = 1_000_000
FILLED_TOTAL_MAX = 1 << 27


@dataclass(frozen=True)
class Expansion:
    """The values of a parametric description: `sequences[""]` is the one without a name."""

    count: int
    sequences: Mapping[str, Sequence[Scalar]]

    def parameters(self) -> Iterator[dict[str, Scalar]]:
        """Yield, job by job, the attributes that tell its values."""
        names = ["ParameterNumber", *(_attribute("Parameter", name) for name in self.sequences)]
        for values in zip(range(self.count), *self.sequences.values(), strict=True):
            yield dict(zip(names, values, strict=True))

    def longest(self, text: str) -> int:
        """Return how many characters `text` has in the job that has most; 0 if it is the same in all."""
        pieces = _pieces(text)
        if len(pieces) == 1:
            return 0
        return sum(self._longest_values.get(piece, len(piece)) for piece in pieces)

    @cached_property
    def _longest_values(self) -> dict[str, int]:
        named = {f"%({name})s" if name else "%s": values for name, values in self.sequences.items()}
        lengths = {placeholder: max(len(_shown(value)) for value in values) for placeholder, values in named.items()}
        return {"%n": number_width(self.count), **lengths}

    def texts(self, text: str) -> list[str]:
        """Return `text` as each job has it; `%j` stays, because nobody has an id yet."""
        pieces = _pieces(text)
        if len(pieces) == 1:
            return [text] * self.count
        columns = [
            self._column(piece) if index % 2 else repeat(piece, self.count) for index, piece in enumerate(pieces)
        ]
        return list(map("".join, zip(*columns, strict=True)))

    def _column(self, placeholder: str) -> Sequence[str] | Iterator[str]:
        if placeholder == "%n":
            width = number_width(self.count)
            return [f"{number:0{width}}" for number in range(self.count)]
        values = self.sequences.get(_sequence_name(placeholder)) if placeholder != "%j" else None
        return repeat(placeholder, self.count) if values is None else [_shown(value) for value in values]


def expand(document: Document, *, jobs_max: int) -> Expansion | None:
    """Return the values of a parametric description, or None if it is none; never more than `jobs_max` of them."""
    names = _sequence_names(document)
    if not names:
        return None
    declared = {name: _declared(document, name) for name in names}
    counts = {name: len(value) if isinstance(value, list) else value for name, value in declared.items()}
    known = {name: count for name, count in counts.items() if count is not None}
    if not known:
        raise BadAttribute("Parameters", "is missing: ParameterStart, Step and Factor need the number of values")
    first = next(iter(known))
    count = known[first]
    for name, other in known.items():
        if other <= 0:
            raise BadAttribute(_attribute("Parameters", name), f"must have at least one value, not {other}")
        if other != count:
            reason = f"has {other} values, but {_attribute('Parameters', first)} has {count}: all need the same number"
            raise BadAttribute(_attribute("Parameters", name), reason)
    if count > jobs_max:
        raise BadAttribute(
            _attribute("Parameters", first), f"{count} jobs are more than the {jobs_max} of one submission"
        )
    return Expansion(
        count,
        {
            name: _checked(value, name) if isinstance(value, list) else _series(document, name, count)
            for name, value in declared.items()
        },
    )


def check_size(expansion: Expansion, document: Document) -> None:
    """Refuse a description that would be too long once a job's values stand in it."""
    length = 0
    for name, value in document.items():
        length += sum(map(expansion.longest, texts_in(value)))
        if length > FILLED_CHARACTERS_MAX:
            raise BadAttribute(
                name, f"has too much in place of its placeholders: a job may have {FILLED_CHARACTERS_MAX} characters"
            )


def template(document: Document, count: int) -> Document:
    """Return the description without its sequences: what all jobs made from it share."""
    kept = {name: value for name, value in document.items() if name.partition(".")[0] not in (*_FAMILIES, *_OWN)}
    return {**kept, COUNT: count}


def fill(document: Document, parameters: Mapping[str, Scalar] | None, job_id: int | str) -> Document:
    """Return the description of one job, made from the stored one and the job's own values."""
    count = document.get(COUNT)
    values = _texts_by_placeholder(parameters, count if isinstance(count, int) else 1)
    values["%j"] = str(job_id)

    def filled(text: str) -> str:
        pieces = _pieces(text)
        return text if len(pieces) == 1 else "".join(values.get(piece, piece) for piece in pieces)

    result = {name: mapped(value, filled) for name, value in document.items() if name != COUNT}
    if parameters is not None:
        result.update(parameters)
    return result


def varying(document: Document, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the attributes `names` in which the jobs of a stored description differ."""
    return tuple(name for name in names if varies(document.get(name)))


def fill_some(document: Document, names: Sequence[str], parameters: Mapping[str, Scalar] | None) -> Document:
    """Return the attributes `names` of a stored description as one job has them, with 0 for its id."""
    if parameters is None or not names:
        return {}
    wanted = {name: document[name] for name in names}
    filled = fill(wanted | {COUNT: document.get(COUNT)}, parameters, 0)
    return {name: filled[name] for name in wanted}


def mapped(value: Value, change: Callable[[str], str]) -> Value:
    """Return `value` with every text in it changed."""
    if isinstance(value, Expression):
        return Expression(change(value))
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {name: mapped(item, change) for name, item in value.items()}
    return value


def texts_in(value: Value) -> list[str]:
    """Return every text in `value`, in the order in which `mapped` meets them."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    mapped(value, note)
    return found


def varies(value: object) -> bool:
    """Tell whether a placeholder of a parametric description (not `%j`) stands anywhere in `value`."""
    if isinstance(value, str):
        return _MARK.search(value) is not None
    if isinstance(value, list):
        return any(varies(item) for item in value)
    if isinstance(value, dict):
        return any(varies(item) for item in value.values())
    return False


def number_width(count: int) -> int:
    """Return how many digits `%n` has among `count` jobs."""
    return len(str(count - 1))


def _pieces(text: str) -> list[str]:
    """Split `text` at its placeholders, which stand at the odd places."""
    return _PLACEHOLDER.split(text) if "%" in text else [text]


def _texts_by_placeholder(parameters: Mapping[str, Scalar] | None, count: int) -> dict[str, str]:
    texts: dict[str, str] = {}
    for attribute, value in (parameters or {}).items():
        if attribute == "ParameterNumber":
            texts["%n"] = f"{value:0{number_width(count)}}"
        else:
            name = attribute.partition(".")[2]
            texts[f"%({name})s" if name else "%s"] = _shown(value)
    return texts


def _sequence_names(document: Document) -> list[str]:
    names: dict[str, None] = {}
    for attribute in document:
        head, _, name = attribute.partition(".")
        if head in _FAMILIES and (head == "Parameters" or name or "Parameters" in document):
            names[name] = None
    return list(names)


def _declared(document: Document, name: str) -> list[Value] | int | None:
    attribute = _attribute("Parameters", name)
    value = document.get(attribute)
    if value is None or isinstance(value, list):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,12}", value, re.ASCII):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadAttribute(attribute, "must be the number of values or the list of them")


def _checked(values: list[Value], name: str) -> list[Scalar]:
    checked: list[Scalar] = []
    for value in values:
        if isinstance(value, bool):
            checked.append("true" if value else "false")
        elif isinstance(value, str):
            checked.append(str(value))
        elif isinstance(value, int | float):
            checked.append(value)
        else:
            raise BadAttribute(_attribute("Parameters", name), "must be a list of texts and numbers")
    return checked


def _series(document: Document, name: str, count: int) -> list[Scalar]:
    # Decimal, so that steps of 0.1 give 0.3 and not 0.30000000000000004.
    start, step, factor = (
        _companion(document, family, name, default)
        for family, default in (("ParameterStart", 1), ("ParameterStep", 0), ("ParameterFactor", 1))
    )
    attribute = _attribute("Parameters", name)
    whole = all(isinstance(number, int) for number in (start, step, factor))
    if whole and factor == 1:
        last = int(start) + (count - 1) * int(step)
        if abs(last) >= _LARGEST:
            raise BadAttribute(attribute, f"value {count - 1} would be too large")
        return [int(start) + index * int(step) for index in range(count)]
    value, by, plus = Decimal(repr(start)), Decimal(repr(factor)), Decimal(repr(step))
    values: list[Scalar] = []
    for index in range(count):
        if abs(value) >= _LARGEST if whole else not math.isfinite(float(value)):
            raise BadAttribute(attribute, f"value {index} would be too large")
        values.append(int(value) if whole else float(value))
        try:
            value = value * by + plus
        except DecimalException:
            value = Decimal("Infinity")
    return values


def _companion(document: Document, family: str, name: str, default: int) -> int | float:
    attribute = _attribute(family, name)
    value = document.get(attribute, default)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = parse_value(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise BadAttribute(attribute, "must be a number")


def _attribute(family: str, name: str) -> str:
    return f"{family}.{name}" if name else family


def _sequence_name(placeholder: str) -> str:
    return "" if placeholder == "%s" else placeholder[2:-2]


def _shown(value: Scalar) -> str:
    return value if isinstance(value, str) else repr(value)
