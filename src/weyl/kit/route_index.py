"""Finds routes with a fixed path by one look-up, and lets hot documents be answered without dependencies."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match

from weyl.kit.http import Conditional
from weyl.kit.middleware import App, Message, Receive, Scope, Send

Answer = Callable[[Request], Awaitable[Response | None]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_ATTRIBUTE = "weyl_direct_answer"
_FAILURE = "weyl.failure"


def answered_by(answer: Answer) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint as one that `answer` stands in for, given the request alone.

    Both must say the same. The endpoint declares what the API's document tells; the answer saves what FastAPI takes to
    solve dependencies, which is most of the time of a request for a document that lies ready in memory. An answer of
    None leaves the request to the endpoint.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, answer)
        return endpoint

    return mark


class RouteIndex(BaseRoute):
    """Stands before all routes and knows those without names in their path.

    The routers would be asked one after the other, and the one that has the route twice: 0.15 ms a request with a
    hundred routes. What is not in the index, a wrong method too, goes the usual way.
    """

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        self._routes: dict[tuple[str, str], tuple[APIRoute, Answer | None]] = {}
        for route in (route for router in routers for route in router.routes):
            if isinstance(route, APIRoute) and "{" not in route.path:
                for method in route.methods or ():
                    self._routes.setdefault((method, route.path), (route, _direct_answer(route)))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether the request is for one of the routes."""
        found = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None:
            return Match.NONE, {}
        route = found[0]
        return Match.FULL, {"route": route, "endpoint": route.endpoint, "path_params": {}}

    def answer_of(self, scope: Scope) -> tuple[APIRoute, Answer] | None:
        """Return the route of a request with what stands in for it, if something does."""
        found = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None or found[1] is None:
            return None
        return found[0], found[1]

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to the route that was found; what an answer in its stead has raised is raised here."""
        failure: Exception | None = scope.get(_FAILURE)
        if failure is not None:
            raise failure
        await scope["route"].handle(scope, receive, send)


class DirectAnswers:
    """Answers what has a direct answer before the layers that FastAPI puts around its routes.

    Errors are raised where a route would have raised them, so that the same handlers see them.
    """

    def __init__(self, app: App, *, index: RouteIndex) -> None:
        self._app = app
        self._index = index

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        found = self._index.answer_of(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"], answer = found
        request = Request(scope, receive)
        try:
            response = await answer(request)
        except Exception as failure:  # noqa: BLE001 - raised again by the index, inside the handlers of errors
            scope[_FAILURE] = failure
            response = None
        if response is None:
            await self._app(scope, _again(request, receive), send)
        else:
            await response(scope, receive, send)


def _again(request: Request, receive: Receive) -> Receive:
    """Return what gives the body that was read once more, and then what comes after it."""
    body: bytes | None = getattr(request, "_body", None)

    async def from_the_start() -> Message:
        nonlocal body
        if body is None:
            return await receive()
        held, body = body, None
        return {"type": "http.request", "body": held, "more_body": False}

    return from_the_start


def _direct_answer(route: APIRoute) -> Answer | None:
    """Return what stands in for a route, unless somebody has put a check before it, which must not be passed by."""
    answer: Answer | None = getattr(route.endpoint, _ATTRIBUTE, None)
    return answer if all(each is Conditional for each in route.dependencies) else None
