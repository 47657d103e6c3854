"""How large the body of a request may be: what its route says with `max_body_size`, or a megabyte."""

import re
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from weyl.kit.bounds import BODY_BYTES_MAX
from weyl.kit.http import User
from weyl.kit.operations import is_for_nodes


@dataclass(frozen=True, slots=True)
class _Limit:
    methods: frozenset[str]
    path: str
    pattern: re.Pattern[str]
    size: int
    is_for_nodes: bool


class BodyLimits:
    """The limits of routes, of which few say more than the rest."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._limits = list(_limits(routes))

    def of(self, scope: MutableMapping[str, Any], sender: User) -> int:
        """Return how many bytes a sender may send: nodes a megabyte, more only on routes for them."""
        found = next((each for each in self._limits if _fits(each, scope)), None)
        if found is None:
            return BODY_BYTES_MAX
        if sender.kind == "user" or found.is_for_nodes:
            return found.size
        return min(found.size, BODY_BYTES_MAX)

    def declared(self, method: str, path: str) -> int:
        """Return the limit of a route by its path with names in braces, for the API's document."""
        fits = (each.size for each in self._limits if method in each.methods and path == each.path)
        return next(fits, BODY_BYTES_MAX)


def _fits(limit: _Limit, scope: MutableMapping[str, Any]) -> bool:
    return scope["method"] in limit.methods and limit.pattern.match(scope["path"]) is not None


def _limits(routes: Iterable[BaseRoute]) -> Iterator[_Limit]:
    for route in routes:
        if isinstance(route, APIRoute):
            # As it stands: FastAPI takes 0.4 ms a route to tell what is added to it where it is included, nothing here.
            if route.max_body_size is not None:
                yield _Limit(
                    frozenset(route.methods or ()),
                    route.path_format,
                    route.path_regex,
                    route.max_body_size,
                    is_for_nodes(route),
                )
        else:
            yield from _included(route)


def _included(included: BaseRoute) -> Iterator[_Limit]:
    """Return the limits of a router that another one includes."""
    for context in iter_route_contexts([included]):
        route = context.original_route
        if isinstance(route, APIRoute) and context.max_body_size is not None and context.path_format is not None:
            yield _Limit(
                frozenset(context.methods or ()),
                context.path_format,
                context.path_regex,
                context.max_body_size,
                is_for_nodes(route),
            )
