"""Puts extensions together: finds what cannot work, and makes one set of rules and routers of what all of them say."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from fastapi import APIRouter, Request

from weyl.auth.properties import known_properties
from weyl.config.models import Config, with_sections
from weyl.config.routes import CurrentConfig
from weyl.config.section import Section
from weyl.extension import Asked, Extension, ExtensionConflict, Policy
from weyl.file_catalog.drivers.catalog import CatalogFactory
from weyl.file_catalog.drivers.stager import StagerFactory
from weyl.jobs.additions import JobReferences, SubmissionCheck
from weyl.jobs.attributes import JobAttribute, is_known
from weyl.jobs.preparation import PreparationCheck, PreparationRules
from weyl.kit import view_rules
from weyl.kit.http import CurrentActor, Now
from weyl.kit.operations import asks_user, knows_user, operations_of, rewired
from weyl.kit.views import View
from weyl.pilots.compute_elements.driver import DriverFactory

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE = re.compile(r"[\w.]+:[\w./-]+")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Activation:
    """What all active extensions say together."""

    config: type[Config]
    properties: frozenset[str]
    attributes: Mapping[str, JobAttribute]
    checks: Mapping[str, SubmissionCheck]
    references: Sequence[JobReferences]
    drivers: Mapping[str, DriverFactory]
    catalogs: Mapping[str, CatalogFactory]
    stagers: Mapping[str, StagerFactory]
    preparation_checks: Mapping[str, PreparationCheck]
    branches: Mapping[str, str]
    """Where the migrations of each extension that has some are, by its name."""
    views: Sequence[View]
    assets: Mapping[str, str]
    """Where the files for web pages of each extension that has some are, by its name."""

    def preparation(self) -> PreparationRules:
        """Make what looks at jobs before they wait; every process has its own."""
        return PreparationRules(
            catalogs={name: make() for name, make in self.catalogs.items()},
            stagers={name: make() for name, make in self.stagers.items()},
            checks=self.preparation_checks,
            attributes=tuple(self.attributes),
        )


def activate(extensions: Sequence[Extension]) -> Activation:
    """Return what the extensions say together; raises `ExtensionConflict` with everything that cannot work."""
    if found := problems(extensions):
        raise ExtensionConflict("\n".join(found))
    sections = {each.name: each.config_model for each in extensions if each.config_model is not None}
    return Activation(
        config=with_sections(sections),
        properties=frozenset(name for each in extensions for name in each.properties),
        attributes={name: found for each in extensions for name, found in each.job_attributes.items()},
        checks={each.name: each.check_submission for each in extensions if each.check_submission is not None},
        references=[each.job_references for each in extensions if each.job_references is not None],
        drivers={name: make for each in extensions for name, make in each.compute_elements.items()},
        catalogs={name: make for each in extensions for name, make in each.catalogs.items()},
        stagers={name: make for each in extensions for name, make in each.stagers.items()},
        preparation_checks={
            each.name: each.check_preparation for each in extensions if each.check_preparation is not None
        },
        branches={each.name: each.migrations for each in extensions if each.migrations is not None},
        views=view_rules.merged(view for each in extensions for view in each.views),
        assets={each.name: each.assets for each in extensions if each.assets is not None},
    )


def routers_of(extensions: Sequence[Extension]) -> list[APIRouter]:
    """Return the routers of all extensions, with what some of them replace and forbid in those of others."""
    endpoints = {name: endpoint for each in extensions for name, endpoint in each.replaces.items()}
    guards: dict[str, list[Callable[..., Any]]] = {}
    for each in extensions:
        for name, policy in each.policies.items():
            guards.setdefault(name, []).append(_guard(name, policy))
    return rewired([router for each in extensions for router in each.routers], endpoints=endpoints, guards=guards)


def _guard(operation_id: str, policy: Policy) -> Callable[..., Awaitable[None]]:
    async def ask(request: Request, actor: CurrentActor, config: CurrentConfig, now: Now) -> None:
        path = {name: str(value) for name, value in request.path_params.items()}
        answer = policy(Asked(actor, operation_id, path, dict(request.query_params), config, now))
        if inspect.isawaitable(answer):
            await answer

    return ask


def problems(extensions: Sequence[Extension]) -> list[str]:
    """Return a sentence for each thing that keeps these extensions from working together."""
    return [
        *_claimed_twice(extensions),
        *(problem for each in extensions for problem in _own_problems(each)),
        *(problem for each in extensions for problem in _route_problems(each, extensions)),
        *_view_problems(extensions),
    ]


def claim(owners: dict[str, str], name: str, extension: str, what: str) -> Iterator[str]:
    """Note that an extension claims a name; yields the sentence that names both if another one had it."""
    owner = owners.setdefault(name, extension)
    if owner != extension:
        yield f"{what} is claimed by {owner} and by {extension}; only one of them can be active"


def _claimed_twice(extensions: Sequence[Extension]) -> Iterator[str]:
    names: list[str] = [each.name for each in extensions]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"Two extensions are called {name}; the name of each must be its own"
    slots: dict[str, Callable[[Extension], Iterable[str]]] = {
        "The replacement of operation {}": lambda each: each.replaces,
        "The attribute {} of jobs": lambda each: each.job_attributes,
        "The driver {} of computing elements": lambda each: each.compute_elements,
        "The file catalogue {}": lambda each: each.catalogs,
        "The stager {}": lambda each: each.stagers,
        "The operation {}": lambda each: operations_of(each.routers),
        "The route {}": _routes,
    }
    for what, slot in slots.items():
        owners: dict[str, str] = {}
        for each in extensions:
            for name in slot(each):
                # Two names that differ by case alone are one to people, and one in job descriptions.
                yield from claim(owners, name.lower(), each.name, what.format(name))


def _view_problems(extensions: Sequence[Extension]) -> Iterator[str]:
    found = list(view_rules.conflicts({each.name: each.views for each in extensions}))
    yield from found
    if found:
        return
    routes = {route for each in extensions for route in _routes(each)}
    properties = known_properties(name for each in extensions for name in each.properties)
    views = view_rules.merged(view for each in extensions for view in each.views)
    names = [view.name for view in views]
    for view in views:
        yield from view_rules.problems(
            view,
            routes=lambda method, path: f"{method} {_unnamed(path)}" in routes,
            views=names,
            properties=properties,
        )


def _unnamed(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path)


def _routes(extension: Extension) -> set[str]:
    return {
        f"{method} {_unnamed(route.path)}"
        for routes in operations_of(extension.routers).values()
        for route in routes
        for method in route.methods or ()
    }


def _own_problems(extension: Extension) -> Iterator[str]:
    name = extension.name
    if not _NAME.fullmatch(name):
        yield f"{name!r} is no name for an extension; use lower case letters, digits and _, such as example_vo"
    if extension.config_model is not None and not issubclass(extension.config_model, Section):
        yield f"{name}: config_model must be a subclass of weyl.config.section.Section"
    for attribute in extension.job_attributes:
        if is_known(attribute):
            yield f"{name}: {attribute} means something in job descriptions already; choose another name"
        elif not _ATTRIBUTE.fullmatch(attribute):
            yield f"{name}: {attribute!r} is no name for an attribute of jobs; use letters and digits"
    for table in extension.tables:
        if not table.name.startswith(f"{name}_"):
            yield f"{name}: the name of table {table.name} must start with {name}_"
    if extension.assets is not None and not _PLACE.fullmatch(extension.assets):
        yield f"{name}: {extension.assets!r} is no place of files; name a package and a folder in it: package:static"
    if extension.tables and extension.migrations is None:
        yield f"{name}: there are tables but no migrations that create them; say where these are"


def _route_problems(extension: Extension, extensions: Sequence[Extension]) -> Iterator[str]:
    others = operations_of(router for each in extensions if each is not extension for router in each.routers)
    for operation, endpoint in extension.replaces.items():
        if operation not in others:
            yield f"{extension.name} replaces {operation}, which is no operation; {_nearest(operation, others)}"
        elif knows_user(others[operation][0]) and not asks_user(endpoint):
            yield (
                f"{extension.name} replaces {operation} by a function that does not ask who calls; "
                "take CurrentUser, CurrentPilot or CurrentActor as an argument"
            )
    everything = others | operations_of(extension.routers)
    for operation in extension.policies:
        if operation not in everything:
            yield f"{extension.name} has a policy for {operation}, which is no operation; {_nearest(operation, others)}"
        elif not knows_user(everything[operation][0]):
            yield f"{extension.name} has a policy for {operation}, which anybody may call: there is no user to judge"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "docs/developer/routes.md lists them"
