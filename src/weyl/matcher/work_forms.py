"""Work documents of many jobs with one description: put together once, with a job's own values filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weyl.descriptions.attributes import runs_workflow
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Expression
from weyl.descriptions.parametric import COUNT, mapped, number_width
from weyl.descriptions.work import work_document, work_of

_PLACEHOLDER = re.compile(r"%s|%n|%j|%\(\w+\)s", re.ASCII)
_MARK = re.compile("\ue000([^\ue001]*)\ue001")
# What stands for itself wherever a description may have it: no quotes, no separators, nothing that is decoded.
_PLAIN = re.compile(r"[A-Za-z0-9_.:/+-]*", re.ASCII)


@dataclass(slots=True)
class _Form:
    """The document without the values: what is the same in all jobs, and texts in pieces, values at odd places."""

    fixed: dict[str, Any]
    varying: dict[str, Any]
    # The first job is also filled in the slow way; a description in which that makes a difference has no form.
    is_proved: bool = False


@dataclass(slots=True)
class WorkForms:
    """The forms of one description, one for each set of parameters that its jobs have."""

    document: Mapping[str, Any]
    _forms: dict[tuple[tuple[str, bool], ...], _Form | None] = field(default_factory=dict)

    def work(self, parameters: Mapping[str, Any] | None, job_id: int) -> dict[str, Any]:
        """Return what `work_document` returns for the job."""
        if parameters and runs_workflow(self.document):
            return work_document(self.document, parameters, job_id)
        values = self._values(parameters, job_id)
        if values is None:
            return work_document(self.document, parameters, job_id)
        key = tuple((name, isinstance(value, str)) for name, value in (parameters or {}).items())
        if key not in self._forms:
            self._forms[key] = _form_of(self.document, parameters)
        form = self._forms[key]
        if form is None:
            return work_document(self.document, parameters, job_id)
        made = {**form.fixed, **{name: _filled(pieces, values) for name, pieces in form.varying.items()}}
        if not form.is_proved:
            right = work_document(self.document, parameters, job_id)
            form.is_proved = made == right
            if not form.is_proved:
                self._forms[key] = None
            return right
        return made

    def _values(self, parameters: Mapping[str, Any] | None, job_id: int) -> dict[str, str] | None:
        """Return the text of each placeholder and attribute; none if one of them is not plain."""
        values = {"%j": str(job_id)}
        for attribute, value in (parameters or {}).items():
            text = str(value)
            if isinstance(value, float) or not _PLAIN.fullmatch(text):
                return None
            values[attribute] = text
            if attribute == "ParameterNumber":
                count = self.document.get(COUNT)
                values["%n"] = f"{value:0{number_width(count if isinstance(count, int) else 1)}}"
            else:
                name = attribute.partition(".")[2]
                values[f"%({name})s" if name else "%s"] = text
        return values


def _form_of(document: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> _Form | None:
    def marked(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: f"\ue000{found[0]}\ue001", text)

    if runs_workflow(document):  # its texts have no placeholders
        return _Form(fixed=work_of(dict(document)), varying={})
    job = {name: mapped(value, marked) for name, value in document.items() if name != COUNT}
    for name, value in (parameters or {}).items():
        mark = f"\ue000{name}\ue001"
        job[name] = mark if isinstance(value, str) else Expression(mark)
    try:
        work = work_of(job)
    except BadAttribute:
        return None
    pieces = {name: _pieces(value) for name, value in work.items()}
    return _Form(
        fixed={name: value for name, value in work.items() if pieces[name] is value},
        varying={name: each for name, each in pieces.items() if each is not work[name]},
    )


def _pieces(value: Any) -> Any:
    """Split the marked texts of a value; returns the value itself where there are none."""
    if isinstance(value, str):
        parts = _MARK.split(value)
        return value if len(parts) == 1 else tuple(parts)
    if isinstance(value, list):
        found = [_pieces(item) for item in value]
        return value if all(new is old for new, old in zip(found, value, strict=True)) else found
    if isinstance(value, dict):
        named = {name: _pieces(item) for name, item in value.items()}
        return value if all(named[name] is item for name, item in value.items()) else named
    return value


def _filled(pieces: Any, values: Mapping[str, str]) -> Any:
    if isinstance(pieces, tuple):
        return "".join(values.get(piece, piece) if place % 2 else piece for place, piece in enumerate(pieces))
    if isinstance(pieces, list):
        return [_filled(item, values) for item in pieces]
    if isinstance(pieces, dict):
        return {name: _filled(item, values) for name, item in pieces.items()}
    return pieces
