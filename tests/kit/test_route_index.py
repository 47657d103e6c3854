"""The index answers what routers would have answered, and passes by no check that was put before a route."""

import httpx2
from fastapi import APIRouter, Depends, FastAPI, Request, Response

from weyl.kit import faults
from weyl.kit.errors import Forbidden
from weyl.kit.route_index import DirectAnswers, RouteIndex, answered_by


async def _refuse() -> None:
    raise Forbidden("Not you")


async def _at_once(request: Request) -> Response:
    if request.headers.get("x-refuse"):
        raise Forbidden("Not so")
    return Response("at once")


@answered_by(_at_once)
async def _slowly() -> Response:
    return Response("slowly")


async def _named(name: str) -> Response:
    return Response(name)


def _client() -> httpx2.AsyncClient:
    router = APIRouter()
    router.add_api_route("/open", _slowly)
    router.add_api_route("/guarded", _slowly, dependencies=[Depends(_refuse)])
    router.add_api_route("/things/{name}", _named)
    router.add_api_route("/things", _slowly, methods=["POST"])
    app = FastAPI()
    app.include_router(router)
    index = RouteIndex([router])
    app.router.routes.insert(0, index)
    app.add_middleware(DirectAnswers, index=index)
    faults.install(app)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://here")


async def test_a_marked_endpoint_is_answered_at_once_unless_a_check_stands_before_it() -> None:
    async with _client() as client:
        assert (await client.get("/open")).text == "at once"
        assert (await client.get("/guarded")).status_code == 403


async def test_errors_of_an_answer_become_what_the_application_says() -> None:
    async with _client() as client:
        answer = await client.get("/open", headers={"x-refuse": "1"})
    assert (answer.status_code, answer.json()) == (403, {"detail": "Not so"})


async def test_what_is_not_in_the_index_goes_the_usual_way() -> None:
    async with _client() as client:
        assert (await client.get("/things/one")).text == "one"
        assert (await client.get("/things")).status_code == 405
        assert (await client.post("/things")).text == "at once"
        assert (await client.get("/nothing")).status_code == 404
