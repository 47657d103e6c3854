"""The files that a job reads and leaves, as they go over the wire."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from weyl.file_catalog.models.files import Failure
from weyl.jobs.models.values import check_document, check_text
from weyl.kit.bounds import ClosedModel, Entries, Name

FILES_MAX = 10_000
METADATA_MAX = 100
PROTOCOLS_MAX = 10
OUTPUTS_MAX = 1_000
NAME_CHARACTERS_MAX = 4_096
SIZE_MAX = 1 << 50
FILES_BYTES_MAX = 16 << 20

FileName = Annotated[str, StringConstraints(min_length=1, max_length=NAME_CHARACTERS_MAX), AfterValidator(check_text)]


class ProducedFile(ClosedModel):
    """A file that a job has left: how it is called there, and what it must turn out to be when it is stored."""

    name: FileName = Field(description="Its path below the directory of the job, or an `LFN:` item of OutputData")
    output: Annotated[Name, AfterValidator(check_text)] | None = Field(
        default=None, description="The output of the workflow that it belongs to"
    )
    size: int = Field(ge=0, le=SIZE_MAX, description="Bytes")
    checksums: Annotated[dict[str, Name], Entries(4)] = Field(
        description="By name: adler32, md5, sha1 or sha256, in hexadecimal"
    )
    metadata: Annotated[dict[str, Any], Entries(METADATA_MAX), AfterValidator(check_document)] = Field(default={})


class ProducedFiles(ClosedModel):
    """All output data of a job, which become visible together or not at all."""

    files: list[ProducedFile] = Field(max_length=FILES_MAX)
    elsewhere: list[Annotated[Name, AfterValidator(check_text)]] = Field(
        default=[],
        max_length=OUTPUTS_MAX,
        description="Outputs of the workflow whose files the job has not made, such as those that it was given",
    )
    protocols: list[Name] | None = Field(default=None, max_length=PROTOCOLS_MAX, description="What the node speaks")


class InputReplica(BaseModel):
    """A place that a file can be read from, and the request that reads it."""

    se: str
    request: dict[str, Any]


class InputFile(BaseModel):
    """A file that the job reads, and its places, the one to try first before the others."""

    size: int | None = Field(description="Bytes; null where the catalogue does not say")
    checksums: dict[str, str]
    replicas: list[InputReplica]


class InputFiles(BaseModel):
    """What a job reads. Files at storage elements that hand nothing out are in neither: the program opens them."""

    files: dict[str, InputFile]
    failed: dict[str, Failure]


class InputShown(BaseModel):
    """A file that a job reads; of files that the catalogue of weyl does not have only the name is known."""

    lfn: str
    file_id: int | None = None
    size: int | None = None


class OutputShown(BaseModel):
    """A file that a run of the job has registered; those of earlier runs are in the trash."""

    lfn: str
    file_id: int
    size: int
    status: str
    attempt: int


class JobFiles(BaseModel):
    """The files of a job."""

    inputs: list[InputShown]
    outputs: list[OutputShown]
