"""Files that are fetched from storage that fails, cuts, lies and stalls."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.client.storage_server import Storage, running_storage

from weyl.client import Client, MemoryCredentials, TokenSet
from weyl.storage.transfer import fetching
from weyl.storage.transfer.fetching import Got, get
from weyl.storage.transfer.pace import Pace

CONTENT = bytes(range(256)) * 16


@pytest.fixture
def storage() -> Iterator[Storage]:
    with running_storage() as storage:
        yield storage


@pytest.fixture
def client(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of an installation that has `/vo/f` at /one and /two, each with what is put there."""
    monkeypatch.setattr(fetching, "PAUSES_S", (0.01, 0.01))
    storage.routes["/api/storage/access"] = lambda body: {
        "success": {lfn: access(storage) for lfn in body["lfns"] if lfn == "/vo/f"},
        "failed": {lfn: {"code": "not_found", "detail": "is not there"} for lfn in body["lfns"] if lfn != "/vo/f"},
    }
    with Client(storage.url, MemoryCredentials(TokenSet("e30.e30.x", None, 2**53))) as client:
        yield client


def access(storage: Storage, *, expires_at: str = "2099-01-01T00:00:00+00:00") -> dict[str, Any]:
    requests = [
        {"se": name.upper(), "request": {"protocol": "https", "url": f"{storage.url}/{name}", "expires_at": expires_at}}
        for name in ("one", "two")
    ]
    return {"size": len(CONTENT), "checksums": {"sha256": sha256(CONTENT).hexdigest()}, "replicas": requests}


def fetch(client: Client, target: Path, **more: Any) -> Got:
    [got] = get(client, {"/vo/f": target}, **more)
    return got


def test_the_next_replica_is_tried_and_what_each_said_is_told(storage: Storage, client: Client, tmp_path: Path) -> None:
    storage.files = {"/one": CONTENT[:-1] + b"x", "/two": CONTENT}
    got = fetch(client, tmp_path / "f")
    assert (got.se, got.reason, (tmp_path / "f").read_bytes()) == ("TWO", None, CONTENT)
    storage.files["/two"] = CONTENT[:100]
    failed = fetch(client, tmp_path / "g")
    assert failed.reason is not None
    assert "ONE: its sha256 is" in failed.reason
    assert "TWO: it has 100 bytes there, not 4,096" in failed.reason
    assert list(tmp_path.iterdir()) == [tmp_path / "f"]


def test_a_replica_that_cuts_is_asked_for_the_rest(storage: Storage, client: Client, tmp_path: Path) -> None:
    storage.files = {"/one": CONTENT}
    storage.cuts["/one"] = [1000, 1500]
    assert fetch(client, tmp_path / "f").se == "ONE"
    assert [each.get("range") for each in storage.headers_of("GET", "/one")] == [None, "bytes=1000-", "bytes=2500-"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_the_other_replica_goes_on_where_the_first_stopped(storage: Storage, client: Client, tmp_path: Path) -> None:
    storage.files = {"/one": CONTENT, "/two": CONTENT}
    storage.cuts["/one"] = [1000, 0]
    assert fetch(client, tmp_path / "f").se == "TWO"
    assert storage.headers_of("GET", "/two")[0]["range"] == "bytes=1000-"
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_storage_that_is_busy_is_asked_again(storage: Storage, client: Client, tmp_path: Path) -> None:
    storage.files = {"/one": CONTENT}
    storage.failures["/one"] = [503]
    assert fetch(client, tmp_path / "f").se == "ONE"
    storage.failures["/one"] = [503] * 9
    assert "ONE" in str(fetch(client, tmp_path / "g").reason)
    assert len(storage.failures["/one"]) == 6


def test_what_is_there_is_left_and_another_file_goes_only_when_told(
    storage: Storage, client: Client, tmp_path: Path
) -> None:
    storage.files = {"/one": CONTENT}
    (tmp_path / "f").write_bytes(CONTENT)
    assert fetch(client, tmp_path / "f").was_there
    assert storage.headers_of("GET", "/one") == []
    (tmp_path / "f").write_bytes(CONTENT[::-1])
    assert "with other content" in str(fetch(client, tmp_path / "f").reason)
    assert fetch(client, tmp_path / "f", overwrite=True).reason is None
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_requests_that_are_about_to_end_are_asked_for_anew(storage: Storage, client: Client, tmp_path: Path) -> None:
    storage.files = {"/one": CONTENT}
    asked: list[Any] = []

    def answer(body: Any) -> Any:
        asked.append(body)
        moment = "2099-01-01T00:00:00+00:00" if len(asked) > 1 else "2000-01-01T00:00:00+00:00"
        return {"success": {"/vo/f": access(storage, expires_at=moment)}, "failed": {}}

    storage.routes["/api/storage/access"] = answer
    assert fetch(client, tmp_path / "f").se == "ONE"
    assert len(asked) == 2


def test_a_file_that_is_not_there_fails_beside_the_others(storage: Storage, client: Client, tmp_path: Path) -> None:
    storage.files = {"/one": CONTENT}
    found = {got.lfn: got for got in get(client, {"/vo/f": tmp_path / "f", "/vo/g": tmp_path / "g"})}
    assert (found["/vo/f"].reason, found["/vo/g"].reason) == (None, "is not there")
    assert fetch(client, tmp_path / "f" / "below").reason is not None


def test_whoever_waits_may_end_it_and_what_has_come_stays(
    storage: Storage, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PAUSES_S", (60.0,))

    class Impatient:
        def look(self, pace: Pace) -> None:
            if pace.bytes_done >= 1000:
                raise KeyboardInterrupt

    storage.files["/one"] = CONTENT
    storage.cuts["/one"] = [1000, 0]
    with pytest.raises(KeyboardInterrupt):
        fetch(client, tmp_path / "f", observer=Impatient())
    assert not (tmp_path / "f").exists()
    storage.seen.clear()
    assert fetch(client, tmp_path / "f").se == "ONE"
    assert storage.headers_of("GET", "/one")[0]["range"] == "bytes=1000-"
