"""Storage elements that lie, stall, cut and flood: each ends as an error of its class, in time, with no secret told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.storage.doors import Door, Settings, chunks, opened, sha256, write_credential
from tests.storage.liars import Liar, answer, lying, storing
from yarl import URL

from weyl.storage.drivers import http
from weyl.storage.drivers.redirects import Ask, Misled, led_to
from weyl.storage.errors import AlreadyThere, Corrupt, NoSpace, NotAllowed, NotThere, StorageError, Unreachable
from weyl.storage.xml_trees import parsed

CONTENT = b"many events" * 50_000

SECRET = "5ecre7" * 6
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>'
    b"<multistatus>&lol1;</multistatus>"
)
EXTERNAL = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><multistatus>&e;</multistatus>'
HARMFUL = {
    "bomb": BOMB,
    "external": EXTERNAL,
    "open": b"<a>",
    "empty": b"",
    "no text": b"\xff\xfe",
    "deep": b"<a>" * 100_000,
    "two roots": b"<a/><b/>",
}


def multistatus(*entries: tuple[str, str]) -> bytes:
    """Return a listing with these addresses and properties."""
    responses = "".join(
        f"<D:response><D:href>{href}</D:href><D:propstat><D:prop>{properties}</D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        for href, properties in entries
    )
    return f'<D:multistatus xmlns:D="DAV:">{responses}</D:multistatus>'.encode()


FILE = "<D:resourcetype/><D:getcontentlength>3</D:getcontentlength>"
DIRECTORY = "<D:resourcetype><D:collection/></D:resourcetype>"


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    """A server that answers as the test says."""
    async with lying() as found:
        yield found


@pytest.fixture(params=["https", "s3"])
async def door(request: pytest.FixtureRequest, liar: Liar, tmp_path: Path) -> AsyncIterator[Door]:
    """A driver before it."""
    endpoint = {"Protocol": request.param, "URL": liar.url, "Path": "/grid"}
    if request.param == "s3":
        write_credential(tmp_path / "keys" / "s3-key", {"access_key": "KEY", "secret_key": SECRET})
        endpoint |= {"Bucket": "files", "Credentials": "keys"}
    else:
        endpoint |= {"Auth": {"Kind": "token", "Audience": "x"}}
    async with opened(Settings(endpoint, tmp_path), "/voa") as found:
        yield found


def only(door: Door, protocol: str) -> None:
    if door.context.endpoint.protocol != protocol:
        pytest.skip(f"not for {door.context.endpoint.protocol}")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be waited for."""
    for name in ("ANSWER_S", "CHECKSUM_S"):
        monkeypatch.setattr(http, name, 0.3)
    monkeypatch.setattr("weyl.storage.drivers.https.CHECKSUM_S", 0.3)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, NotAllowed),
        (403, NotAllowed),
        (302, NotAllowed),
        (307, NotAllowed),
        (500, Unreachable),
        (503, Unreachable),
        (429, Unreachable),
        (507, NoSpace),
        (400, StorageError),
        (999, Unreachable),
    ],
)
async def test_refusals_are_told_by_their_class(door: Door, liar: Liar, status: int, error: type[StorageError]) -> None:
    echo = f"<Error><Code>Odd{SECRET[:3]}</Code><StringToSign>{SECRET}</StringToSign></Error>".encode()
    liar.script = lambda method, _: answer(status, b"" if method == "HEAD" else echo, Location="ftp://127.0.0.1:1/")
    with pytest.raises(error) as caught:
        await door.driver.stat([door.path("file")])
    with pytest.raises(error) as read:
        await door.get(door.path("file"))
    for told in (str(caught.value), str(read.value)):
        assert f"answered {status}" in told
        assert SECRET not in told
        assert "Bearer" not in told
    assert all("127.0.0.1:1/" not in headers.get("host", "") for _, _, headers in liar.seen)


async def test_nobody_is_followed_from_a_bucket(door: Door, liar: Liar) -> None:
    only(door, "s3")
    async with lying() as other:
        liar.script = lambda *_: answer(307, Location=f"{other.url}/grid/voa/file")
        with pytest.raises(NotAllowed, match="not followed"):
            await door.get(door.path("file"))
        assert other.seen == []


async def test_where_a_door_sends_on_to_is_followed_and_sees_no_token_of_ours(door: Door, liar: Liar) -> None:
    only(door, "https")
    held: dict[str, bytes] = {}

    def lead(method: str, path: str) -> bytes:
        if method == "PROPFIND":
            return answer(404)
        if method == "HEAD" and path.rpartition("/")[2] not in held:
            return answer(404)
        # As dCache and EOS do: the address of the server that has the file carries its own authorisation.
        return answer(307, Location=f"{pool.url}/pool{path}?uuid=once")

    async with storing(held) as pool:
        liar.script = lead
        path = await door.put("file", CONTENT)
        assert held == {"file": CONTENT}
        assert await door.get(path) == CONTENT
        assert await door.get(path, offset=7) == CONTENT[7:]
        assert (await door.driver.stat([path]))[path].size == len(CONTENT)
        assert await door.driver.delete([path]) == {}
        assert held == {}
        assert await door.put("empty", b"") == door.path("empty")
    assert {"PUT", "GET", "HEAD", "DELETE"} <= {method for method, _, _ in pool.seen}
    assert all(path.endswith("?uuid=once") for _, path, _ in pool.seen)
    assert not any("authorization" in headers for _, _, headers in pool.seen)
    assert any("authorization" in headers for _, _, headers in liar.seen)


async def test_a_door_that_sends_on_to_itself_sees_its_token_again_but_not_for_ever(door: Door, liar: Liar) -> None:
    only(door, "https")
    liar.script = lambda _, path: answer(200, b"x") if path == "/there" else answer(307, Location="/there")
    assert await door.get(door.path("file")) == b"x"
    assert len({headers["authorization"] for _, _, headers in liar.seen}) == 1
    liar.script = lambda *_: answer(307, Location="/again")
    with pytest.raises(NotAllowed, match="from one address to the next"):
        await door.get(door.path("file"))


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("https://door.test/a", "http://pool.test/a", "not encrypted"),
        ("https://door.test/a", "https://127.0.0.1/a", "of this machine"),
        ("https://door.test/a", "https://[::1]/a", "of this machine"),
        ("https://door.test/a", "https://169.254.169.254/latest", "of this machine"),
        ("https://door.test/a", "https://localhost/a", "of this machine"),
        ("https://door.test/a", "https://me:pw@pool.test/a", "no address"),
        ("https://door.test/a", "file:///etc/passwd", "no address"),
        ("https://door.test/a", "", "no address"),
        ("https://door.test/a", "https://[", "no address"),
    ],
)
def test_addresses_that_lead_astray_are_not_followed(before: str, after: str, word: str) -> None:
    with pytest.raises(Misled, match=word):
        led_to(Ask("GET", URL(before), {}), after)


def test_only_what_is_no_secret_goes_elsewhere() -> None:
    headers = {"Authorization": "Bearer x", "Range": "bytes=1-", "Content-Length": "5", "Cookie": "x"}
    ask = Ask("PUT", URL("https://door.test/a"), headers)
    assert led_to(ask, "https://pool.test:8443/b?authz=1").headers == {"Range": "bytes=1-", "Content-Length": "5"}
    assert led_to(ask, "https://door.test:8443/b").headers == {"Range": "bytes=1-", "Content-Length": "5"}
    assert led_to(ask, "https://door.test:443/b").headers == headers
    assert led_to(ask, "b%20c?d=%2F").url == URL("https://door.test/b%20c?d=%2F", encoded=True)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999999999999999", ""])
async def test_a_size_that_is_none_is_refused(door: Door, liar: Liar, length: str) -> None:
    liar.script = lambda *_: f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    with pytest.raises((Corrupt, Unreachable)):
        await door.driver.stat([door.path("file")])


async def test_a_stream_that_is_cut_is_no_file(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: answer(200, b"x" * 1000, length=5000, close=True)
    with pytest.raises(Unreachable):
        await door.get(door.path("file"))


@pytest.mark.usefixtures("hasty")
async def test_one_that_stalls_is_given_up(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: None
    with pytest.raises(Unreachable, match="in time"):
        await door.driver.stat([door.path("file")])
    with pytest.raises(Unreachable):
        await door.driver.list(door.under)


async def test_one_that_is_not_there_is_told_so(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: b"SSH-2.0-OpenSSH_9\r\n"
    with pytest.raises(Unreachable):
        await door.driver.stat([door.path("file")])


async def test_headers_without_end_are_refused(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: b"HTTP/1.1 200 OK\r\nDigest: " + b"x" * 100_000 + b"\r\n\r\n"
    with pytest.raises(Unreachable):
        await door.driver.stat([door.path("file")])


async def test_a_listing_without_end_is_refused(door: Door, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 100_000)
    liar.script = lambda method, _: answer(207 if method == "PROPFIND" else 200, b"<x>" + b" " * 1_000_000)
    with pytest.raises(Corrupt, match="more than 100000 bytes"):
        await door.driver.list(door.under)


@pytest.mark.parametrize("name", ["bomb", "external", "open", "empty", "no text", "deep", "two roots"])
async def test_xml_that_means_harm_is_refused(door: Door, liar: Liar, name: str) -> None:
    liar.script = lambda method, _: answer(207 if method == "PROPFIND" else 200, HARMFUL[name])
    with pytest.raises(Corrupt):
        await door.driver.list(door.under)


@pytest.mark.parametrize(
    "entries",
    [
        [("/grid/other/file", FILE)],
        [("/grid/voa/a/b", FILE)],
        [("/grid/voa/..", FILE)],
        [("/grid/voa/%2e%2e", FILE)],
        [("/grid/voa/%00", FILE)],
        [("/grid/voa/%ff", FILE)],
        [("http://evil.example/etc/passwd", FILE)],
        [("/grid/voa/x", "<D:resourcetype/><D:getcontentlength>many</D:getcontentlength>")],
        [("/grid/voa/x", "<D:resourcetype/>")],
    ],
)
async def test_a_directory_lists_nothing_but_its_own(door: Door, liar: Liar, entries: list[tuple[str, str]]) -> None:
    only(door, "https")
    liar.script = lambda *_: answer(207, multistatus(*entries))
    with pytest.raises(Corrupt):
        await door.driver.list(door.under)


async def test_directories_without_end_are_given_up(door: Door, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    only(door, "https")
    monkeypatch.setattr("weyl.storage.drivers.walking.DIRECTORIES_WALKED_MAX", 20)
    liar.script = lambda _, path: answer(207, multistatus((f"{path}/again", DIRECTORY)))
    with pytest.raises(StorageError, match="too many directories"):
        await door.driver.list(door.under)


async def test_a_bucket_that_lists_what_was_not_asked_for_is_refused(door: Door, liar: Liar) -> None:
    only(door, "s3")
    key = "<Contents><Key>{}</Key><Size>1</Size></Contents>"
    body = f"<ListBucketResult>{key.format('etc/passwd')}<IsTruncated>true</IsTruncated></ListBucketResult>"
    liar.script = lambda *_: answer(200, body.encode())
    with pytest.raises(Corrupt):
        await door.driver.list(door.under)


async def test_a_bucket_that_turns_in_circles_is_left(door: Door, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    only(door, "s3")
    monkeypatch.setattr("weyl.storage.drivers.s3.LIST_PAGES_MAX", 5)
    contents = "<Contents><Key>grid/voa/a</Key><Size>1</Size></Contents>"
    end = "<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
    liar.script = lambda *_: answer(200, f"<ListBucketResult>{contents}{end}</ListBucketResult>".encode())
    with pytest.raises(StorageError, match="more than"):
        await door.driver.list(door.under)
    assert len(liar.seen) == 5


async def test_an_upload_that_fails_after_200_has_failed(door: Door, liar: Liar) -> None:
    only(door, "s3")
    liar.script = lambda *_: answer(200, b"<Error><Code>InternalError</Code></Error>")
    with pytest.raises(Unreachable, match="InternalError"):
        await door.driver.complete(door.path("file"), "id", ["x"])


async def test_one_that_answers_another_part_is_refused(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: answer(206, b"xxx", Content_Range="bytes 0-2/6")
    with pytest.raises(Corrupt, match="another part"):
        await door.get(door.path("file"), offset=3)


async def test_one_that_knows_no_ranges_sends_more_than_is_wanted(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: answer(200, b"abcdef")
    assert await door.get(door.path("file"), offset=4) == b"ef"


async def test_a_store_that_fills_up_in_the_middle_is_full(door: Door, liar: Liar) -> None:
    liar.script = lambda method, _: answer(507 if method == "PUT" else 404)
    with pytest.raises(NoSpace):
        await door.driver.write(door.path("file"), chunks(b"x"), size=1, sha256=sha256(b"x"))


async def test_another_writer_is_not_cleaned_away(door: Door, liar: Liar) -> None:
    liar.script = lambda method, _: answer(412 if method == "PUT" else 404)
    with pytest.raises(AlreadyThere):
        await door.driver.write(door.path("file"), chunks(b"x"), size=1, sha256=sha256(b"x"))
    assert "DELETE" not in [method for method, _, _ in liar.seen]


async def test_a_directory_that_is_missing_is_told_and_made_where_that_is_said(door: Door, liar: Liar) -> None:
    only(door, "https")
    made: list[str] = []

    def script(method: str, path: str) -> bytes:
        if method == "MKCOL":
            made.append(path)
            return answer(405 if path == "/grid/voa" else 201)
        return answer({"PUT": 201 if made else 409, "DELETE": 404}.get(method, 404))

    liar.script = script
    with pytest.raises(StorageError, match="MakeDirectories"):
        await door.driver.write(door.path("a/b/file"), chunks(b"x"), size=1, sha256=sha256(b"x"))
    async with opened(door.settings.changed(MakeDirectories=True), "/voa") as other:
        await other.driver.write(other.path("a/b/file"), chunks(b"x"), size=1, sha256=sha256(b"x"))
        await other.request(other.path("a/b/more"), "write", b"x")
    assert made == ["/grid/voa", "/grid/voa/a", "/grid/voa/a/b"]


async def test_a_token_that_is_refused_is_followed_by_a_new_one_once(door: Door, liar: Liar) -> None:
    only(door, "https")
    liar.script = lambda *_: answer(403 if len(liar.seen) == 1 else 200, length=3)
    assert list(await door.driver.stat([door.path("file")])) == [door.path("file")]
    liar.script = lambda *_: answer(403)
    with pytest.raises(NotAllowed):
        await door.driver.stat([door.path("file")])
    tokens = [headers["authorization"] for _, _, headers in liar.seen]
    assert (len(tokens), len(set(tokens)), tokens[2] == tokens[1]) == (4, 3, True)


async def test_nobody_packs_what_is_stored(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: answer(200, b"x")
    await door.get(door.path("file"))
    assert [headers["accept-encoding"] for _, _, headers in liar.seen] == ["identity"]


async def test_a_digest_that_is_none_is_not_told(door: Door, liar: Liar) -> None:
    only(door, "https")
    liar.script = lambda *_: answer(200, length=3, Digest="adler32=zz, md5=!, sha-256=abc, adler32")
    [found] = (await door.driver.stat([door.path("file")])).values()
    assert found.checksums.as_json() == {}


async def test_what_is_not_there_is_not_there(door: Door, liar: Liar) -> None:
    liar.script = lambda *_: answer(404)
    assert await door.driver.stat([door.path("file")]) == {}
    with pytest.raises(NotThere):
        await door.get(door.path("file"))


def test_xml_is_read_without_its_namespaces() -> None:
    assert parsed(b'<a:b xmlns:a="x"><a:c>1</a:c></a:b>').findtext("c") == "1"
