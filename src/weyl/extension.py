"""Every point where a community plugs in; the dataclass is the reference page."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Table

from weyl.config.models import Config
from weyl.config.routes import CurrentConfig
from weyl.config.section import Section
from weyl.cwl.additions import HINTS, HintKind, hint_problems
from weyl.descriptions.attributes import JobAttribute, attribute_problems
from weyl.file_catalog.drivers.catalog import CATALOGS, CatalogFactory
from weyl.file_catalog.drivers.stager import STAGERS, StagerFactory
from weyl.jobs.additions import JOB_ATTRIBUTES, REFERENCES, SUBMISSION_CHECKS, JobReferences, SubmissionCheck
from weyl.kit.http import CurrentActor, Now, User
from weyl.kit.operations import policy_problems, replacement_problems
from weyl.kit.points import mapping, sequence
from weyl.kit.room import Room
from weyl.kit.services import Key
from weyl.pilots.commands import PAYLOAD_COMMANDS, PayloadCommand, command_problems
from weyl.pilots.compute_elements.driver import DRIVERS, DriverFactory
from weyl.preparation.additions import PREPARATION_CHECKS, PreparationCheck
from weyl.storage.drivers.driver import STORAGE_DRIVERS, StorageDriverFactory

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE = re.compile(r"[\w.]+:[\w./-]+")


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


def guard(operation_id: str, policy: Policy) -> Callable[..., Awaitable[None]]:
    """Return the dependency that asks a policy before anything else of a request."""

    async def ask(request: Request, actor: CurrentActor, config: CurrentConfig, now: Now) -> None:
        path = {name: str(value) for name, value in request.path_params.items()}
        answer = policy(Asked(actor, operation_id, path, dict(request.query_params), config, now))
        if inspect.isawaitable(answer):
            await answer

    return ask


def _every_policy(values: Iterable[Mapping[str, Policy]]) -> dict[str, Policy]:
    """Join policies: where several extensions have one for an operation, each is asked in turn."""
    found: dict[str, list[Policy]] = {}
    for name, policy in (item for each in values for item in each.items()):
        found.setdefault(name, []).append(policy)
    return {name: _in_turn(policies) for name, policies in found.items()}


def _in_turn(policies: Sequence[Policy]) -> Policy:
    async def ask(asked: Asked) -> None:
        for policy in policies:
            answer = policy(asked)
            if inspect.isawaitable(answer):
                await answer

    return policies[0] if len(policies) == 1 else ask


def _others(part: "Extension", whole: "Extension") -> list[APIRouter]:
    return [router for router in whole.routers if router not in part.routers]


def _section_problems(part: "Extension", _: "Extension") -> Iterator[str]:
    for name, model in part.sections.items():
        if not _NAME.fullmatch(name):
            yield f"{part.name}: {name!r} cannot name a section; use lower case letters, digits and _"
        if not (isinstance(model, type) and issubclass(model, Section)):
            yield f"{part.name}: the model of section {name} must be a subclass of weyl.config.section.Section"


def _table_problems(part: "Extension", _: "Extension") -> Iterator[str]:
    for branch in part.migrations:
        if not _NAME.fullmatch(branch) or not f"{branch}_".startswith(f"{part.name}_"):
            yield f"{part.name}: its migrations must be called {part.name}, or {part.name}_ and more, not {branch!r}"
    for table in part.tables:
        if not table.name.startswith(f"{part.name}_"):
            yield f"{part.name}: the name of table {table.name} must start with {part.name}_"
    if part.tables and not part.migrations:
        yield f"{part.name}: there are tables but no migrations that create them; say where these are"


def _asset_problems(part: "Extension", _: "Extension") -> Iterator[str]:
    for name, place in part.assets.items():
        if not _NAME.fullmatch(name):
            yield f"{part.name}: {name!r} cannot name a path of files; use lower case letters, digits and _"
        if not _PLACE.fullmatch(place):
            yield f"{part.name}: {place!r} is not a package and a folder in it, such as package:static"


@dataclass(frozen=True, kw_only=True)
class Extension(Room):
    """What one package adds to weyl: what a room has, and more; every field but the name is optional."""

    name: str
    """The name, for messages and for the names of its tables: lower case letters, digits and `_`."""
    sections: Mapping[str, type[Section]] = mapping("The section {} of the configuration", check=_section_problems)
    """Sections below `Extensions` of the configuration, by name; `config.section(model)` returns one."""
    replaces: Mapping[str, Callable[..., Any]] = mapping(
        "The replacement of operation {}",
        check=lambda part, whole: replacement_problems(part.name, part.replaces, _others(part, whole)),
    )
    """Functions that answer in the place of a built-in route's, by its operation id; path, method, status and answer
    model stay."""
    policies: Mapping[str, Policy] = mapping(
        None,
        merge=_every_policy,
        check=lambda part, whole: policy_problems(part.name, part.policies, whole.routers),
    )
    """Further checks by operation id, made before anything else of the request; they can only refuse."""
    job_attributes: Mapping[str, JobAttribute] = mapping(
        "The attribute {} of jobs",
        check=lambda part, _: (f"{part.name}: {problem}" for problem in attribute_problems(part.job_attributes)),
        key=JOB_ATTRIBUTES,
    )
    """Attributes that job descriptions may have: checked at submission, kept, and shown among a job's parameters."""
    submission_checks: Mapping[str, SubmissionCheck] = mapping("The check {} of submissions", key=SUBMISSION_CHECKS)
    """Look at what is about to be submitted, and may refuse it with a reason; by the name that refusals show."""
    preparation_checks: Mapping[str, PreparationCheck] = mapping(
        "The check {} of jobs before they wait", key=PREPARATION_CHECKS
    )
    """Look at jobs before they wait for a pilot, thousands at a time; may refuse, hold, or keep them to some sites."""
    hints: Mapping[str, HintKind] = mapping(
        "The hint {}",
        check=lambda part, _: (f"{part.name}: {problem}" for problem in hint_problems(part.hints)),
        key=HINTS,
    )
    """Hints of the community in CWL documents, by full IRI: checked by a model, they add attributes to the job."""
    catalogs: Mapping[str, CatalogFactory] = mapping("The file catalogue {}", key=CATALOGS)
    """File catalogues by the name that `Operations.<VO>.InputData.Catalog` uses; each process makes one of each."""
    storage: Mapping[str, StorageDriverFactory] = mapping("The storage driver {}", key=STORAGE_DRIVERS)
    """Drivers of storage elements by the name that `Protocol` of an endpoint in the configuration uses."""
    stagers: Mapping[str, StagerFactory] = mapping("The stager {}", key=STAGERS)
    """What brings files from tape to disk, by the name that `Operations.<VO>.InputData.Stager` uses."""
    job_references: Sequence[JobReferences] = sequence(key=REFERENCES)
    """Say which jobs the package still refers to: these are neither cleaned nor removed."""
    compute_elements: Mapping[str, DriverFactory] = mapping("The driver {} of computing elements", key=DRIVERS)
    """Drivers of computing elements by the name that the configuration's `Driver` uses."""
    payload_commands: Mapping[str, PayloadCommand] = mapping(
        "The payload command {}",
        check=lambda part, _: (f"{part.name}: {problem}" for problem in command_problems(part.payload_commands)),
        key=PAYLOAD_COMMANDS,
    )
    """Programs that run before or after payloads, by the name that `CWL.PerJobType.<type>.Commands` of the
    configuration uses."""
    tables: Sequence[Table] = sequence(check=_table_problems)
    """Tables of the package, on `weyl.kit.db.metadata`; each name starts with the extension's name and `_`."""
    migrations: Mapping[str, str] = mapping("The line of migrations {}")
    """Where the Alembic revisions of these tables are, such as `{"example": "package:migrations"}`; `weyl db migrate`
    applies them."""
    assets: Mapping[str, str] = mapping("The path /ext/{}", check=_asset_problems)
    """Where files for the web pages are, such as `{"example": "package:static"}`; served below `/ext/example/`."""


EXTENSION: Key[Extension] = Key("the merged extensions")
"""All active extensions, weyl's own among them, as one."""


class ExtensionConflict(Exception):
    """Extensions that cannot work, or not together; the text says what is wrong and names them."""
