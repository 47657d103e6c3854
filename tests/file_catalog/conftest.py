"""What the tests of the file catalogue need: an application with storage elements, members, and short calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.infra.app import Application, Installation, config_document, running_application

from weyl.demo.seaweedfs import RunningStore

ELEMENTS = ("DISK-A", "DISK-B", "TAPE")
ADLER = "0000abcd"


def files_document(**options: object) -> dict[str, Any]:
    """Return the suite's configuration with storage elements, and `options` of `DataManagement` for `voa`."""
    document: dict[str, Any] = config_document()
    document["Resources"]["StorageElements"] = {
        "DISK-A": {"Sites": ["LCG.Alpha.org"]},
        "DISK-B": {"Sites": ["LCG.Beta.org"]},
        "TAPE": {"Medium": "tape"},
        "DISK-OF-B": {"VOs": ["vob"]},
    }
    document["Operations"]["voa"] = {"DataManagement": options}
    return document


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation whose VOs have storage elements."""
    installation = Installation.create(Path(tmp_path_factory.mktemp("files")) / "installation")
    installation.commit_config(files_document(), "Storage elements")
    return installation


@dataclass(frozen=True)
class Caller:
    """Somebody who calls the API of files."""

    application: Application
    headers: dict[str, str]

    async def post(self, path: str, /, **body: Any) -> Any:
        """Return the answer of a call that is not refused."""
        answer = await self.application.client.post(f"/api/files/{path}", headers=self.headers, json=body)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    async def refused(self, path: str, status: int, /, **body: Any) -> Any:
        """Return the answer of a call that is refused."""
        answer = await self.application.client.post(f"/api/files/{path}", headers=self.headers, json=body)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.json()

    async def register(self, *lfns: str, **values: Any) -> dict[str, int]:
        """Register files, and return their ids."""
        answer = await self.post("register", files=[new_file(lfn, **values) for lfn in lfns])
        assert answer["failed"] == {}, answer["failed"]
        return {lfn: answer["success"][lfn]["file_id"] for lfn in lfns}

    async def names(self, path: str, **values: Any) -> list[str]:
        """Return what is in a directory; directories end with a slash."""
        answer = await self.post("list", path=path, **values)
        return [f"{each['name']}/" for each in answer["directories"]] + [each["name"] for each in answer["files"]]


def new_file(lfn: str, *, ses: tuple[str, ...] = ("DISK-A",), **values: Any) -> dict[str, Any]:
    """Return a file as it is registered."""
    replicas = [{"se": se} for se in ses]
    return {"lfn": lfn, "size": 10, "checksums": {"adler32": ADLER}, "replicas": replicas, **values}


@pytest.fixture
def manager(application: Application) -> Caller:
    """The manager of the files of `voa`."""
    return Caller(application, application.login(properties=["FileCatalogManagement"]))


@pytest.fixture
def alice(application: Application) -> Caller:
    """A member of `voa`."""
    return Caller(application, application.login())


@pytest.fixture
def bob(application: Application) -> Caller:
    """Another member of `voa`."""
    return Caller(application, application.login("bob"))


@pytest.fixture
def stranger(application: Application) -> Caller:
    """The manager of the files of `vob`."""
    return Caller(application, application.login("bob", vo="vob", properties=["FileCatalogManagement"]))


Reconfigured = Callable[..., Awaitable[Application]]


@pytest.fixture
async def reconfigured(tmp_path: Path, database_url: str, object_store: RunningStore) -> AsyncIterator[Reconfigured]:
    """Start an application with another document, or other options of `DataManagement` for `voa`."""
    running = []

    async def start(document: dict[str, Any] | None = None, **options: object) -> Application:
        installation = Installation.create(tmp_path / "other")
        installation.commit_config(document or files_document(**options), "Options")
        context = running_application(installation, database_url, object_store)
        running.append(context)
        return await context.__aenter__()

    yield start
    for context in running:
        await context.__aexit__(None, None, None)
