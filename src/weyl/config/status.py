"""The status that the configuration gives an element of the grid until somebody may say so elsewhere."""

from enum import StrEnum

from pydantic import Field

from weyl.config.section import Section


class StatusWord(StrEnum):
    """The words for the state of a site, a computing element, a storage element or a transfer server."""

    ACTIVE = "Active"
    DEGRADED = "Degraded"
    PROBING = "Probing"
    BANNED = "Banned"
    ERROR = "Error"
    UNKNOWN = "Unknown"


class StatusSetting(Section):
    """A status and why it was given."""

    status: StatusWord = StatusWord.ACTIVE
    reason: str | None = Field(default=None, max_length=1000)


class StorageStatus(Section):
    """The statuses of a storage element, one for each kind of access; an absent one says nothing."""

    read: StatusSetting | None = None
    write: StatusSetting | None = None
    check: StatusSetting | None = None
    remove: StatusSetting | None = None
