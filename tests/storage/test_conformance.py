"""What every storage driver does, over a directory, two stores of S3 and XRootD with tokens."""

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import md5
from zlib import adler32

import httpx2
import pytest
from tests.storage.conftest import SYSTEMS
from tests.storage.doors import Door, chunks, opened, send, sha256

from weyl.kit import clock
from weyl.kit.clock import Anchor, go_by, utcnow
from weyl.storage import s3_answers
from weyl.storage.drivers.driver import Request
from weyl.storage.errors import AlreadyThere, Corrupt, NotAllowed, NotThere, StorageError

CONTENT = os.urandom(300_000)
ODD_NAMES = ("with blank", "plus+sign", "ünï–cödé", "a#b&c=d;e", "~tilde", "quote'\"")
MISTAKABLE = ("a?b=c", "%61")

pytestmark = [
    pytest.mark.parametrize(
        "system", [pytest.param(name, marks=pytest.mark.xdist_group(f"storage-{name}")) for name in SYSTEMS]
    ),
    pytest.mark.system,
]


@contextmanager
def seconds_ago(seconds: float) -> Iterator[None]:
    """Let our clock be late for the length of the block."""
    before = clock._Clock.anchor
    shifted = utcnow() - timedelta(seconds=seconds)
    go_by(Anchor(shifted, time.monotonic()))
    try:
        yield
    finally:
        go_by(before)


def only(door: Door, *protocols: str) -> None:
    if door.context.endpoint.protocol not in protocols:
        pytest.skip(f"not for {door.context.endpoint.protocol}")


async def test_what_is_written_is_read(door: Door) -> None:
    path = await door.put("a/b/file", CONTENT)
    assert await door.get(path) == CONTENT


async def test_a_file_is_read_from_an_offset_on(door: Door, system: str) -> None:
    if system == "radosgw":
        pytest.skip("without a cluster the gateway answers the beginning of a file to every range")
    path = await door.put("file", CONTENT)
    assert await door.get(path, offset=299_000) == CONTENT[299_000:]
    assert await door.get(path, offset=len(CONTENT)) == b""


async def test_an_empty_file_is_a_file(door: Door) -> None:
    path = await door.put("empty", b"")
    assert (await door.driver.stat([path]))[path].size == 0
    assert await door.get(path) == b""


async def test_names_are_kept_to_the_letter(door: Door) -> None:
    paths = [await door.put(name, name.encode()) for name in ODD_NAMES]
    for name, path in zip(ODD_NAMES, paths, strict=True):
        assert await door.get(path) == name.encode()
    listed = await door.driver.list(door.under)
    assert [entry.path for entry in listed] == sorted(paths, key=str.encode)


@pytest.mark.parametrize("name", MISTAKABLE)
async def test_a_name_that_servers_take_for_another_is_kept_or_refused(door: Door, name: str) -> None:
    await door.put("a", b"a")
    if door.context.endpoint.protocol == "https":
        with pytest.raises(NotAllowed, match="keeps no name with"):
            await door.put(name, b"b")
    else:
        assert await door.get(await door.put(name, b"b")) == b"b"
    assert await door.get(door.path("a")) == b"a"


async def test_sizes_and_believed_checksums_are_told_of_what_is_there(door: Door) -> None:
    path = await door.put("file", CONTENT)
    found = await door.driver.stat([path, door.path("none"), door.path("none/below")])
    assert list(found) == [path]
    assert found[path].size == len(CONTENT)
    told = found[path].checksums.as_json()
    assert told.get("adler32", f"{adler32(CONTENT):08x}") == f"{adler32(CONTENT):08x}"
    assert told.get("sha256", sha256(CONTENT)) == sha256(CONTENT)
    expected = {"https": {"adler32"}, "s3": set(door.context.checksums or ()), "file": set()}
    assert set(told) == expected[door.context.endpoint.protocol]


async def test_nothing_is_overwritten(door: Door) -> None:
    path = await door.put("file", CONTENT)
    with pytest.raises(AlreadyThere):
        await door.put("file", b"other")
    assert await door.get(path) == CONTENT


@pytest.mark.parametrize("fault", ["size", "checksum", "longer", "source"])
async def test_what_is_not_as_announced_is_never_there(door: Door, fault: str) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield CONTENT[:100_000]
        raise NotThere("the source is gone")

    size = len(CONTENT) + {"size": 1, "longer": -1}.get(fault, 0)
    digest = sha256(b"other" if fault == "checksum" else CONTENT)
    source = broken() if fault == "source" else chunks(CONTENT)
    with pytest.raises(NotThere if fault == "source" else Corrupt):
        await door.driver.write(door.path("file"), source, size=size, sha256=digest)
    assert await door.driver.stat([door.path("file")]) == {}
    assert list(await door.driver.list(door.under)) == []


async def test_what_is_not_there_cannot_be_read(door: Door) -> None:
    with pytest.raises(NotThere):
        await door.get(door.path("none"))


async def test_what_is_deleted_is_gone_and_what_is_not_there_counts_as_deleted(door: Door) -> None:
    paths = [await door.put(f"d/{number}", b"x") for number in range(5)]
    assert await door.driver.delete([*paths[:3], door.path("d/none"), door.path("none/none")]) == {}
    assert [entry.path for entry in await door.driver.list(door.under)] == paths[3:]
    assert await door.driver.delete(paths) == {}
    assert await door.driver.stat(paths) == {}


async def test_listings_are_in_the_order_of_bytes_and_go_on_where_they_ended(door: Door) -> None:
    names = ["a-b/x", "a.b/x", "a/b/x", "a/b/y", "a/c", "ab", "z/1", "z/2"]
    for name in names:
        await door.put(name, name.encode())
    wanted = sorted((door.path(name) for name in names), key=str.encode)
    whole = await door.driver.list(door.under)
    assert [entry.path for entry in whole] == wanted
    assert [entry.size for entry in whole] == [len(path) - len(door.under) - 1 for path in wanted]
    walked: list[str] = []
    while page := await door.driver.list(door.under, after=walked[-1] if walked else None, limit=3):
        walked += [entry.path for entry in page]
        assert len(page) <= 3
    assert walked == wanted
    assert [entry.path for entry in await door.driver.list(door.path("a"))] == wanted[2:5]
    assert list(await door.driver.list(door.path("none"))) == []


async def test_a_client_writes_and_reads_with_what_it_is_handed(door: Door) -> None:
    path = door.path("from/a/client")
    assert await stored(door, path, await door.request(path, "write", CONTENT), CONTENT) in (200, 201)
    assert (await door.driver.stat([path]))[path].size == len(CONTENT)
    assert await send(door, await door.request(path, "read")) == (200, CONTENT)


async def test_a_request_is_for_these_bytes_only(door: Door, system: str) -> None:
    only(door, "s3")
    async with opened(door.settings.changed(ConditionalWrites=True), door.under.removeprefix("/grid")) as other:
        path = other.path("file")
        request = await other.request(path, "write", CONTENT)
        for wrong in (CONTENT + b"x", CONTENT[:-1]):
            assert 400 <= await sent(other, request, wrong) < 500, len(wrong)
        assert await other.driver.stat([path]) == {}
        # The gateway looks at no checksum: what it has is read back before anybody believes it.
        assert await sent(other, request, b"x" * len(CONTENT)) == (200 if system == "radosgw" else 400)
        headers = {**request.headers, "x-amz-checksum-sha256": "A" * 43 + "="}
        assert (await send(other, request, CONTENT, headers=headers))[0] == 403
        unconditional = {name: value for name, value in request.headers.items() if name != "If-None-Match"}
        assert (await send(other, request, CONTENT, headers=unconditional))[0] == 403, "the condition is signed"
        assert (await send(other, request, CONTENT))[0] == 200
        assert await other.get(path) == CONTENT


@pytest.mark.parametrize("content", [b"", b"x" * 1000, CONTENT], ids=["empty", "small", "large"])
@pytest.mark.parametrize("is_conditional", [True, False], ids=["conditional", "in parts"])
async def test_a_request_that_comes_late_writes_over_nothing(
    door: Door, system: str, content: bytes, is_conditional: bool
) -> None:
    only(door, "s3")
    if is_conditional and not door.context.endpoint.conditional_writes:
        pytest.skip("this store takes no notice of conditions")
    async with opened(
        door.settings.changed(ConditionalWrites=is_conditional), door.under.removeprefix("/grid")
    ) as other:
        path, late = other.path("file"), b"y" * len(content)
        # Bound to the length alone, as for a client that told of no sha256.
        request = await other.request(path, "write", content, sha256=None)
        assert await stored(other, path, request, content) == 200
        assert await other.get(path) == content
        assert await sent(other, request, late) in ([412] if is_conditional else [400, 404]), "also after its end"
        assert await other.get(path) == content
        await other.driver.delete([path])
        if not is_conditional:
            assert await sent(other, request, late) == 404
            assert await other.driver.stat([path]) == {}


async def sent(door: Door, request: Request, content: bytes) -> int:
    """Send a file in one request or in its parts; returns the status of the last."""
    for part in request.parts:
        one = replace(request, url=part.url, headers=part.headers)
        status, _ = await send(door, one, content[part.offset : part.offset + part.size])
    if not request.parts:
        status, _ = await send(door, request, content)
    return status


async def stored(door: Door, path: str, request: Request, content: bytes) -> int:
    """Send a file, and have its parts put together if it has some."""
    status = await sent(door, request, content)
    if request.upload is not None:
        await door.driver.complete(path, request.upload, [f'"{md5(content).hexdigest()}"'])
    return status


async def test_a_request_is_for_this_path_and_operation_only(door: Door) -> None:
    only(door, "s3", "https")
    mine, other = await door.put("mine", CONTENT), await door.put("other", b"secret")
    reading = await door.request(mine, "read")
    assert (await send(door, reading, url=reading.url.replace("/mine", "/other")))[0] == 403
    assert (await send(door, reading, method="DELETE"))[0] in (400, 403)
    writing = await door.request(door.path("new"), "write", b"x")
    assert (await send(door, writing, b"x", url=writing.url.replace("/new", "/newer")))[0] == 403
    assert (await send(door, writing, b"x", url=writing.url.replace("/new", "/other")))[0] == 403
    assert await door.get(other) == b"secret"


async def test_a_request_ends(door: Door) -> None:
    only(door, "s3", "https")
    path = await door.put("file", CONTENT)
    with seconds_ago(1000):
        late = await door.request(path, "read", expires_s=60)
    assert late.expires_at < utcnow()
    assert (await send(door, late))[0] in (400, 401, 403)


async def test_nothing_is_read_without_a_signature_or_a_token(door: Door) -> None:
    only(door, "s3", "https")
    request = await door.request(await door.put("file", CONTENT), "read")
    assert (await send(door, request, url=request.url.partition("?")[0], headers={}))[0] == 403


async def test_faults_tell_no_secret(door: Door) -> None:
    only(door, "s3", "https")
    request = await door.request(door.path("file"), "write", CONTENT)
    assert not {"Signature", "Bearer"} & set(repr(request).replace("%20", " ").split())
    assert "Signature" not in repr(request)
    with pytest.raises(StorageError) as caught:
        await door.get(door.path("none"))
    assert "Signature" not in str(caught.value)
    assert "Bearer" not in str(caught.value)
    assert "TEST-SE (door)" in str(caught.value)


async def test_large_files_come_in_parts(door: Door, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only(door, "s3")
    monkeypatch.setattr(s3_answers, "PART_BYTES", 5 * 1024 * 1024)
    content, path = os.urandom(12 * 1024 * 1024), door.path("large")
    request = await door.request(path, "write", content)
    assert request.upload is not None
    assert [(part.number, part.offset, part.size) for part in request.parts] == s3_answers.parts_of(len(content))
    again = await door.request(path, "write", content, upload=request.upload)
    assert again.upload == request.upload
    etags = []
    for part in again.parts:
        etags.append(await _send_part(part.url, dict(part.headers), content[part.offset : part.offset + part.size]))
    assert await door.driver.stat([path]) == {}
    await door.driver.complete(path, request.upload, etags)
    await door.driver.complete(path, request.upload, etags)
    [found] = (await door.driver.stat([path])).values()
    assert (found.size, found.checksums.sha256, found.checksums.md5) == (len(content), None, None)
    # Without a cluster the gateway answers the last part over and over: nobody registers that unread.
    assert (await door.get(path) == content) == (system != "radosgw")


async def test_uploads_in_parts_that_were_begun_are_ended_with_their_file(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(door, "s3")
    monkeypatch.setattr(s3_answers, "PART_BYTES", 5 * 1024 * 1024)
    content, path, other = os.urandom(6 * 1024 * 1024), door.path("large"), door.path("larger")
    request, kept = [await door.request(each, "write", content) for each in (path, other)]
    assert await door.driver.delete([path]) == {}
    etags = ["x"] * len(request.parts)
    with pytest.raises(StorageError):
        await door.driver.complete(path, str(request.upload), etags)
    etags = [
        await _send_part(part.url, dict(part.headers), content[part.offset : part.offset + part.size])
        for part in kept.parts
    ]
    await door.driver.complete(other, str(kept.upload), etags)
    assert (await door.driver.stat([other]))[other].size == len(content)


async def test_parts_that_are_not_there_make_no_file(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    only(door, "s3")
    monkeypatch.setattr(s3_answers, "PART_BYTES", 5 * 1024 * 1024)
    request = await door.request(door.path("large"), "write", b"x" * (6 * 1024 * 1024))
    with pytest.raises(StorageError):
        await door.driver.complete(door.path("large"), str(request.upload), ["0" * 32, "1" * 32])
    with pytest.raises(Corrupt):
        await door.driver.complete(door.path("large"), str(request.upload), ["<x/>\n", "x"])
    assert await door.driver.stat([door.path("large")]) == {}


async def _send_part(url: str, headers: dict[str, str], content: bytes) -> str:
    async with httpx2.AsyncClient(timeout=60) as http:
        answer = await http.put(url, headers=headers, content=content)
    assert answer.status_code == 200, answer.text
    return answer.headers["ETag"]
