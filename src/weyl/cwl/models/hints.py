"""The hint `dirac:Job`: what a document says of the job that runs it."""

from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

NAMESPACE = "https://diracgrid.org/cwl#"
JOB = f"{NAMESPACE}Job"

Names = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=255)]], Field(max_length=1_000)]
JobType = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class _Closed(BaseModel):
    # What YAML holds is typed: "5" is no number.
    model_config = ConfigDict(extra="forbid", strict=True)


class Source(_Closed):
    """An input or output that is meant, by its id."""

    source: str
    path: str | None = None


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_ALIASES = {"source": "from_output", "output_path": "lfn_dir", "output_se": "storage_elements"}


class Binding(_Closed):
    """An output that is stored on the grid: in which directory, and on which storage elements, in order."""

    source: str = Field(validation_alias=AliasChoices("source", "from_output"))
    output_path: Annotated[str, StringConstraints(max_length=4_096)] | None = Field(
        default=None, validation_alias=AliasChoices("output_path", "lfn_dir")
    )
    output_se: Annotated[Names, BeforeValidator(_one_or_more)] | None = Field(
        default=None, validation_alias=AliasChoices("output_se", "storage_elements")
    )

    @model_validator(mode="before")
    @classmethod
    def _says_once(cls, value: Any) -> Any:
        for name, alias in _ALIASES.items():
            if isinstance(value, dict) and name in value and alias in value:
                told = {"name": name, "alias": alias}
                raise PydanticCustomError("two_names", "give {name} or {alias}, not both: they are the same", told)
        return value


def _kind_of_item(value: Any) -> str:
    return "#pattern" if isinstance(value, str) else "#source"


def _kind_of_requirements(value: Any) -> str:
    return "#several" if isinstance(value, list) else "#one"


Sources = Annotated[list[Source], Field(max_length=1_000)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=1_024)]
SandboxItem = Annotated[
    Annotated[Pattern, Tag("#pattern")] | Annotated[Source, Tag("#source")], Discriminator(_kind_of_item)
]
Alternatives = Annotated[list[dict[str, Any]], Field(min_length=2, max_length=8)]
Template = Annotated[
    Annotated[dict[str, Any], Tag("#one")] | Annotated[Alternatives, Tag("#several")],
    Discriminator(_kind_of_requirements),
]


class JobHint(_Closed):
    """What a document says of the job that runs it."""

    schema_version: Literal["1.0"] = "1.0"
    job_type: JobType | None = None
    type: JobType | None = None
    group: str | None = Field(default=None, max_length=32)
    log_level: str | None = Field(default=None, max_length=32)
    priority: int | None = None
    requirements_template: Template | None = None
    cpu_work: int | None = Field(default=None, ge=1, le=10**12)
    platform: str | None = Field(default=None, max_length=255)
    sites: Names | None = None
    banned_sites: Names | None = None
    tags: Names | None = None
    output_sandbox: Annotated[list[SandboxItem], Field(max_length=100)] | None = None
    input_sandbox: Sources | None = None
    input_data: Sources | None = None
    output_data: Annotated[list[Binding], Field(max_length=100)] | None = None

    @model_validator(mode="after")
    def _names_one_type(self) -> "JobHint":
        if self.type is not None and self.job_type is not None:
            raise PydanticCustomError("two_types", "give job_type or type, not both: they are the same")
        return self

    def said(self) -> dict[str, Any]:
        """Return what is said, by field; `type` is called `job_type`."""
        values = self.model_dump(exclude_unset=True, exclude={"schema_version"})
        if (named := values.pop("type", None)) is not None:
            values["job_type"] = named
        return values
