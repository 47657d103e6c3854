"""Bytes of files to and from storage, with either client, over a real socket."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.storage_server import Storage, running_storage

from weyl.client import AsyncClient, Client, Forbidden, MemoryCredentials, NotFound, Refused, TokenSet, Unreachable
from weyl.client.streams import CHUNK, Piece

STORE = MemoryCredentials(TokenSet("e30.e30.x", None, 2**53))

Do = Callable[[Callable[[Any], Any]], Any]


class Taken:
    """Keeps what it is given, and where that began."""

    def __init__(self) -> None:
        self.offset = -1
        self.content = b""

    def begin(self, offset: int) -> None:
        self.offset, self.content = offset, b""

    def write(self, chunk: bytes) -> None:
        self.content += chunk


@pytest.fixture
def storage() -> Iterator[Storage]:
    with running_storage() as storage:
        yield storage


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Do:
    """Runs one action with a client of either kind."""

    def run(action: Callable[[Any], Any]) -> Any:
        if request.param == "sync":
            with Client("http://weyl.invalid", STORE, timeout_s=10) as client:
                return action(client)

        async def inside() -> Any:
            async with AsyncClient("http://weyl.invalid", STORE, timeout_s=10) as client:
                result = action(client)
                return await result if isinstance(result, Awaitable) else result

        return asyncio.run(inside())

    return run


def piece(path: Path, *, offset: int = 0, size: int | None = None, moved: Callable[[int], None] = id) -> Piece:
    return Piece(path, offset, path.stat().st_size - offset if size is None else size, moved)


def test_a_file_is_put_as_it_is_and_counted_on_its_way(storage: Storage, do: Do, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"ab" * CHUNK)
    moved: list[int] = []
    headers = {"X-Signed": "yes"}
    answer = do(lambda c: c.put_bytes(f"{storage.url}/f?sig=1", piece(file, moved=moved.append), headers=headers))
    assert storage.files["/f?sig=1"] == file.read_bytes()
    assert answer["etag"] == f'"{2 * CHUNK}"'
    assert moved == [CHUNK, CHUNK]
    [seen] = storage.headers_of("PUT", "/f?sig=1")
    assert (seen["content-length"], seen["x-signed"]) == (str(2 * CHUNK), "yes")
    # The login is for weyl, not for storage.
    assert "authorization" not in seen


def test_a_part_of_a_file_and_an_empty_one_are_put(storage: Storage, do: Do, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    do(lambda c: c.put_bytes(f"{storage.url}/part", piece(file, offset=3, size=4), headers={}))
    assert storage.files["/part"] == b"3456"
    file.write_bytes(b"")
    do(lambda c: c.put_bytes(f"{storage.url}/empty", piece(file), headers={}))
    assert storage.files["/empty"] == b""


def test_a_file_that_has_become_shorter_is_not_put(storage: Storage, do: Do, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123")
    with pytest.raises(Refused, match="has become shorter"):
        do(lambda c: c.put_bytes(f"{storage.url}/f", piece(file, size=10), headers={}))
    assert storage.files == {}


def test_a_file_is_fetched_whole_or_from_an_offset_on(storage: Storage, do: Do) -> None:
    storage.files["/f"] = b"0123456789"
    taken = Taken()
    do(lambda c: c.get_bytes(f"{storage.url}/f", taken, headers={}))
    assert (taken.offset, taken.content) == (0, b"0123456789")
    do(lambda c: c.get_bytes(f"{storage.url}/f", taken, headers={}, offset=4))
    assert (taken.offset, taken.content) == (4, b"456789")
    storage.knows_ranges = False
    do(lambda c: c.get_bytes(f"{storage.url}/f", taken, headers={}, offset=4))
    assert (taken.offset, taken.content) == (0, b"0123456789")


def test_an_answer_that_is_cut_leaves_what_has_come(storage: Storage, do: Do) -> None:
    storage.files["/f"] = b"0123456789"
    storage.cuts["/f"] = [4]
    taken = Taken()
    with pytest.raises(Unreachable):
        do(lambda c: c.get_bytes(f"{storage.url}/f", taken, headers={}))
    assert taken.content == b"0123"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFound), (403, Forbidden), (401, Forbidden), (503, Unreachable), (507, Refused), (412, Refused)],
)
def test_an_answer_says_whether_to_try_again(storage: Storage, do: Do, status: int, kind: type[Exception]) -> None:
    storage.failures["/f"] = [status]
    with pytest.raises(kind) as caught:
        do(lambda c: c.get_bytes(f"{storage.url}/f", Taken(), headers={}))
    assert caught.value.status == status  # type: ignore[attr-defined]
    assert len(storage.seen) == 1


def test_storage_that_is_not_there_is_unreachable(do: Do) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        do(lambda c: c.get_bytes("http://127.0.0.1:9/f", Taken(), headers={}))


def test_a_redirect_is_followed_and_another_machine_sees_no_token(storage: Storage, do: Do, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with running_storage() as other:
        storage.elsewhere = {"/f": f"{other.url}/g", "/h": "/i", "/round": "/round", "/odd": "ftp://127.0.0.1/x"}
        headers = {"Authorization": "Bearer secret"}
        do(lambda c: c.put_bytes(f"{storage.url}/f", piece(file), headers=headers))
        do(lambda c: c.put_bytes(f"{storage.url}/h", piece(file), headers=headers))
        assert (other.files, storage.files) == ({"/g": b"content"}, {"/i": b"content"})
        assert "authorization" not in other.headers_of("PUT", "/g")[0]
        assert storage.headers_of("PUT", "/i")[0]["authorization"] == "Bearer secret"
        for path in ("/round", "/odd"):
            with pytest.raises(Refused, match="redirects"):
                do(lambda c, path=path: c.put_bytes(f"{storage.url}{path}", piece(file), headers={}))


def test_storage_may_send_on_before_it_has_read_anything(storage: Storage, tmp_path: Path) -> None:
    """Only of the client that files are put with: asyncio drops what was answered once a write fails."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 20_000_000)
    with running_storage() as other:
        storage.elsewhere, storage.is_early = {"/f": f"{other.url}/g?authz=once"}, True
        with Client("http://weyl.invalid", STORE, timeout_s=10) as client:
            client.put_bytes(f"{storage.url}/f", piece(file), headers={"Authorization": "Bearer secret"})
        assert {path: len(content) for path, content in other.files.items()} == {"/g?authz=once": 20_000_000}
        assert "authorization" not in other.headers_of("PUT", "/g?authz=once")[0]
