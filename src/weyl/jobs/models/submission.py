"""What crosses the wire when jobs are submitted."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


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
