"""What a workflow has put out, as the node that ran it tells it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from weyl.config.lfns import directory_fault_of, fault_of
from weyl.jobs.models.values import AMOUNT_MAX, check_document, check_text
from weyl.jobs.outputs import ON_GRID, PATH_LENGTH_MAX, fault_of_path, files_in, is_elsewhere
from weyl.kit.bounds import ATTRIBUTES_MAX, ClosedModel, Entries, Name
from weyl.sandboxes.models import PFN_LENGTH_MAX, PFN_PATTERN

MANIFEST_BYTES_MAX = 4 << 20
FILES_MAX = 10_000
INTEGER_MAX = 2**63
LOCATION_LENGTH_MAX = 8_192


def _check_path(path: str) -> str:
    if fault := fault_of_path(path):
        raise PydanticCustomError("path", "a path {fault}", {"fault": fault})
    return check_text(path)


def _check_lfn(lfn: str) -> str:
    if fault := fault_of(lfn):
        raise PydanticCustomError("lfn", "a file of the grid {fault}", {"fault": fault})
    return check_text(lfn)


def _check_outputs(outputs: dict[str, Any]) -> dict[str, Any]:
    check_document(outputs)
    _check_integers(outputs)
    for each in files_in(outputs):
        each.pop("path", None)  # where the file was on the node means nothing elsewhere
        location = each.get("location")
        if location is None and ("contents" in each or "listing" in each):
            continue
        if not isinstance(location, str) or len(location) > LOCATION_LENGTH_MAX:
            raise PydanticCustomError(
                "location", "a {kind} of an output has a location, contents or a listing", {"kind": each["class"]}
            )
        if location.startswith(ON_GRID) and (fault := directory_fault_of(location.removeprefix(ON_GRID))):
            raise PydanticCustomError("location", "a file of the grid {fault}", {"fault": fault})
        if not is_elsewhere(location) and (fault := fault_of_path(location)):
            raise PydanticCustomError(
                "location",
                "the location of an output {fault}, or is a URL or begins with sandbox:/S3/ or LFN:/",
                {"fault": fault},
            )
    return outputs


def _check_integers(outputs: dict[str, Any]) -> None:
    waiting: list[Any] = [outputs]
    while waiting:
        one = waiting.pop()
        if isinstance(one, int) and not -INTEGER_MAX <= one < INTEGER_MAX:
            raise PydanticCustomError("integer", "a whole number of an output has at most 64 bits")
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


Path = Annotated[str, StringConstraints(max_length=PATH_LENGTH_MAX), AfterValidator(_check_path)]
Lfn = Annotated[str, StringConstraints(max_length=PATH_LENGTH_MAX), AfterValidator(_check_lfn)]
SHA1 = Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9a-f]{40}$")]
Outputs = Annotated[dict[str, Any], Entries(ATTRIBUTES_MAX), AfterValidator(_check_outputs)]
Sandbox = Annotated[str, StringConstraints(max_length=PFN_LENGTH_MAX, pattern=PFN_PATTERN)]


class OutputFile(ClosedModel):
    """One file, in the output sandbox or in the file catalogue: of which output it is, and how to know it again."""

    output: Annotated[Name, AfterValidator(check_text)]
    index: Annotated[int, Field(ge=0, le=AMOUNT_MAX)] | None = None
    path: Path | None = None
    lfn: Lfn | None = None
    se: Annotated[Name, AfterValidator(check_text)] | None = None
    size: int = Field(ge=0, le=AMOUNT_MAX, description="Bytes")
    adler32: Annotated[str, StringConstraints(max_length=8, pattern=r"^[0-9a-f]{8}$")] | None = None
    sha1: SHA1 | None = None
    guid: Annotated[str, StringConstraints(max_length=38, pattern=r"^[0-9A-Fa-f-]{32,38}$")] | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> "OutputFile":
        if (self.path is None) == (self.lfn is None):
            raise PydanticCustomError("place", "a file has a path in the sandbox, or an lfn, not both")
        return self


class InputFile(ClosedModel):
    """A file of the grid that the run has read."""

    lfn: Lfn
    sha1: SHA1 | None = None


class Manifest(ClosedModel):
    """How a run of a workflow ended, its output object, and the files of it."""

    model_config = ConfigDict(allow_inf_nan=False)

    v: Literal[1]
    job_id: int
    status: Literal["success", "permanentFail", "temporaryFail"]
    exit_code: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    outputs: Outputs = Field(default={})
    files: list[OutputFile] = Field(default=[], max_length=FILES_MAX)
    inputs: list[InputFile] = Field(default=[], max_length=FILES_MAX)
    containers: list[Any] = Field(default=[], max_length=0, description="Not available yet")


class JobOutputs(ClosedModel):
    """The manifest of a run, and the output sandbox of the job in which its files are."""

    sandbox: Sandbox | None = None
    manifest: Manifest

    @model_validator(mode="after")
    def _has_a_place_for_its_files(self) -> "JobOutputs":
        locations = [each["location"] for each in files_in(self.manifest.outputs) if "location" in each]
        in_sandbox = any(each.path is not None for each in self.manifest.files)
        if self.sandbox is None and (in_sandbox or not all(map(is_elsewhere, locations))):
            raise PydanticCustomError("sandbox", "files without an output sandbox are nowhere")
        return self
