"""Orders about very many files: planned first, then confirmed with the plan's token."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator

from weyl.file_catalog.models.files import FILES_MAX, IdentityName, Mode, Path, Reason
from weyl.file_catalog.models.search import FileQuery
from weyl.kit.bounds import ClosedModel, Entries, Token

UNDO_S, UNDO_S_MAX = 10, 60


class FileAction(StrEnum):
    """What can be done to many files."""

    DELETE = "delete"
    RESTORE = "restore"
    PERMISSIONS = "permissions"
    METADATA = "metadata"
    REMOVE = "rmdir-recursive"


class FileOrderFields(ClosedModel):
    """What an action is told beside the files."""

    reason: Reason | None = None
    """With `delete` and `rmdir-recursive`, which need it."""
    owner: IdentityName | None = None
    group: IdentityName | None = None
    mode: Mode | None = None
    values: Annotated[dict[str, Any], Entries(100)] = Field(default={})
    """With `metadata`: values by the names of fields; null takes a value away."""


class FileOrder(ClosedModel):
    """What to do, and to which files: those named, with all below directories that are named, or those of a query."""

    action: FileAction
    paths: Annotated[list[Path], Field(min_length=1, max_length=FILES_MAX, fail_fast=True)] | None = None
    query: FileQuery | None = None
    """As in a search; not for `rmdir-recursive`. Files of the trash are found by their Status."""
    fields: FileOrderFields = FileOrderFields()
    dry_run: bool = True
    """Without a plan's token nothing but a plan is made; false is refused then."""
    plan_token: Token | None = None
    """Confirms the plan that the same call was answered with."""
    undo_s: int = Field(default=UNDO_S, ge=0, le=UNDO_S_MAX)
    """Seconds after the confirmation in which the operation can be cancelled before anything has happened."""

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        if (self.paths is None) == (self.query is None):
            raise ValueError("say which files: give either `paths` or `query`")
        if self.query is not None and self.action is FileAction.REMOVE:
            raise ValueError("rmdir-recursive is about directories: give `paths`")
        needs_reason = self.action in (FileAction.DELETE, FileAction.REMOVE)
        if needs_reason and self.fields.reason is None:
            raise ValueError(f"{self.action} needs a reason in `fields`")
        if self.action is FileAction.PERMISSIONS and not (self.fields.owner or self.fields.group or self.fields.mode):
            raise ValueError("permissions needs an owner, a group or a mode in `fields`")
        if self.action is FileAction.METADATA and not self.fields.values:
            raise ValueError("metadata needs values in `fields`")
        return self

    def subject(self) -> dict[str, Any]:
        """Return what a plan is made for: everything but how it is confirmed."""
        return self.model_dump(mode="json", include={"action", "paths", "query", "fields"})


class FilePlan(BaseModel):
    """What an order would do."""

    count: int
    """Files that are named, or lie below what is named."""
    bytes: int
    directories: int
    """Directories that are named, or lie below these."""
    sample: list[str]
    """The first ten of the names that are meant."""
    failed: dict[str, Any]
    """Names that cannot be meant, and why; what lies deeper is judged when its turn comes."""
    plan_token: str
    expires_in: int
    """Seconds for which the token is good."""
    undo_s: int
