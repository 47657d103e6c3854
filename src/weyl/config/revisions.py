"""What people and the API say of revisions of the configuration: one to be read, one that is to be made."""

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from weyl.config.errors import NoMessage, Problem
from weyl.kit.bounds import ClosedModel

MESSAGE_LENGTH_MAX = 10_000
DOCUMENT_LENGTH_MAX = 8_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class RevisionListed(BaseModel):
    """One commit of the configuration."""

    model_config = ConfigDict(validate_by_name=True)

    revision: str = Field(alias="Revision")
    time: datetime = Field(alias="Time")
    author: str = Field(alias="Author")
    message: str = Field(alias="Message")


class FaultShown(BaseModel):
    """One fault of a document; lines count from 1, 0 means all of it."""

    line: int
    path: str
    message: str


class RevisionShown(RevisionListed):
    """One commit with its document as it is written, what that says, and what is wrong with it."""

    is_newest: bool = Field(alias="IsNewest")
    text: str = Field(alias="Text")
    document: Any = Field(alias="Document", description="The text as JSON; null if it cannot be read")
    problems: list[FaultShown] = Field(alias="Problems")


class ChangeOrder(ClosedModel):
    """A new document in place of the one that `base` has."""

    base: str = Field(min_length=1, max_length=64, description="The revision that the change was made of, in full")
    document: str = Field(max_length=DOCUMENT_LENGTH_MAX, description="The whole document as YAML")
    message: str = Field(default="", max_length=MESSAGE_LENGTH_MAX, description="Why it is changed; not needed to try")
    dry_run: bool = Field(default=False, description="Only say what is wrong, and what would change")


class ChangeMade(BaseModel):
    """What became of a change, or would."""

    problems: list[FaultShown]
    diff: str
    base: str
    newest: str = Field(description="The newest revision, after the change if it was made")
    revision: str | None = Field(description="The new revision; null if none was made")
    is_current: bool = Field(description="Whether `base` was the newest revision; if not, the change is refused")


class ConfigDiff(BaseModel):
    """The difference between two revisions, as git writes it."""

    diff: str


def faults_of(problems: tuple[Problem, ...]) -> list[FaultShown]:
    """Return problems as they cross the wire."""
    return [FaultShown(line=each.line, path=each.path, message=each.message) for each in problems]


def clean_text(text: str) -> str:
    """Return a document with the line ends of the repository: editors in browsers write others."""
    lines = text.replace("\r\n", "\n")
    return lines if not lines or lines.endswith("\n") else f"{lines}\n"


def clean_message(message: str) -> str:
    """Return the message of a change; raises if it says nothing or could not be kept."""
    cleaned = message.replace("\r\n", "\n").strip()
    if not cleaned:
        raise NoMessage("Say in `message` why the configuration is changed; those after you read it in its history")
    if _CONTROL.search(cleaned):
        raise NoMessage("A message is plain text, without control characters")
    return cleaned
