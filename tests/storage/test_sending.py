"""Files that are put on storage that fails and stalls, and what a second run goes on with."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.storage_server import Storage, running_storage

from weyl.client import Client, MemoryCredentials, TokenSet
from weyl.storage.transfer import sending, writing
from weyl.storage.transfer.local_files import LocalFile, local_files
from weyl.storage.transfer.pace import Pace
from weyl.storage.transfer.sending import Options, Put, put

LATER = "2099-01-01T00:00:00+00:00"


class Uploads:
    """The routes of uploads: files are wanted at /one, then at /two; those in `parts` in two parts."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.opened: dict[str, Any] = {}
        self.commits: list[Any] = []
        self.parts: set[str] = set()
        self.state = "open"
        self.headers: dict[str, str] = {}
        storage.routes["/api/storage/uploads"] = self.open
        storage.routes["/api/storage/uploads/7/commit"] = self.commit
        storage.routes["/api/storage/uploads/7"] = lambda _: self.shown()

    def open(self, body: Any) -> Any:
        self.opened = {file["lfn"]: file for file in body["files"]}
        return self.shown()

    def shown(self) -> Any:
        files = {lfn: {"lfn": lfn, "state": "wanted", "targets": self.targets(lfn)} for lfn in self.opened}
        return {"upload_id": 7, "state": self.state, "expires_at": LATER, "files": files, "failed": {}}

    def targets(self, lfn: str) -> list[Any]:
        request = {"protocol": "s3", "method": "PUT", "expires_at": LATER, "headers": self.headers}
        urls = {se.upper(): f"{self.storage.url}/{se}{lfn}" for se in ("one", "two")}
        if lfn not in self.parts:
            return [{"se": se, "request": {**request, "url": url}} for se, url in urls.items()]
        half = self.opened[lfn]["size"] // 2
        parts = [
            {"number": number, "offset": half * (number - 1), "size": half, "url": f"{urls['ONE']}/{number}"}
            for number in (1, 2)
        ]
        return [{"se": "ONE", "request": {**request, "url": "", "upload": "m-1", "parts": parts}}]

    def commit(self, body: Any) -> Any:
        self.commits.append(body["landed"])
        files = {lfn: {"lfn": lfn, "file_id": number} for number, lfn in enumerate(body["landed"], 1)}
        return {"state": "registered", "files": files, "failed": {}}


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    monkeypatch.setattr(writing, "PAUSES_S", (0.01, 0.01))
    with running_storage() as storage:
        yield Uploads(storage)


@pytest.fixture
def client(uploads: Uploads) -> Iterator[Client]:
    with Client(uploads.storage.url, MemoryCredentials(TokenSet("e30.e30.x", None, 2**53))) as client:
        yield client


@pytest.fixture
def files(tmp_path: Path) -> list[LocalFile]:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    return local_files([tmp_path / "a", tmp_path / "b"], "/vo")


def send(client: Client, files: list[LocalFile], tmp_path: Path, **more: Any) -> dict[str, Put]:
    return {each.lfn: each for each in put(client, files, Options(journals=tmp_path / "journals"), **more)}


def test_files_are_announced_written_and_committed(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path
) -> None:
    found = send(client, files, tmp_path)
    assert uploads.storage.files == {"/one/vo/a": b"a" * 1000, "/one/vo/b": b"b" * 1000}
    assert uploads.commits == [{"/vo/a": {"se": "ONE"}, "/vo/b": {"se": "ONE"}}]
    assert {(each.lfn, each.se, each.reason) for each in found.values()} == {
        ("/vo/a", "ONE", None),
        ("/vo/b", "ONE", None),
    }
    announced = uploads.opened["/vo/a"]
    assert (announced["size"], announced["checksums"]) == (1000, dict(found["/vo/a"].checksums))
    assert list((tmp_path / "journals").iterdir()) == []


def test_the_next_target_is_tried_and_a_file_that_none_takes_fails_alone(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path
) -> None:
    uploads.storage.failures = {"/one/vo/a": [507], "/one/vo/b": [403], "/two/vo/b": [507]}
    found = send(client, files, tmp_path)
    assert (found["/vo/a"].se, found["/vo/a"].reason) == ("TWO", None)
    assert re.search(r"ONE: .* does not allow it .*; TWO: .* is full", str(found["/vo/b"].reason))
    assert uploads.commits == [{"/vo/a": {"se": "TWO"}}]


def test_targets_that_are_busy_are_tried_again(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path
) -> None:
    uploads.storage.failures = {"/one/vo/a": [503], "/two/vo/a": [503]}
    assert send(client, files, tmp_path)["/vo/a"].se == "ONE"
    uploads.storage.failures = {"/one/vo/a": [503] * 9, "/two/vo/a": [503] * 9}
    assert "ONE" in str(send(client, files, tmp_path)["/vo/a"].reason)


def test_what_must_not_be_written_over_is_there_and_the_server_compares_it(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path
) -> None:
    uploads.headers = {"If-None-Match": "*"}
    uploads.storage.failures = {"/one/vo/a": [412]}
    paces: list[int] = []
    found = send(client, files, tmp_path, observer=Watching(paces))
    assert (found["/vo/a"].se, found["/vo/a"].reason) == ("ONE", None)
    assert uploads.commits == [{"/vo/a": {"se": "ONE"}, "/vo/b": {"se": "ONE"}}]
    assert max(paces) <= 2000
    assert {headers["if-none-match"] for headers in uploads.storage.headers_of("PUT", "/one/vo/a")} == {"*"}
    # Of a request without a condition the answer is no more than a refusal.
    uploads.headers, uploads.commits = {}, []
    uploads.storage.failures = {"/one/vo/a": [412]}
    assert send(client, files, tmp_path)["/vo/a"].se == "TWO"


def test_what_is_sent_on_to_another_server_counts_once(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path
) -> None:
    uploads.storage.elsewhere = {"/one/vo/a": f"{uploads.storage.url}/pool/a"}
    watching = Watching([])
    assert send(client, files, tmp_path, observer=watching)["/vo/a"].se == "ONE"
    assert watching.pace.bytes_done == 2000
    assert uploads.storage.files["/pool/a"] == b"a" * 1000


class Watching:
    """Notes how many bytes have gone."""

    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    def look(self, pace: Pace) -> None:
        self.pace = pace
        self.seen.append(pace.bytes_done)


def test_all_or_none_is_committed_only_whole(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path
) -> None:
    uploads.storage.failures = {"/one/vo/a": [507], "/two/vo/a": [507]}
    found = list(put(client, files, Options(atomic=True, journals=None)))
    assert all(each.reason is not None for each in found)
    assert uploads.commits == []


def test_what_is_there_needs_no_bytes(client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path) -> None:
    known = {file.lfn: {"lfn": file.lfn, "state": "registered", "file_id": 5} for file in files}
    uploads.storage.routes["/api/storage/uploads"] = lambda _: {
        "upload_id": None,
        "state": "registered",
        "files": known,
        "failed": {},
    }
    found = send(client, files, tmp_path)
    assert [(each.was_there, each.file_id, each.reason) for each in found.values()] == [(True, 5, None)] * 2
    assert uploads.storage.seen == []


def test_what_the_server_refuses_is_told_file_by_file(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path
) -> None:
    def commit(body: Any) -> Any:
        told = {"code": "conflict", "detail": "has another size there"}
        return {"state": "registered", "files": {"/vo/a": {"lfn": "/vo/a", "file_id": 1}}, "failed": {"/vo/b": told}}

    uploads.storage.routes["/api/storage/uploads/7/commit"] = commit
    found = send(client, files, tmp_path)
    assert (found["/vo/a"].reason, found["/vo/b"].reason) == (None, "has another size there")


class Impatient:
    """Gives up once storage has failed for a path."""

    def __init__(self, uploads: Uploads, path: str) -> None:
        self.left = uploads.storage.failures[path]
        self.before = len(self.left)

    def look(self, pace: Pace) -> None:
        if len(self.left) < self.before:
            raise KeyboardInterrupt


def test_the_second_run_goes_on_with_the_upload_of_the_first(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PAUSES_S", (60.0,))
    uploads.parts = {"/vo/b"}
    uploads.storage.failures = {"/one/vo/b/2": [503] * 9}
    with pytest.raises(KeyboardInterrupt):
        send(client, files, tmp_path, observer=Impatient(uploads, "/one/vo/b/2"))
    assert uploads.commits == []
    assert set(uploads.storage.files) == {"/one/vo/a", "/one/vo/b/1"}
    uploads.storage.failures.clear()
    uploads.storage.seen.clear()
    monkeypatch.setattr(uploads, "open", None)
    uploads.storage.routes.pop("/api/storage/uploads")
    found = send(client, files, tmp_path)
    assert [path for method, path, _ in uploads.storage.seen if method == "PUT"] == ["/one/vo/b/2"]
    assert uploads.commits == [{"/vo/a": {"se": "ONE"}, "/vo/b": {"se": "ONE", "etags": ['"500"', '"500"']}}]
    assert all(each.reason is None for each in found.values())


def test_a_second_run_begins_anew_where_the_upload_is_over_or_the_file_another(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PAUSES_S", (60.0,))
    uploads.storage.failures = {f"/{se}/vo/b": [503] * 9 for se in ("one", "two")}
    with pytest.raises(KeyboardInterrupt):
        send(client, files, tmp_path, observer=Impatient(uploads, "/one/vo/b"))
    uploads.storage.failures.clear()
    uploads.state = "abandoned"
    original = uploads.shown
    uploads.storage.routes["/api/storage/uploads"] = lambda body: uploads.open(body) and {**original(), "state": "open"}
    assert all(each.reason is None for each in send(client, files, tmp_path).values())
    assert list((tmp_path / "journals").iterdir()) == []


def test_more_than_an_upload_takes_is_several(
    client: Client, uploads: Uploads, files: list[LocalFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FILES_PER_UPLOAD", 1)
    send(client, files, tmp_path)
    assert [list(each) for each in uploads.commits] == [["/vo/a"], ["/vo/b"]]
