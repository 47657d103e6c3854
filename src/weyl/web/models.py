"""What crosses the wire for the web pages alone: their descriptions, preferences and dashboards."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from weyl.jobs.models.values import Storable, check_document
from weyl.kit.bounds import ATTRIBUTES_MAX, ClosedModel, Entries
from weyl.kit.views import View

Document = Annotated[dict[str, Any], AfterValidator(check_document), Entries(ATTRIBUTES_MAX)]
Kind = Literal["dashboard", "view"]
Title = Annotated[Storable, Field(min_length=1, max_length=200)]


class Views(BaseModel):
    """What the caller's pages may show."""

    version: str
    views: list[View]


class Preferences(BaseModel):
    """What a person has chosen, as the pages wrote it: columns, theme, size of pages."""

    document: Document = {}
    updated_at: datetime | None = None


class PreferencesParams(ClosedModel):
    """Preferences to keep in place of the earlier ones."""

    document: Document


class DashboardParams(ClosedModel):
    """A dashboard, or a view that is saved under a name, as its owner writes it."""

    kind: Kind = "dashboard"
    title: Title
    shared: bool = False
    """Whether everybody in the VO may see it."""
    document: Document


class DashboardChange(DashboardParams):
    """A dashboard that replaces the one with this revision."""

    revision: int = Field(ge=1, lt=2**31 - 1)  # the next one must be a number of the column too


class DashboardShown(BaseModel):
    """A dashboard in a list, without its document."""

    id: UUID
    kind: Kind
    title: str
    shared: bool
    owner: str
    mine: bool
    revision: int
    created_at: datetime
    updated_at: datetime


class Dashboard(DashboardShown):
    """A dashboard with what it shows."""

    document: dict[str, Any]
