"""The attributes of a job description: how they are spelled, and how a value of each kind is read."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from weyl.descriptions.errors import BadAttribute
from weyl.kit.likeness import most_like

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

KNOWN = (
    "Arguments",
    "BannedSites",
    "CPUTime",
    "DownloadInputdata",
    "EnableGPU",
    "Executable",
    "ExecutionEnvironment",
    "GridCE",
    "InputData",
    "InputDataModule",
    "InputDataPolicy",
    "InputSandbox",
    "JobConfigArgs",
    "JobGroup",
    "JobID",
    "JobName",
    "JobPath",
    "JobRequirements",
    "JobType",
    "LogFile",
    "LogLevel",
    "MaxNumberOfProcessors",
    "MaxRAM",
    "MinNumberOfProcessors",
    "MinRAM",
    "NumberOfProcessors",
    "OutputData",
    "OutputMetadata",
    "OutputPath",
    "OutputSandbox",
    "OutputSE",
    "Owner",
    "OwnerDN",
    "OwnerGroup",
    "OwnerName",
    "Parameter",
    "ParameterFactor",
    "ParameterNumber",
    "Parameters",
    "ParameterStart",
    "ParameterStep",
    "Platform",
    "Priority",
    "ProductionId",
    "Requirements",
    "Site",
    "SoftwareDistModule",
    "StdError",
    "StdOutput",
    "StopSigFinishSeconds",
    "StopSigNumber",
    "StopSigRegex",
    "StopSigStartSeconds",
    "Tags",
    "TransformationID",
    "VirtualOrganization",
    "WholeNode",
    "Workflow",
)
"""Every attribute with a meaning in DIRAC or here, as its documentation spells it."""


@dataclass(frozen=True, slots=True)
class JobAttribute:
    """An attribute that an extension adds to job descriptions."""

    check: Callable[[Any], Any]
    """Returns the value to keep (text, number, truth, list); raises `ValueError` that says what is wrong with it."""
    meaning: str
    """One sentence for users."""


_ALIASES = {
    "bannedsite": "BannedSites",
    "maxcputime": "CPUTime",
    "maxnumberofcores": "MaxNumberOfProcessors",
    "sites": "Site",
    "stderror": "StdError",
    "systemconfig": "Platform",
    "tag": "Tags",
    "userpriority": "Priority",
    "vo": "VirtualOrganization",
}
_SPELLING = {name.lower(): name for name in KNOWN} | _ALIASES
_FAMILIES = {"parameter", "parameters", "parameterstart", "parameterstep", "parameterfactor"}
_BARE_WORD = re.compile(r"[\w.+:/@%-]+")
# How alike a name is to the one that was meant, and how much longer it may be: InputDataType is a name of its own.
_LIKENESS_MIN = 0.8
_LONGER_MAX = 2
_COMPARED_MAX = 200
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def canonical(name: str) -> str:
    """Return `name` as the documentation spells it; one that is not known is returned as it is."""
    head, dot, tail = name.partition(".")
    if dot and head.lower() in _FAMILIES:
        return f"{_SPELLING[head.lower()]}.{tail}"
    return _SPELLING.get(name.lower(), name)


def runs_workflow(document: Mapping[str, object]) -> bool:
    """Tell whether the jobs of a description run a workflow; one that was written as a text has an executable."""
    return "Workflow" in document and "Executable" not in document


def is_known(name: str) -> bool:
    """Tell whether `name`, however it is spelled, means something without any extension."""
    head = name.partition(".")[0].lower()
    return name.lower() in _SPELLING or head in _FAMILIES


def misspelled(names: Iterable[str], added: Iterable[str] = ()) -> Iterator[str]:
    """Yield a warning for each name that means nothing and is close to one that does; `added` are those of extensions.

    A name that means nothing is no mistake by itself: descriptions in use carry attributes of other programs.
    """
    spelling = {**_SPELLING, **{name.lower(): name for name in added}}
    unknown = (name for name in names if not (is_known(name) or name.lower() in spelling))
    for name in islice(unknown, _COMPARED_MAX):
        head, dot, tail = name.partition(".")
        written = head.replace("_", "").lower()
        near = most_like(written, _FAMILIES if dot else spelling, cutoff=_LIKENESS_MIN)
        if near and not (written.startswith(near[0]) and len(written) > len(near[0]) + _LONGER_MAX):
            yield f"{name} is not a known attribute and is ignored: did you mean {spelling[near[0]]}{dot}{tail}?"


def attribute_problems(names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with the names of attributes that an extension adds."""
    for name in names:
        if is_known(name):
            yield f"{name} means something in job descriptions already; choose another name"
        elif not _NAME.fullmatch(name):
            yield f"{name!r} is not a name for an attribute of jobs; use letters and digits"


def respelled(document: Mapping[str, Any], added: Mapping[str, JobAttribute]) -> dict[str, Any]:
    """Return the document with the attributes of extensions spelled as these declare them."""
    spelling = {name.lower(): name for name in added}
    return {spelling.get(name.lower(), name): value for name, value in document.items()}


def added_value(value: Any, name: str, attribute: JobAttribute) -> Any:
    """Return what an extension makes of the value of its attribute, or None if it is absent or empty."""
    if value is None or value == "":
        return None
    try:
        return attribute.check(value)
    except (ValueError, TypeError) as error:
        raise BadAttribute(name, str(error)) from error


def text_of(value: object, name: str) -> str | None:
    """Return the text that attribute `name` holds, or None if it is absent or empty; a number counts as its digits."""
    if value is None or value == "":
        return None
    text = _as_text(value)
    if text is None:
        raise BadAttribute(name, 'must be text in double quotes, such as "value"')
    return text


def texts_of(value: object, name: str) -> tuple[str, ...]:
    """Return the texts of attribute `name`: the items of a list, or of one text with commas between them."""
    if isinstance(value, list):
        texts = [_as_text(item) for item in value]
    elif isinstance(value, str) and _as_text(value) is not None:
        texts = list(value.split(","))
    elif value is None:
        return ()
    else:
        texts = [_as_text(value)]
    if None in texts:
        raise BadAttribute(name, 'must be text or a list of texts, such as {"a", "b"}')
    return tuple([stripped for text in texts if text and (stripped := text.strip())])


def integer_of(value: object, name: str, *, least: int = 0, most: int = 10**12) -> int | None:
    """Return the whole number that attribute `name` holds, or None if it is absent or empty; digits in quotes count."""
    if value is None or value == "":
        return None
    number = _as_number(value)
    if number is None:
        raise BadAttribute(name, f"must be a whole number, not {_shown(value)}")
    if not least <= number <= most:
        raise BadAttribute(name, f"must be between {least} and {most}, not {number}")
    return number


def boolean_of(value: object, name: str) -> bool | None:
    """Return what attribute `name` claims, or None if it is absent or empty; "True", "yes", 1 and the like count."""
    if value is None or value == "":
        return None
    truth = _TRUTHS.get(str(value).strip().lower())
    if truth is None:
        raise BadAttribute(name, f"must be true or false, not {_shown(value)}")
    return truth


def _as_text(value: object) -> str | None:
    if type(value) is str:
        return value
    # A bare word (an expression of one name) counts as text, because so many descriptions in use leave the quotes out.
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and _BARE_WORD.fullmatch(value):
        return str(value)
    return None


def _as_number(value: object) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not re.fullmatch(r"[+-]?\d{1,18}(?:\.\d{1,18})?", text, re.ASCII):
            return None
        value = float(text) if "." in text else int(text)
    if isinstance(value, float):
        return int(value)
    return value if isinstance(value, int) else None


def _shown(value: object) -> str:
    text = repr(str(value) if isinstance(value, str) else value)
    return text if len(text) <= 60 else text[:57] + "..."
