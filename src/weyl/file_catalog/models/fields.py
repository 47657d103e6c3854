"""Declared metadata fields on the wire."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StringConstraints
from pydantic_core import PydanticCustomError

from weyl.file_catalog.fields import CHOICES_MAX, NAME_PATTERN, AppliesTo, FieldType, is_reserved
from weyl.kit.bounds import ClosedModel
from weyl.kit.search import is_storable

Scalar = StrictBool | StrictInt | StrictFloat | Annotated[str, StringConstraints(max_length=4_096)]
"""A value of a field, as JSON has it."""


def _free_name(name: str) -> str:
    if is_reserved(name):
        raise PydanticCustomError(
            "reserved", "every file has a parameter {name}: give the field another name", {"name": name}
        )
    return name


def _storable(text: str) -> str:
    if not is_storable(text):
        raise PydanticCustomError("characters", "a text holds characters only, and no NUL", {})
    return text


FieldName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64), AfterValidator(_free_name)]
Unit = Annotated[str, StringConstraints(max_length=64), AfterValidator(_storable)]
Help = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_storable)]
Choices = Annotated[list[Scalar], Field(min_length=1, max_length=CHOICES_MAX)]


class FieldOrder(ClosedModel):
    """A field to declare."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: FieldName
    type: FieldType
    on: AppliesTo = AppliesTo.FILE
    """What may have values: files, directories (for all that lies below), or both."""
    indexed: bool = False
    """Whether files are found by its values quickly; takes room."""
    unit: Unit | None = None
    values: Choices | None = None
    """The only values that it takes."""
    help: Help | None = None


class FieldChange(ClosedModel):
    """What to change of a field; what is not named stays."""

    indexed: bool | None = None
    unit: Unit | None = None
    values: Choices | None = None
    """Null: any. Values that files have keep their values."""
    help: Help | None = None


class FieldInfo(BaseModel):
    """A declared field."""

    name: str
    type: FieldType
    on: AppliesTo
    indexed: bool
    filled: bool
    """False while values that files already had are on their way to the index, or from it."""
    unit: str | None
    values: list[Scalar] | None
    help: str | None
    operation_id: str | None = None
    """Of a change: the operation that brings the values to the index, or takes them from there."""
