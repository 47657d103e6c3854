"""What crosses the wire when bundles are pushed, checked and looked at."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from weyl.cwl.models.manifest import (
    FILE_BYTES_MAX,
    FILES_MAX,
    FRAGMENT_LENGTH_MAX,
    PATH_LENGTH_MAX,
    BundledFile,
    Digest,
    Manifest,
)
from weyl.kit.bounds import ATTRIBUTES_MAX, NAMES_MAX, ClosedModel, Entries

WORKFLOW_LENGTH_MAX = FILE_BYTES_MAX
CHECKED_INPUTS_MAX = 1_000
_CONTENT_LENGTH_MAX = 4 * (FILE_BYTES_MAX + 2) // 3 + 4

InputObject = Annotated[dict[str, Any], Entries(ATTRIBUTES_MAX)]
WorkflowText = Annotated[str, StringConstraints(max_length=WORKFLOW_LENGTH_MAX)]
WorkflowReference = Annotated[
    str, StringConstraints(max_length=65 + FRAGMENT_LENGTH_MAX, pattern=r"^[0-9a-f]{64}(#[^\x00-\x1f\x7f#]+)?$")
]
"""A label or the id of a bundle, 64 hexadecimal digits, with `#` and a fragment after it where one is meant."""


class SentFile(BundledFile):
    """One file of a bundle with its bytes, unless the server has them."""

    content: Annotated[str, StringConstraints(max_length=_CONTENT_LENGTH_MAX)] | None = Field(
        default=None, description="The bytes in base64; left out where your VO has them"
    )

    def data(self) -> bytes | None:
        """Return the bytes, none if they were left out; raises `ValueError` for what is not base64."""
        if self.content is None:
            return None
        try:
            return base64.b64decode(self.content, validate=True)
        except binascii.Error as error:
            raise ValueError(f"content is not base64: {error}") from error


class SentManifest(ClosedModel):
    """A manifest on its way to the server, with the bytes of files that it may not have."""

    v: Literal[1] = 1
    entry: Annotated[str, StringConstraints(max_length=PATH_LENGTH_MAX)]
    fragment: Annotated[str, StringConstraints(max_length=FRAGMENT_LENGTH_MAX)] | None = None
    files: Annotated[dict[str, SentFile], Entries(FILES_MAX)]

    def plain(self) -> Manifest:
        """Return the manifest without bytes; raises `ValueError` for what no bundle may be."""
        files = {path: {"sha256": file.sha256, "size": file.size} for path, file in self.files.items()}
        return Manifest.model_validate({"v": 1, "entry": self.entry, "fragment": self.fragment, "files": files})


class Validation(ClosedModel):
    """A workflow that is to be checked: a text, files, or one that is stored; and input objects for it."""

    workflow: WorkflowText | None = None
    manifest: SentManifest | None = None
    workflow_id: WorkflowReference | None = None
    inputs: Annotated[list[InputObject], Field(max_length=CHECKED_INPUTS_MAX)] | None = None
    hints: Annotated[dict[str, Any], Entries(NAMES_MAX)] | None = None

    @model_validator(mode="after")
    def _names_one(self) -> "Validation":
        if sum(each is not None for each in (self.workflow, self.manifest, self.workflow_id)) != 1:
            raise ValueError("give one of workflow, manifest and workflow_id")
        return self


class WorkflowProblem(BaseModel):
    """What is wrong with a workflow or its inputs, where, and what was probably meant."""

    code: str
    severity: Literal["error", "warning"]
    detail: str
    pointer: str = Field(description="JSON pointer into the document, or into the input object")
    file: str | None = None
    line: int | None = Field(default=None, description="From 1")
    column: int | None = Field(default=None, description="From 1")
    index: int | None = Field(default=None, description="Which input object, from 0")
    did_you_mean: str | None = None


class HintValue(BaseModel):
    """The value that a hint of a job has, and what says so."""

    name: str
    value: Any
    layer: str


class Validated(BaseModel):
    """What the server says of a workflow; nothing is stored."""

    model_config = ConfigDict(populate_by_name=True)

    problems: list[WorkflowProblem]
    schema_: dict[str, Any] | None = Field(alias="schema")
    graph: dict[str, Any] | None
    bundle_id: Digest | None
    workflow_id: Digest | None
    class_: str | None = Field(alias="class")
    label: str | None
    doc: str | None
    hints: list[HintValue]


class StoredWorkflow(BaseModel):
    """A workflow that your VO has."""

    model_config = ConfigDict(populate_by_name=True)

    bundle_id: Digest
    workflow_id: Digest | None
    manifest: Manifest
    label: str | None
    doc: str | None
    class_: str | None = Field(alias="class")
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    problems: list[WorkflowProblem]


class Pushed(BaseModel):
    """The bundle that the server has now."""

    bundle_id: Digest
    workflow_id: Digest | None
    problems: list[WorkflowProblem] = Field(description="Warnings")


class StoredText(BaseModel):
    """The text of a workflow as it was submitted."""

    workflow_id: Digest
    cwl: str
