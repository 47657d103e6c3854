"""What crosses the wire when jobs are submitted in CWL."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from weyl.cwl.models.bundles import InputObject, SentManifest, WorkflowProblem, WorkflowReference, WorkflowText
from weyl.kit.bounds import ATTRIBUTES_MAX, IDS_MAX, NAMES_MAX, ClosedModel, Entries, Name

Int = Annotated[int, Field(gt=-(2**63), lt=2**63)]
ScatterMethod = Literal["dotproduct", "flat_crossproduct"]


class CWLOrder(ClosedModel):
    """What is submitted, all but the values of inputs, which may be many: these are read by themselves."""

    workflow: WorkflowText | None = Field(default=None, description="A document in YAML or JSON, in one text")
    manifest: SentManifest | None = Field(default=None, description="Files under their own names")
    workflow_id: WorkflowReference | None = None
    range_param: Name | None = Field(default=None, description="The input that takes each number of the range")
    range_start: Int | None = None
    range_end: Int | None = Field(default=None, description="The first number behind the range")
    range_step: Int | None = None
    scatter_method: ScatterMethod = "dotproduct"
    hints: Annotated[dict[str, Any], Entries(NAMES_MAX)] | None = Field(
        default=None, description="Fields of `dirac:Job` that beat the document's"
    )
    dry_run: bool = False
    allow_unknown: bool = Field(default=False, description="Pass by inputs that the document does not declare")

    @model_validator(mode="after")
    def _is_whole(self) -> "CWLOrder":
        if sum(each is not None for each in (self.workflow, self.manifest, self.workflow_id)) != 1:
            raise ValueError("give one of workflow, manifest and workflow_id")
        if self.range_param is None and (self.range_start, self.range_end, self.range_step) != (None, None, None):
            raise ValueError("range_start, range_end and range_step need range_param, the input that takes the numbers")
        if self.range_param is not None and self.range_end is None:
            raise ValueError("range_param needs range_end")
        return self


class CWLSubmission(CWLOrder):
    """Jobs of one workflow: one for each input object, each number of a range, or each step of scattered lists."""

    inputs: list[InputObject] = Field(default=[], max_length=IDS_MAX)
    base_inputs: InputObject | None = Field(default=None, description="Lies below every input object")
    scatter: Annotated[dict[str, Annotated[list[Any], Field(max_length=IDS_MAX)]], Entries(ATTRIBUTES_MAX)] | None = (
        Field(default=None, description="Lists of values, by input")
    )


class RehearsedClass(BaseModel):
    """Jobs that ask for the same: how many, of what, and where they could run."""

    requirements: Any
    jobs: int
    sites: list[str]
    verdict: str | None = Field(description="Why nothing that was seen lately could run them; null if something could")


class Rehearsal(BaseModel):
    """What a submission would make; nothing is stored."""

    jobs: int
    workflow_id: str | None
    bundle_id: str
    problems: list[WorkflowProblem]
    classes: list[RehearsedClass]
    inputs: list[dict[str, Any]] = Field(description="The first ten input objects")
