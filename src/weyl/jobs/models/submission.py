"""What crosses the wire when jobs are submitted."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class InsertedJob(BaseModel):
    """A job that now exists, as the answer to its submission."""

    model_config = ConfigDict(populate_by_name=True)

    job_id: int = Field(alias="JobID")
    status: str = Field(alias="Status")
    minor_status: str = Field(alias="MinorStatus")
    time_stamp: datetime = Field(alias="TimeStamp")


class InsertedJSONJob(InsertedJob):
    """A job that was described in JSON, with what its author should know."""

    warnings: list[str] = Field(alias="Warnings")


class CheckedTexts(BaseModel):
    """Job descriptions to be checked, in one of the two forms."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    jdl: list[str] = Field(default=[], max_length=1_000)
    json_: list[dict[str, Any]] | None = Field(default=None, alias="json", max_length=1_000)

    @model_validator(mode="after")
    def _is_one_form(self) -> "CheckedTexts":
        if bool(self.jdl) == (self.json_ is not None):
            raise ValueError("give either jdl or json")
        return self


class CheckedJob(BaseModel):
    """What a description would make: how many jobs, with which requirements, and what its author should know."""

    jobs: int = Field(alias="Jobs")
    warnings: list[str] = Field(alias="Warnings")
    requirements: list[dict[str, Any]] = Field(alias="Requirements")
    preview: list[str] = Field(
        default=[], alias="Preview", description="The first ten jobs as they would be, in JDL; their ids are %j"
    )
