"""The VO's own issuer, asked with client credentials. No INDIGO IAM can be had here: a small server stands in."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.storage.doors import Door, Settings, opened, write_credential

from weyl.storage.errors import Corrupt, NotAllowed, StorageError, Unreachable

CLIENT = {"client_id": "weyl:client", "client_secret": "5ecret/+"}


class StandIn:
    """Says where its tokens are, and gives what a test wants."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[dict[str, str], str]] = []
        self.metadata: dict[str, Any] | None = None
        self.answer: dict[str, Any] | bytes | None = None
        self.status = 200

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        while line := await reader.readline():
            path, headers = line.decode().split(" ")[1], {}
            while (line := await reader.readline()).strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            status, told = 200, self._told(path, headers, body)
            if path == "/token":
                status = self.status
            content = told if isinstance(told, bytes) else json.dumps(told).encode()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
            await writer.drain()
        writer.close()

    def _told(self, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any] | bytes:
        if path.endswith("openid-configuration"):
            return self.metadata or {"issuer": f"{self.url}/", "token_endpoint": f"{self.url}/token"}
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.asked.append((form, b64decode(headers["authorization"].removeprefix("Basic ")).decode()))
        if self.answer is not None:
            return self.answer
        return {"access_token": f"token-{len(self.asked)}", "expires_in": 3600, "scope": form["scope"]}


@pytest.fixture
async def issuer() -> AsyncIterator[StandIn]:
    """A server that stands in for the issuer of a VO."""
    found = StandIn()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()


@pytest.fixture
async def door(issuer: StandIn, tmp_path: Path) -> AsyncIterator[Door]:
    """A door whose tokens come from there."""
    write_credential(tmp_path / "iam" / "oauth-client", CLIENT)
    endpoint = {
        "Protocol": "https",
        "URL": "https://se.example",
        "Path": "/grid",
        "Credentials": "iam",
        "Auth": {"Kind": "token", "Audience": "https://se.example", "Issuer": issuer.url},
    }
    async with opened(Settings(endpoint, tmp_path), "/voa") as found:
        yield found


async def test_a_token_is_asked_for_one_right_on_one_path(door: Door, issuer: StandIn) -> None:
    request = await door.request(door.path("file"), "read")
    assert request.headers["Authorization"] == "Bearer token-1"
    await door.request(door.path("file"), "write", b"x")
    assert [form for form, _ in issuer.asked] == [
        {
            "grant_type": "client_credentials",
            "scope": f"storage.{word}:/voa/file",
            "audience": "https://se.example",
        }
        for word in ("read", "create")
    ]
    assert issuer.asked[0][1] == "weyl%3Aclient:5ecret%2F%2B"
    assert (request.expires_at - request.expires_at.replace(microsecond=0)).total_seconds() < 1
    assert door.issued == ["voa", "voa"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"access_token": "x", "expires_in": 60, "scope": "storage.read:/"}, NotAllowed),
        ({"access_token": "x", "expires_in": 60, "scope": "storage.read:/voa/file storage.modify:/"}, NotAllowed),
        ({"access_token": "x", "expires_in": 60, "scope": 1}, NotAllowed),
        ({"access_token": "x\r\nX-Injected: 1", "expires_in": 60}, Corrupt),
        ({"access_token": "x" * 20_000, "expires_in": 60}, Corrupt),
        ({"access_token": 1}, Corrupt),
        ({"access_token": "x", "expires_in": "soon"}, Corrupt),
        ({"access_token": "x", "expires_in": -1}, Corrupt),
        (b"[]", Corrupt),
        (b"<html>", Corrupt),
    ],
)
async def test_a_token_that_is_good_for_more_or_none_is_refused(
    door: Door, issuer: StandIn, answer: Any, error: type[StorageError]
) -> None:
    issuer.answer = answer
    with pytest.raises(error):
        await door.request(door.path("file"), "read")


async def test_a_token_lives_no_longer_than_we_say_and_no_longer_than_it_says(door: Door, issuer: StandIn) -> None:
    long = await door.request(door.path("file"), "read", expires_s=600)
    issuer.answer = {"access_token": "x", "expires_in": 30}
    short = await door.request(door.path("file"), "read", expires_s=600)
    assert 550 < (long.expires_at - short.expires_at).total_seconds() < 575


async def test_an_issuer_that_refuses_is_told_without_the_secret(door: Door, issuer: StandIn) -> None:
    issuer.status, issuer.answer = 401, {"error": "invalid_client", "error_description": CLIENT["client_secret"]}
    with pytest.raises(
        NotAllowed, match=r"gives no token with the scope storage\.read:/voa/file: it answers 401"
    ) as caught:
        await door.request(door.path("file"), "read")
    assert CLIENT["client_secret"] not in str(caught.value)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example/", "token_endpoint": "https://evil.example/token"},
        {"issuer": "{url}", "token_endpoint": "http://evil.example/token"},
        {"issuer": "{url}"},
        {"token_endpoint": "{url}/token"},
    ],
)
async def test_an_issuer_that_is_another_or_gives_tokens_in_the_open_is_refused(
    door: Door, issuer: StandIn, metadata: dict[str, str]
) -> None:
    issuer.metadata = {name: text.replace("{url}", issuer.url) for name, text in metadata.items()}
    with pytest.raises(Corrupt):
        await door.request(door.path("file"), "read")
    assert issuer.asked == []


async def test_without_credentials_nothing_is_asked(door: Door, issuer: StandIn) -> None:
    secret = door.settings.directory / "iam" / "oauth-client"
    secret.chmod(0o644)
    with pytest.raises(NotAllowed, match="Everybody may read"):
        await door.request(door.path("file"), "read")
    secret.unlink()
    with pytest.raises(NotAllowed, match="have no oauth-client"):
        await door.request(door.path("file"), "read")
    assert issuer.asked == []


async def test_an_issuer_that_is_away_is_told(issuer: StandIn, door: Door) -> None:
    gone = door.settings.changed(Auth={"Kind": "token", "Audience": "x", "Issuer": "https://127.0.0.1:1"})
    async with opened(gone, "/voa") as other:
        with pytest.raises(Unreachable, match=r"issuer of tokens at https://127\.0\.0\.1:1"):
            await other.request(other.path("file"), "read")
