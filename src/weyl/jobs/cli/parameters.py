"""`--param`: the values of a series, as people type them, become attributes of a parametric description."""

import json
import re
from pathlib import Path
from typing import Any

from weyl.client.errors import UsageFault
from weyl.descriptions.jdl import Document, Value
from weyl.jobs.cli.local_files import absent

# What other programs write for a range.
_OTHER_RANGE = re.compile(r"(-?\d+)\s*(?:-|:|\.\.\.|to)\s*(-?\d+)", re.ASCII)


def parameter(text: str) -> Document:
    """Read `k=1..20`, `k=a,b,c`, `k=@FILE` or values as JSON, into the attributes of a parametric description."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise _fault(text)
    if value.startswith("@"):
        return {f"Parameters.{name}": _lines(Path(value[1:]))}
    other = _OTHER_RANGE.fullmatch(value)
    if other is not None:
        raise UsageFault(
            f"--param {text!r}: a range is written with two dots.",
            hint=f"Write --param {name}={other[1]}..{other[2]}, or for the text itself --param '{name}=[\"{value}\"]'.",
        )
    first, dots, last = value.partition("..")
    if dots:
        try:
            start, end = int(first), int(last)
        except ValueError as error:
            raise _fault(text) from error
        step = 1 if end >= start else -1
        series = {"Parameters": abs(end - start) + 1, "ParameterStart": start, "ParameterStep": step}
        return {f"{family}.{name}": number for family, number in series.items()}
    return {f"Parameters.{name}": _values(text, value)}


def name_of(text: str) -> str:
    """Return the name of the series that `--param` gives values to."""
    return text.partition("=")[0]


def _lines(path: Path) -> list[Value]:
    """Return the values in a file, one per line; blank lines are none."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        hint = absent(str(path), Path.cwd()) or "It has one value per line. Nothing was submitted."
        raise UsageFault(f"Cannot read {path}: {reason}.", hint=hint) from error
    values = [_number(line) for line in lines if line]
    if not values:
        raise UsageFault(f"{path} has no values.", hint="Write one value per line. Nothing was submitted.")
    return values


def _values(text: str, value: str) -> list[Value]:
    if not value.startswith("["):
        return [_number(word) for word in value.split(",")]
    try:
        values = json.loads(value)
    except ValueError as error:
        raise _fault(text) from error
    if not all(isinstance(each, (str, int, float, list)) for each in values):
        raise _fault(text)
    return list(values)


def _number(word: str) -> Value:
    for kind in (int, float):
        try:
            number: Any = kind(word)
        except ValueError:
            continue
        # `007` and `1_000` are texts to whoever wrote them.
        if str(number) == word:
            return number  # type: ignore[no-any-return]
    return word


def _fault(text: str) -> UsageFault:
    return UsageFault(
        f"--param {text!r} is not a name and its values.",
        hint="Write --param seed=1..20, --param energy=7,8,13.6 or --param file=@LIST; the job uses it as %(seed)s.",
    )
