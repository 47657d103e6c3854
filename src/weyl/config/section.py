"""The base of every section of the configuration: wire names made from Python names, unknown keys refused."""

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

# Words that the document spells in its own way; every other word of a Python name is capitalised.
_WORDS = {
    "ca": "CA",
    "ce": "CE",
    "ces": "CEs",
    "cpu": "CPU",
    "cwl": "CWL",
    "db12": "DB12",
    "dirac": "DIRAC",
    "dns": "DNs",
    "fts": "FTS",
    "gpu": "GPU",
    "gpus": "GPUs",
    "hs23": "HS23",
    "id": "ID",
    "idp": "IdP",
    "lfn": "LFN",
    "mb": "MB",
    "mc": "MC",
    "os": "OS",
    "rrule": "RRule",
    "se": "SE",
    "ses": "SEs",
    "tqs": "TQs",
    "ttl": "TTL",
    "url": "URL",
    "vo": "VO",
    "voms": "VOMS",
    "vos": "VOs",
}
# The published document misspells this one, and clients read it so.
_NAMES = {"preferred_username": "PreferedUsername"}


def wire_name(python_name: str) -> str:
    """Give the spelling that a field has in the document, such as `DefaultCPUTime` for `default_cpu_time`."""
    if python_name in _NAMES:
        return _NAMES[python_name]
    return "".join(_WORDS.get(word, word.capitalize()) for word in python_name.split("_"))


class Section(BaseModel):
    """A mapping of the document with a closed set of keys; immutable, because every request shares it."""

    model_config = ConfigDict(
        alias_generator=wire_name,
        extra="forbid",
        frozen=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_null_sections(cls, document: Any) -> Any:
        """Leave out the sections that hold nothing: other writers of the document say `null` for what is not set."""
        if not isinstance(document, dict) or None not in document.values():
            return document
        names = _subsections(cls)
        return {name: value for name, value in document.items() if value is not None or name not in names}


@cache
def _subsections(model: type[Section]) -> frozenset[str]:
    """Return the names of the sections and mappings that a section can do without."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        is_mapping = get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, Section))
        if is_mapping and not field.is_required():
            names |= {name, field.alias or name}
    return frozenset(names)


class OpenSection(Section):
    """A section of which only some keys mean something to weyl; the others are kept as they are."""

    model_config = ConfigDict(extra="allow")


class LossySection(Section):
    """A section whose unknown keys are dropped, as the contract says for a few of them."""

    model_config = ConfigDict(extra="ignore")


def merge_below(upper: Any, lower: Any) -> Any:
    """Lay `upper` over `lower`: mappings key by key, everything else as a whole."""
    if upper is None:
        return lower
    if not isinstance(upper, dict) or not isinstance(lower, dict):
        return upper
    merged = {key: value for key, value in lower.items() if key not in upper}
    return {key: merge_below(value, lower.get(key)) for key, value in upper.items()} | merged


def _in_order(values: Iterable[str]) -> list[str]:
    return sorted(values)


def _as_written(value: float) -> int | float:
    return int(value) if value == int(value) else value


# A number that may have a fraction, and is dumped without one where it has none.
Number = Annotated[float, Field(allow_inf_nan=False), PlainSerializer(_as_written, return_type=int | float)]
StringSet = Annotated[frozenset[str], PlainSerializer(_in_order, return_type=list[str])]
FreeSection = dict[str, Any] | None
