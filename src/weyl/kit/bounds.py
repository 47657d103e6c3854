"""Bounds of one request: things in a list, entries of a mapping, characters of a text, bytes of a body."""

from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

IDS_MAX = 100_000
REPORTS_MAX = 10_000
"""Jobs or pilots of which one request says something."""
ATTRIBUTES_MAX = 1_000
NAMES_MAX = 100

NAME_LENGTH_MAX = 255
TEXT_LENGTH_MAX = 10_000
TOKEN_LENGTH_MAX = 10_000
OUTPUT_LENGTH_MAX = 1_000_000

BODY_BYTES_MAX = 1 << 20
"""What a route accepts that does not say more with `max_body_size`."""
IDS_BYTES_MAX = 4 << 20
REPORTS_BYTES_MAX = 4 << 20
DOCUMENTS_BYTES_MAX = 16 << 20
SUBMISSION_BYTES_MAX = 256 << 20

# FastAPI reads constraints of parameters from these, as pydantic does of fields.
Name = Annotated[str, StringConstraints(max_length=NAME_LENGTH_MAX)]
Text = Annotated[str, StringConstraints(max_length=TEXT_LENGTH_MAX)]
Token = Annotated[str, StringConstraints(max_length=TOKEN_LENGTH_MAX)]

Ids = Annotated[list[int], Field(max_length=IDS_MAX, fail_fast=True)]
"""Ids of jobs; one that nobody has is no fault of the request."""


class ClosedModel(BaseModel):
    """A request object that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_names(cls, data: Any) -> Any:
        if isinstance(data, dict) and len(data) > NAMES_MAX:
            raise PydanticCustomError(
                "too_long",
                "{found} fields: an object in a request may have at most {most}",
                {"found": len(data), "most": NAMES_MAX},
            )
        return data


@dataclass(frozen=True, slots=True)
class Entries:
    """At most so many entries of a mapping, as an annotation.

    pydantic counts a mapping after it has validated it, and keeps a fault for each entry. So we count first, and
    validate a hundred entries at a time: those behind the first faults are not looked at.
    """

    number_max: int
    batch_size: int = 100

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._validated, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "maxProperties": self.number_max}

    def _validated(self, value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, dict) and len(value) > self.number_max:
            raise PydanticCustomError(
                "too_long",
                "{found} entries: one request takes at most {most}, so split it",
                {"found": len(value), "most": self.number_max},
            )
        if not isinstance(value, dict) or len(value) <= self.batch_size:
            return validate(value)
        validated: dict[Any, Any] = {}
        entries = iter(value.items())
        while batch := dict(islice(entries, self.batch_size)):
            validated |= validate(batch)
        return validated
