"""Operations of the API by their ids: finds the routes that serve one, puts another function there, adds checks."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from weyl.kit.http import WHO_CALLS, current_pilot, sent_by_nodes

Endpoint = Callable[..., Any]
_ROUTE_ARGUMENTS = [name for name in inspect.signature(APIRoute.__init__).parameters if name != "self"]


def operations_of(routers: Iterable[APIRouter]) -> dict[str, list[APIRoute]]:
    """Return the routes of each operation id.

    A route without an id whose function has one elsewhere (the same path without its slash) belongs to that operation:
    a check that is put on one door is put on the other.
    """
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    ids = {route.endpoint: route.operation_id for route in routes if route.operation_id is not None}
    found: dict[str, list[APIRoute]] = {}
    for route in routes:
        found.setdefault(route.operation_id or ids.get(route.endpoint) or route.unique_id, []).append(route)
    return found


def signatures_of(routers: Iterable[APIRouter]) -> set[str]:
    """Return what routes answer to: method and path, with names in the path left blank."""
    return {
        signature(method, route.path)
        for routes in operations_of(routers).values()
        for route in routes
        for method in route.methods or ()
    }


def signature(method: str, path: str) -> str:
    """Return method and path without the names in the path: two routes with one signature hide one another."""
    return f"{method} {re.sub(r'{[^}]*}', '{}', path)}"


def knows_user(route: APIRoute) -> bool:
    """Tell whether a route asks who calls."""
    return _asks(route.dependant)


def is_for_nodes(route: APIRoute) -> bool:
    """Tell whether a route is for pilots alone, or says that what nodes send there may be large."""
    return _asks(route.dependant, (current_pilot, sent_by_nodes))


def _asks(dependant: Dependant, who: Sequence[Endpoint] = WHO_CALLS) -> bool:
    return dependant.call in who or any(_asks(each, who) for each in dependant.dependencies)


def asks_user(endpoint: Endpoint) -> bool:
    """Tell whether a function would ask who calls if it were a route."""
    return knows_user(APIRoute("/{rest}", endpoint, response_model=None))


def replacement_problems(owner: str, replaces: Mapping[str, Endpoint], routers: Sequence[APIRouter]) -> Iterator[str]:
    """Yield what is wrong with functions that an extension puts in the place of others."""
    operations = operations_of(routers) if replaces else {}
    for operation, endpoint in replaces.items():
        if operation not in operations:
            yield f"{owner} replaces {operation}, which is no operation; {_nearest(operation, operations)}"
        elif knows_user(operations[operation][0]) and not asks_user(endpoint):
            yield (
                f"{owner} replaces {operation} by a function that does not ask who calls; "
                "take CurrentUser, CurrentPilot or CurrentActor as an argument"
            )


def policy_problems(owner: str, policies: Iterable[str], routers: Sequence[APIRouter]) -> Iterator[str]:
    """Yield what is wrong with the operations that an extension has policies for."""
    names = list(policies)
    operations = operations_of(routers) if names else {}
    for operation in names:
        if operation not in operations:
            yield f"{owner} has a policy for {operation}, which is no operation; {_nearest(operation, operations)}"
        elif not knows_user(operations[operation][0]):
            yield f"{owner} has a policy for {operation}, which anybody may call: there is no user to judge"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "docs/developer/routes.md lists them"


def rewired(
    routers: Sequence[APIRouter], *, endpoints: Mapping[str, Endpoint], guards: Mapping[str, Sequence[Endpoint]]
) -> list[APIRouter]:
    """Return the routers with other functions, and with checks that run before everything else, at some operations.

    The routers that are given stay as they are: they belong to modules, and a process may hold several applications.
    """
    ids = {id(route): name for name, routes in operations_of(routers).items() for route in routes}
    return [_rewired(router, ids, endpoints, guards) for router in routers]


def _rewired(
    router: APIRouter,
    ids: Mapping[int, str],
    endpoints: Mapping[str, Endpoint],
    guards: Mapping[str, Sequence[Endpoint]],
) -> APIRouter:
    names = [ids.get(id(route)) for route in router.routes]
    if not any(name in endpoints or name in guards for name in names):
        return router
    routes = [
        _changed(route, endpoints.get(name), guards.get(name, ()))
        if isinstance(route, APIRoute) and name is not None
        else route
        for route, name in zip(router.routes, names, strict=True)
    ]
    return APIRouter(routes=routes)


def _changed(route: APIRoute, endpoint: Endpoint | None, guards: Sequence[Endpoint]) -> APIRoute:
    if endpoint is None and not guards:
        return route
    arguments = {name: getattr(route, name) for name in _ROUTE_ARGUMENTS}
    if endpoint is not None:
        arguments["endpoint"] = endpoint
    return APIRoute(**arguments | {"dependencies": [*map(Depends, guards), *route.dependencies]})
