"""Options of a submission that say how many jobs to make, and values of hints that count above the document's."""

import json
import re
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from weyl.client.errors import UsageFault
from weyl.cwl.flags import FlagFault, values_of
from weyl_engine.yaml12 import BadYaml, load

RANGE = re.compile(r"(?P<name>[^=]+)=(?:(?P<end>-?\d+)|(?P<first>-?\d+):(?P<last>-?\d+)(?::(?P<step>-?\d+))?)")
METHODS = ("dotproduct", "flat_crossproduct")


def range_of(text: str) -> tuple[dict[str, Any], int]:
    """Return the fields of a request for `P=END` or `P=A:B[:STEP]`, and how many jobs they make."""
    read = RANGE.fullmatch(text)
    if read is None:
        raise UsageFault(f"--range {text!r} is not a range.", hint="Write --range seed=1000 or --range seed=1:1001:2.")
    start, end = int(read["first"] or 0), int(read["end"] or read["last"])
    step = int(read["step"] or 1)
    if step == 0:
        raise UsageFault("--range: the step must not be 0.", hint="")
    fields: dict[str, Any] = {"range_param": read["name"], "range_end": end}
    if read["end"] is None:
        fields |= {"range_start": start, "range_step": step}
    return fields, len(range(start, end, step))


def scatter_lists(texts: Sequence[str], method: str, schema: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the fields of a request for `P=V,V,...` of each input, and how many jobs they make."""
    if method not in METHODS:
        raise UsageFault(f"--scatter-method: there is no {method!r}.", hint=f"Choose one of {', '.join(METHODS)}.")
    lists: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name or name in lists:
            raise UsageFault(
                f"--scatter {text!r} is not an input and its values.", hint="Write --scatter energy=7,8,13."
            )
        lists[name] = _values(name, values, schema)
    lengths = list(map(len, lists.values()))
    if method == "dotproduct" and len(set(lengths)) > 1:
        told = ", ".join(f"{name}: {length}" for name, length in zip(lists, lengths, strict=True))
        raise UsageFault(
            f"--scatter has lists of unequal length ({told}).", hint="For all pairs: --scatter-method flat_crossproduct"
        )
    fields: dict[str, Any] = {"scatter": lists}
    if method != METHODS[0]:
        fields["scatter_method"] = method
    return fields, prod(lengths) if method != METHODS[0] else lengths[0]


def _values(name: str, text: str, schema: Mapping[str, Any]) -> list[Any]:
    if text.startswith("["):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UsageFault(f"--scatter {name}: {text!r} is not a JSON list.", hint="") from error
        return list(values)
    try:
        return values_of(name, text.split(","), schema, Path.cwd())
    except FlagFault as fault:
        hint = f"Did you mean: {', '.join(fault.near)}?" if fault.near else "See the inputs with: -- --help"
        raise UsageFault(f"--scatter: {fault}", hint=hint) from fault


def hint_values(texts: Sequence[str], job_group: str | None = None) -> dict[str, Any]:
    """Return the fields of the job's hint that `K=V` set; `a.b=V` is the field `b` of `a`, values are YAML."""
    hints: dict[str, Any] = {}
    for text in texts:
        name, equals, written = text.partition("=")
        if not equals or not all(name.split(".")):
            raise UsageFault(f"--hint {text!r} is not a field and its value.", hint="Write --hint priority=5.")
        try:
            value = load(written)
        except BadYaml as error:
            raise UsageFault(f"--hint {name}: {written!r} is not YAML.", hint="") from error
        *above, last = name.split(".")
        where = hints
        for part in above:
            where = where.setdefault(part, {})
            if not isinstance(where, dict):
                raise UsageFault(f"--hint {name} is given both whole and by its fields.", hint="")
        where[last] = value
    return hints | ({"group": job_group} if job_group else {})
