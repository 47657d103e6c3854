"""The application as a whole: health, errors, limits and the OpenAPI document."""

import httpx2
import pytest
from tests.infra.app import Application


async def test_it_is_alive_ready_and_started(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/api/health/live")).json() == {"status": "live"}
    assert (await client.get("/api/health/ready")).json() == {"status": "ready"}
    assert (await client.get("/api/health/startup")).json() == {"status": "startup complete"}


async def test_no_token_is_401_and_no_bearer_is_400(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/config/")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Authorization header is missing"})
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = await client.get("/api/config/", headers={"Authorization": "Basic YTpi"})
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid authorization header"})


async def test_a_token_that_we_did_not_sign_is_401(client: httpx2.AsyncClient) -> None:
    for token in ("garbage", "eyJhbGciOiJub25lIn0.e30.", "a.b.c"):
        answer = await client.get("/api/config/", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid JWT"}), token


@pytest.mark.parametrize("version", ["0.0.0", "0.0.dev123", "x", "not!valid", pytest.param("x" * 5_000, id="long")])
async def test_a_refused_client_version_is_named_with_the_minimum(client: httpx2.AsyncClient, version: str) -> None:
    answer = await client.get("/api/health/live", headers={"DiracX-Client-Version": version})
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert version[:100] in detail
    assert "0.0.1a1" in detail
    assert len(detail) < 300


@pytest.mark.parametrize("version", ["0.7.0", "0.7", "1.0", "1", "v0.7.0", "0.7.1.dev12+g1f2e3d4"])
async def test_client_versions_are_read_as_python_reads_them(client: httpx2.AsyncClient, version: str) -> None:
    answer = await client.get("/api/health/live", headers={"DiracX-Client-Version": version})
    assert answer.status_code == 200


async def test_a_body_over_the_limit_is_413_also_without_a_length(start_application) -> None:
    application: Application = await start_application(body_bytes_max=2000)
    headers = application.login()

    async def chunks():
        for _ in range(100):
            yield b"x" * 100

    for content in (b"x" * 3000, chunks()):
        answer = await application.client.post("/api/jobs/search", content=content, headers=headers)
        assert answer.status_code == 413
        assert "2000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("length_is_told", [True, False])
async def test_of_strangers_only_a_small_body_is_read(application: Application, length_is_told: bool) -> None:
    async def chunks():
        for _ in range(3):
            yield b"[" * 300_000

    async def send(path: str, headers: dict[str, str]) -> httpx2.Response:
        content = b"[" * 900_000 if length_is_told else chunks()
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if path == "/api/auth/token" else {}
        return await application.client.post(path, content=content, headers={**headers, **kind})

    for path in ("/api/jobs/search", "/api/pilots/token", "/api/auth/token"):
        assert (await send(path, {})).status_code == 413
        forged = await send(path, {"Authorization": "Bearer a.b.c"})
        assert (forged.status_code, forged.headers["www-authenticate"]) == (401, "Bearer")
    assert (await send("/api/jobs/search", {"Authorization": "Basic x"})).status_code == 400
    # Read to its end, and found to be no JSON.
    assert (await send("/api/jobs/search", application.login())).status_code in (400, 422)


async def test_every_answer_has_a_request_id(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/nothing/here")
    assert answer.status_code == 404
    assert len(answer.headers["x-request-id"]) == 32
