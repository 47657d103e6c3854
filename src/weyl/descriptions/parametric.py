"""Parametric jobs: one description, many jobs that differ by the values of its parameters.

`Parameters` is a number of values or a list of them. Value k of a number is value k-1 times `ParameterFactor` plus
`ParameterStep`, the first is `ParameterStart`. `Parameters.X` names a further sequence, with the same companions. In
any text `%s` becomes the job's value, `%(X)s` the one of sequence X, `%n` the job's index with leading zeros, and in
every job, parametric or not, `%j` its id.

A value may be a list, such as the files of one job. It takes the place of a text that is nothing but its placeholder;
as an item of a list such a text becomes all items of the value. Within a longer text the value is written as in JDL.

In a description that runs a workflow none of this holds: its texts are its author's own. There the attributes in which
jobs differ (`rows.Rows`) are stored with each job, and the description has `%(NAME)s` as attribute NAME. Where many
jobs have the same few values, the description has these in `ParameterKinds`, and each job the number of its own.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from functools import cached_property
from itertools import repeat
from typing import Any

from weyl.descriptions.attributes import runs_workflow
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Document, Expression, Value, parse_value

Scalar = str | int | float
Several = tuple[Scalar, ...] | list[Scalar]
"""A value that is a list: a tuple where it is read, a list where it comes from the database."""

Parameter = Scalar | Several
"""What a parameter may be."""

Filled = str | Several
"""What a text becomes in one job: a text, or the value whose placeholder is all of it."""

COUNT = "ParameterCount"
"""Attribute that stands for the sequences in a stored description: how many jobs were made from it."""

KINDS = "ParameterKinds"
"""Attribute of a stored description that runs a workflow: values by attribute, of which each job has the number."""

_FAMILIES = ("Parameters", "ParameterStart", "ParameterStep", "ParameterFactor")
_OWN = ("Parameter", "ParameterNumber")
_PLACEHOLDER = re.compile(r"(%s|%n|%j|%\(\w+\)s)", re.ASCII)
# Names, numbers, paths and placeholders, as many descriptions write them without quotes.
_WORDS = re.compile(r"(?:[\w.+:/@,-]|%[snj]|%\(\w+\)s)+", re.ASCII)
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
    sequences: Mapping[str, Sequence[Parameter]]

    @cached_property
    def has_lists(self) -> bool:
        """Whether a text may become a list in some of the jobs."""
        return any(isinstance(value, tuple) for values in self.sequences.values() for value in values)

    def parameters(self) -> Iterator[dict[str, Parameter]]:
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
        return {
            "%n": number_width(self.count),
            **{mark: max(len(_shown(value)) for value in values) for mark, values in self._values.items()},
        }

    @cached_property
    def _values(self) -> dict[str, Sequence[Parameter]]:
        """The sequences by the placeholder for which their values stand."""
        return {_placeholder(_attribute("Parameter", name)): values for name, values in self.sequences.items()}

    def texts(self, text: str) -> list[Filled]:
        """Return `text` as each job has it; `%j` stays, because nobody has an id yet."""
        pieces = _pieces(text)
        if len(pieces) == 1:
            return [text] * self.count
        if _is_lone(pieces) and pieces[1] in self._values:
            return [value if isinstance(value, tuple) else _shown(value) for value in self._values[pieces[1]]]
        columns = [
            self._column(piece) if index % 2 else repeat(piece, self.count) for index, piece in enumerate(pieces)
        ]
        return ["".join(filled) for filled in zip(*columns, strict=True)]

    def _column(self, placeholder: str) -> Sequence[str] | Iterator[str]:
        if placeholder == "%n":
            width = number_width(self.count)
            return [f"{number:0{width}}" for number in range(self.count)]
        values = self._values.get(placeholder)
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
        raise BadAttribute(_attribute("Parameters", first), f"{count} jobs: one submission takes at most {jobs_max}")
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
    left_out = (*_FAMILIES, *_OWN)
    kept = {name: _with_quotes(value) for name, value in document.items() if name.partition(".")[0] not in left_out}
    return {**kept, COUNT: count}


def fill(document: Document, parameters: Mapping[str, Any] | None, job_id: int | str) -> Document:
    """Return the description of one job, made from the stored one and the job's own values."""
    if runs_workflow(document):
        job = {**document, **_own(document, parameters)}
        job.pop(KINDS, None)
        return job
    count = document.get(COUNT)
    texts = _texts_by_placeholder(parameters, count if isinstance(count, int) else 1)
    texts["%j"] = str(job_id)
    own = {_placeholder(name): value for name, value in (parameters or {}).items()}
    lists = {placeholder: value for placeholder, value in own.items() if isinstance(value, tuple | list)}

    def filled(text: str) -> Filled:
        pieces = _pieces(text)
        if len(pieces) == 1:
            return text
        if _is_lone(pieces) and pieces[1] in lists:
            return lists[pieces[1]]
        return "".join(texts.get(piece, piece) for piece in pieces)

    result = {name: mapped(value, filled) for name, value in document.items() if name != COUNT}
    for name, value in (parameters or {}).items():
        result[name] = list(value) if isinstance(value, tuple | list) else value
    return result


def varying(document: Document, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the attributes `names` in which the jobs of a stored description differ."""
    if runs_workflow(document):
        return tuple(name for name in names if document.get(name) == mark(name))
    return tuple(name for name in names if varies(document.get(name)))


def fill_some(
    document: Document, names: Sequence[str], parameters: Mapping[str, Any] | None, job_id: int | str = 0
) -> Document:
    """Return the attributes `names` of a stored description as one job has them."""
    if runs_workflow(document):
        own = _own(document, parameters)
        return {name: own.get(name, document[name]) for name in names}
    if parameters is None or not names:
        return {}
    wanted = {name: document[name] for name in names}
    filled = fill(wanted | {COUNT: document.get(COUNT)}, parameters, job_id)
    return {name: filled[name] for name in wanted}


def common(document: Document) -> Document:
    """Return the attributes of a stored description that are the same in all its jobs."""
    if runs_workflow(document):
        return {name: value for name, value in document.items() if value != mark(name) and name != KINDS}
    if COUNT not in document:
        return document
    return {name: value for name, value in document.items() if not varies(value)}


def _own(document: Document, parameters: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the attributes in which a job that runs a workflow may differ from others."""
    kinds: Any = document.get(KINDS)
    if kinds is None:
        return parameters or {}
    return {name: kinds[name][value] if name in kinds else value for name, value in (parameters or {}).items()}


def mark(name: str) -> str:
    """Return what a description that runs a workflow has as an attribute in which its jobs differ."""
    return f"%({name})s"


def mapped(value: Value, change: Callable[[str], Filled]) -> Value:
    """Return `value` with every text in it changed; an item that becomes a list becomes the items of that list."""
    if isinstance(value, str):
        changed = change(value)
        if not isinstance(changed, str):
            return list(changed)
        return Expression(changed) if isinstance(value, Expression) else changed
    if isinstance(value, list):
        items: list[Value] = []
        for item in value:
            new = mapped(item, change)
            items += new if isinstance(item, str) and isinstance(new, list) else [new]
        return items
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


def _texts_by_placeholder(parameters: Mapping[str, Parameter] | None, count: int) -> dict[str, str]:
    texts = {_placeholder(attribute): _shown(value) for attribute, value in (parameters or {}).items()}
    if "%n" in texts:
        texts["%n"] = texts["%n"].zfill(number_width(count))
    return texts


def _placeholder(attribute: str) -> str:
    if attribute == "ParameterNumber":
        return "%n"
    name = attribute.partition(".")[2]
    return f"%({name})s" if name else "%s"


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


def _checked(values: list[Value], name: str) -> list[Parameter]:
    return [
        tuple(_scalar(item, name) for item in value) if isinstance(value, list) else _scalar(value, name)
        for value in values
    ]


def _scalar(value: Value, name: str) -> Scalar:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float):
        return value
    raise BadAttribute(_attribute("Parameters", name), "must be a list of texts, numbers, or lists of these")


def _series(document: Document, name: str, count: int) -> list[Parameter]:
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
    values: list[Parameter] = []
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


def _is_lone(pieces: Sequence[str]) -> bool:
    return len(pieces) == 3 and not pieces[0] and not pieces[2]


def _shown(value: Parameter) -> str:
    if isinstance(value, tuple | list):
        return "{" + ",".join(f'"{_shown(item)}"' for item in value) + "}"
    return value if isinstance(value, str) else repr(value)


def _with_quotes(value: Value) -> Value:
    """Return a value in which no placeholder makes an expression of what was meant as a text."""
    if isinstance(value, Expression):
        return str(value) if varies(value) and _WORDS.fullmatch(value) else value
    if isinstance(value, list):
        return [_with_quotes(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_quotes(item) for name, item in value.items()}
    return value
