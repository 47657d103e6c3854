"""The object store against a real S3 that checks signatures, expiry, lengths and digests."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from weyl.demo.seaweedfs import RunningStore
from weyl.kit.clock import utcnow
from weyl.kit.s3 import ObjectStore, StoredObject, StoreUnavailable, UploadForm

BODY = b"some bytes of a sandbox"
DIGEST = hashlib.sha256(BODY).hexdigest()
KEY = f"voa/user/alice/sha256:{DIGEST}.tar.zst"


@pytest.fixture
async def store(object_store: RunningStore) -> AsyncIterator[ObjectStore]:
    made = ObjectStore(
        object_store.endpoint_url,
        bucket=f"test-{uuid4().hex}",
        access_key=object_store.access_key,
        secret_key=object_store.secret_key,
    )
    async with made:
        await made.ensure_bucket()
        yield made


async def post(form: UploadForm, body: bytes) -> int:
    """Send a form as browsers and clients do, and return the status."""
    parts = aiohttp.FormData()
    for name, value in form.fields.items():
        parts.add_field(name, value)
    parts.add_field("file", body, filename="file")
    async with aiohttp.ClientSession() as session, session.post(form.url, data=parts) as response:
        return response.status


async def fetch(url: str) -> tuple[int, bytes]:
    """Read a URL without any credential."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.read()


def form_for(store: ObjectStore, *, size: int = len(BODY), expires_s: int = 300) -> UploadForm:
    return store.upload_form(KEY, sha256=DIGEST, size=size, now=utcnow(), expires_s=expires_s)


@pytest.mark.parametrize("body", [BODY + b"!", BODY[:-1], b"x" * len(BODY)], ids=["long", "short", "other"])
async def test_a_form_refuses_other_bytes(store: ObjectStore, body: bytes) -> None:
    assert await post(form_for(store), body) >= 400
    assert await store.head(KEY) is None


async def test_a_form_refuses_another_key(store: ObjectStore) -> None:
    form = form_for(store)
    form.fields["key"] = KEY.replace("alice", "bob")
    assert await post(form, BODY) == 403


async def test_an_expired_form_is_refused(store: ObjectStore) -> None:
    form = store.upload_form(KEY, sha256=DIGEST, size=len(BODY), now=utcnow() - timedelta(hours=1), expires_s=300)
    assert await post(form, BODY) == 403


async def test_wrong_keys_are_refused_with_the_answer_of_the_store(object_store: RunningStore) -> None:
    wrong = ObjectStore(object_store.endpoint_url, bucket="b", access_key=object_store.access_key, secret_key="guess")
    async with wrong:
        with pytest.raises(StoreUnavailable, match="answered 403"):
            await wrong.put("k", b"v")


async def test_what_a_form_stored_is_read_by_a_presigned_url(store: ObjectStore) -> None:
    assert await post(form_for(store), BODY) in {200, 201, 204}
    assert await store.head(KEY) == StoredObject(len(BODY), DIGEST)
    url = store.download_url(KEY, expires_s=60)
    assert await fetch(url) == (200, BODY)
    assert (await fetch(url[:-1] + ("0" if url[-1] != "0" else "1")))[0] == 403


async def test_objects_are_put_read_and_deleted(store: ObjectStore) -> None:
    await store.put("a b/ü&.txt", BODY)
    await store.put("second", b"2")
    async with store.read("a b/ü&.txt") as pieces:
        assert pieces is not None
        assert b"".join([piece async for piece in pieces]) == BODY
    assert await store.delete(["a b/ü&.txt", "second", "never there"]) == set()
    assert await store.head("second") is None
    async with store.read("second") as pieces:
        assert pieces is None


async def test_pages_of_the_named_origins_may_use_the_bucket(store: ObjectStore) -> None:
    await store.ensure_bucket(["https://weyl.example.org"])
    headers = {"Origin": "https://weyl.example.org", "Access-Control-Request-Method": "POST"}
    url = form_for(store).url
    async with aiohttp.ClientSession() as session, session.options(url, headers=headers) as response:
        # SeaweedFS answers preflights with its own list of origins, which is everybody by default.
        assert response.headers["Access-Control-Allow-Origin"] in {"*", "https://weyl.example.org"}


@pytest.mark.parametrize("status", [403, 405, 501])
async def test_a_store_that_takes_no_rules_for_pages_serves_all_others(status: int) -> None:
    """Against a fake that answers as MinIO does, which has no rules of single buckets."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(status=status if "cors" in request.query else 200)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application) as server:
        made = ObjectStore(f"http://127.0.0.1:{server.port}", bucket="b", access_key="a", secret_key="s")
        made.origins = ["https://weyl.example.org"]
        async with made:
            await made.make_ready()
    assert asked == ["/b", "/b?cors="]


async def test_the_bucket_is_made_once_a_process(object_store: RunningStore) -> None:
    made = ObjectStore(
        object_store.endpoint_url,
        bucket=f"test-{uuid4().hex}",
        access_key=object_store.access_key,
        secret_key=object_store.secret_key,
    )
    async with made:
        await made.make_ready()
        await made.put("k", b"v")
    # Closed now, so a second request would fail.
    await made.make_ready()


async def test_a_store_that_is_away_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weyl.kit.s3.ATTEMPTS_MAX", 2)
    away = ObjectStore("http://127.0.0.1:9", bucket="b", access_key="a", secret_key="s")
    async with away:
        with pytest.raises(StoreUnavailable) as raised:
            await away.head("k")
    assert raised.value.status == 503
