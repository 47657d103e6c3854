"""XRootD and tokens of weyl's issuer: what each token opens, and what it must not."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.infra.xrootd import AUDIENCE
from tests.storage.doors import VO, Door, opened

from weyl.storage.drivers.driver import Operation
from weyl.storage.token_keys import TokenKeys, generate_token_keys, rotate_token_keys
from weyl.storage.tokens import Grant, claims_of, issuer_url

pytestmark = [
    pytest.mark.parametrize("system", [pytest.param("xrootd", marks=pytest.mark.xdist_group("storage-xrootd"))]),
    pytest.mark.system,
]

Token = Callable[..., str]


@pytest.fixture
def token(door: Door) -> Token:
    """Return `token(operation, path)`: a token of weyl's issuer, of which some claims may be others."""

    def make(
        operation: Operation, path: str, *, vo: str = VO, keys: Path | None = None, age_s: int = 0, **claims: Any
    ) -> str:
        grant = Grant(operation, path, door.context.endpoint.auth, f"/data/{vo}")
        issuer = issuer_url(door.settings.public_url, vo)
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        made = claims_of(grant, issuer=issuer, subject="voa:alice", token_id="t", now=at, expires_s=600)
        return TokenKeys(keys or door.settings.directory / "storage-keys.json").sign({**made, **claims})

    return make


async def status(door: Door, method: str, path: str, token: str | None, **more: Any) -> int:
    """Return how the server answers."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    context = ssl.create_default_context(cafile=str(door.settings.trusted))
    async with httpx2.AsyncClient(verify=context, timeout=60) as http:
        url = f"{door.settings.endpoint['URL']}{path}"
        return (await http.request(method, url, headers={**headers, **more.pop("headers", {})}, **more)).status_code


async def test_each_right_opens_what_it_is_for_and_no_more(door: Door, token: Token) -> None:
    path, other = door.path("file"), door.path("other")
    for operation in ("read", "remove", None):
        asked = None if operation is None else token(operation, path)
        expected = 201 if operation == "remove" else 403
        # What may be changed may be made, too: that is what the word means to storage.
        assert await status(door, "PUT", path, asked, content=b"x") == expected, operation
    assert await status(door, "DELETE", path, token("remove", path)) in (200, 204)
    assert await status(door, "PUT", path, token("write", path), content=b"x") == 201
    assert await status(door, "PUT", path, token("write", path), content=b"y") == 403
    assert await status(door, "GET", path, token("read", path)) == 200
    assert await status(door, "GET", path, None) == 403
    for operation in ("read", "write"):
        assert await status(door, "DELETE", path, token(operation, path)) == 403
    assert await status(door, "PUT", other, token("write", path), content=b"x") == 403
    await door.put("other", b"x")
    assert await status(door, "GET", other, token("read", path)) == 403
    assert await status(door, "GET", f"{path}/../other", token("read", path)) in (400, 403, 404)


async def test_a_token_of_another_vo_opens_nothing_here(door: Door, token: Token) -> None:
    path = await door.put("file", b"x")
    theirs = path.replace("/data/voa/", "/data/vob/")
    assert await status(door, "GET", path, token("read", theirs, vo="vob")) == 403
    # A scope with `..` ends XRootD 5.8.1 itself: no scope of ours has one (`tokens.scope_of`).
    assert await status(door, "GET", path, token("read", theirs, vo="vob", scope=f"storage.read:{path}")) == 403
    assert await status(door, "PUT", theirs, token("write", theirs, vo="vob"), content=b"x") == 201
    assert await status(door, "GET", theirs, token("read", path)) == 403


async def test_tokens_that_are_over_or_for_somebody_else_open_nothing(door: Door, token: Token, tmp_path: Path) -> None:
    path = await door.put("file", b"x")
    assert await status(door, "GET", path, token("read", path)) == 200
    other_keys = tmp_path / "other.json"
    other_keys.write_text(generate_token_keys())
    bad = {
        "expired": token("read", path, age_s=2000),
        "of another audience": token("read", path, aud="https://other.example"),
        "of an issuer that nobody knows": token("read", path, iss="https://evil.example/"),
        "under a key that is not the issuer's": token("read", path, keys=other_keys),
        "not yet": token("read", path, nbf=int(datetime.now(UTC).timestamp()) + 3600),
        "without a scope": token("read", path, scope=""),
        "garbage": "x.y.z",
    }
    assert {name: await status(door, "GET", path, each) for name, each in bad.items()} == dict.fromkeys(bad, 403)


async def test_the_door_says_which_audience_it_is_for(door: Door) -> None:
    wrong = door.settings.changed(Auth={"Kind": "token", "Audience": "https://other.example"})
    path = await door.put("file", b"x")
    async with opened(wrong, "/none") as other:
        with pytest.raises(Exception, match="answered 403 Forbidden") as caught:
            await other.get(path)
    assert AUDIENCE not in str(caught.value)


async def test_the_next_key_signs_without_anybody_being_told(door: Door, token: Token) -> None:
    path, keys = await door.put("file", b"x"), door.settings.directory / "storage-keys.json"
    before = token("read", path)
    keys.write_text(rotate_token_keys(keys.read_text(), now=datetime.now(UTC).timestamp()))
    assert await status(door, "GET", path, token("read", path)) == 200
    assert await status(door, "GET", path, before) == 200


async def test_a_broken_request_leaves_nothing_of_ours(door: Door, tmp_path: Path) -> None:
    async def broken() -> Any:
        # More than is kept in memory, so that it is sent as it comes.
        for _ in range(5):
            yield b"x" * 300_000
        raise ConnectionError

    with pytest.raises(Exception, match="PUT"):
        await door.driver.write(door.path("file"), broken(), size=3_000_000, sha256="0" * 64)
    assert await door.driver.stat([door.path("file")]) == {}
