"""Every point where a community plugs in; the dataclass is the reference page."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Table

from weyl.auth.keys import KeySet
from weyl.config.models import Config
from weyl.config.section import Section
from weyl.config.service import ConfigStore
from weyl.file_catalog.drivers.catalog import CatalogFactory
from weyl.file_catalog.drivers.stager import StagerFactory
from weyl.jobs.additions import JobReferences, SubmissionCheck, SubmissionRules
from weyl.jobs.attributes import JobAttribute
from weyl.jobs.preparation import PreparationCheck, PreparationRules
from weyl.kit.db import Database
from weyl.kit.following import Follower
from weyl.kit.http import User
from weyl.kit.metrics import Metrics
from weyl.kit.s3 import ObjectStore
from weyl.kit.views import View, ViewAddition
from weyl.pilots.compute_elements.driver import DriverFactory
from weyl.settings import Settings
from weyl.tasks.models import BoundTask


@dataclass(frozen=True, slots=True)
class Services:
    """What one process has wired, for those parts of an extension that need it."""

    settings: Settings
    db: Database
    config: ConfigStore
    keys: KeySet
    store: ObjectStore
    drivers: Mapping[str, DriverFactory]
    properties: frozenset[str]
    """Properties that extensions add to those of weyl."""
    submission: SubmissionRules
    """What is demanded of submissions here, the attributes and checks of extensions included."""
    preparation: PreparationRules
    """What looks at jobs before they wait: file catalogues, stagers and the checks of extensions."""
    branches: Mapping[str, str]
    """Where the migrations of each extension that has some are, by its name."""
    references: Sequence[JobReferences] = ()
    """What may still refer to jobs that are old enough to go."""
    metrics: Metrics = field(default_factory=Metrics)
    views: Sequence[View] = ()
    """What web pages show, with what extensions add."""
    followers: list[Follower] = field(default_factory=list)
    """Copies that this process keeps; add the follower of your own, so that health and metrics show it."""
    assets: Mapping[str, str] = field(default_factory=dict)
    """Where extensions have files for web pages, by name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a policy judges: who asks for which operation, on what."""

    user: User
    operation_id: str
    path: Mapping[str, str]
    """The values of the names in the route's path, as they came."""
    query: Mapping[str, str]
    config: Config
    now: datetime


Policy = Callable[[Asked], Awaitable[None] | None]
"""Raises `weyl.kit.errors.Forbidden`, or another error of its kind, to refuse; whatever it returns is not looked at."""


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What one package adds to weyl; every field but the name is optional."""

    name: str
    """The name, for messages, its section of the configuration and its tables: lower case letters, digits and `_`."""
    config_model: type[Section] | None = None
    """The section `Extensions: <name>` of the configuration; `config.section(model)` has it, defaults filled in."""
    properties: Sequence[str] = ()
    """Properties that groups may have and logins may ask for, beside those of weyl."""
    routers: Sequence[APIRouter] = ()
    """Routes that are added to the API; each names its own prefix and tag."""
    replaces: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    """Functions that answer in the place of a built-in route's, by its operation id; path, method, status and answer
    model stay."""
    policies: Mapping[str, Policy] = field(default_factory=dict)
    """Further checks by operation id, made before anything else of the request; they can only refuse."""
    job_attributes: Mapping[str, JobAttribute] = field(default_factory=dict)
    """Attributes that job descriptions may have: checked at submission, kept, and shown among a job's parameters."""
    check_submission: SubmissionCheck | None = None
    """Looks at what is about to be submitted, and may refuse it with a reason."""
    check_preparation: PreparationCheck | None = None
    """Looks at jobs before they wait for a pilot, thousands at a time; may refuse, hold, or keep them to some sites."""
    catalogs: Mapping[str, CatalogFactory] = field(default_factory=dict)
    """File catalogues by the name that `Operations.<VO>.InputData.Catalog` uses; each worker makes one of each."""
    stagers: Mapping[str, StagerFactory] = field(default_factory=dict)
    """What brings files from tape to disk, by the name that `Operations.<VO>.InputData.Stager` uses."""
    job_references: JobReferences | None = None
    """Says which jobs the package still refers to: these are neither cleaned nor removed."""
    tables: Sequence[Table] = ()
    """Tables of the package, on `weyl.kit.db.metadata`; each name starts with the extension's name and `_`."""
    migrations: str | None = None
    """Where the Alembic revisions of these tables are, such as `package:migrations`; `weyl db migrate` applies them."""
    tasks: Callable[[Services], Sequence[BoundTask]] | None = None
    """Returns the background tasks of the package, bound to the services of the worker that will run them."""
    state: Callable[[Services], AbstractAsyncContextManager[Mapping[str, object]]] | None = None
    """Holds what the routes need for the life of a server process; yields objects by the name they get in its state."""
    compute_elements: Mapping[str, DriverFactory] = field(default_factory=dict)
    """Drivers of computing elements by the name that the configuration's `Driver` uses."""
    views: Sequence[View | ViewAddition] = ()
    """Views for the web pages, and columns, actions and tabs for views of others, by their names."""
    assets: str | None = None
    """Where files for the web pages are, such as `package:static`; they are served below `/ext/<name>/`."""


class ExtensionConflict(Exception):
    """Extensions that cannot work, or not together; the text says what is wrong and names them."""
