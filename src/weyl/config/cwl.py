"""What a VO says of jobs that are written in CWL: defaults of their hints, by job type too, and where software is."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from weyl.config.section import Section

CommandName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class JobHints(Section):
    """Values that the hint `dirac:Job` has where a document says nothing."""

    group: str | None = Field(default=None, max_length=32)
    log_level: str | None = None
    priority: int | None = None
    cpu_work: int | None = Field(default=None, ge=1)
    platform: str | None = None
    sites: list[str] | None = Field(default=None, max_length=1_000)
    banned_sites: list[str] | None = Field(default=None, max_length=1_000)
    tags: list[str] | None = Field(default=None, max_length=16)
    output_sandbox: list[str] | None = Field(default=None, max_length=100)
    # The directory of output data whose binding names none: absolute, or below the home of the owner.
    output_path: str | None = Field(default=None, min_length=1, max_length=1024)
    requirements_template: dict[str, Any] | list[dict[str, Any]] | None = None


class DefaultHints(JobHints):
    """Values for every job that is written in CWL."""

    job_type: str | None = Field(default=None, min_length=1, max_length=32)


class TypeHints(JobHints):
    """Values for jobs of one type, and commands that run before and after the payload of such jobs."""

    commands: list[CommandName] = Field(default_factory=list, max_length=20)


class CWLOptions(Section):
    """Jobs that are written in CWL; `Commands` holds for every job of its type, however it is written."""

    defaults: DefaultHints = DefaultHints()
    per_job_type: dict[str, TypeHints] = Field(default_factory=dict)
    software: dict[str, str] = Field(default_factory=dict)
