"""What every process holds of storage: drivers of extensions, and bans that hold in workers as in servers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.infra.app import Installation, config_document, running_application

from weyl.activation import activate
from weyl.app import open_services
from weyl.builtin import BUILTIN
from weyl.config.service import CONFIG
from weyl.demo.seaweedfs import RunningStore
from weyl.extension import Extension, ExtensionConflict
from weyl.kit.following import FOLLOWERS
from weyl.kit.services import Services
from weyl.storage.drivers.file import FileDriver
from weyl.storage.errors import ClosedElement
from weyl.storage.service.reach import STORAGES


class Tape(FileDriver):
    """The driver of an extension."""


NEW = Extension(name="new", storage={"robot": Tape})


@pytest.fixture
async def services(
    installation: Installation, database_url: str, object_store: RunningStore, tmp_path: Path
) -> AsyncIterator[Services]:
    """What a worker holds."""
    made: dict[str, Any] = config_document()
    door = {"Name": "x", "Protocol": "robot", "Path": str(tmp_path)}
    made["Resources"]["StorageElements"] = {"ROBOT": {"Endpoints": [door]}}
    installation.commit_config(made, "A robot")
    try:
        settings = installation.settings(database_url, object_store)
        async with open_services(settings, activate([BUILTIN, NEW])) as found:
            yield found
    finally:
        installation.commit_config(config_document(), "No robot")


async def test_an_extension_brings_a_driver(services: Services) -> None:
    reached = services[STORAGES].open(services[CONFIG].current().config, "ROBOT", vo="voa", access="write")
    assert await reached.driver.stat([reached.path("/voa/a")]) == {}


async def test_a_ban_holds_in_a_worker(
    services: Services, installation: Installation, database_url: str, object_store: RunningStore
) -> None:
    order = {"kind": "storage", "name": "ROBOT", "access": "remove", "status": "Banned", "reason": "jam"}
    async with running_application(installation, database_url, object_store, extensions=[BUILTIN, NEW]) as server:
        headers = server.login(properties=["Operator"])
        answer = await server.client.patch("/api/rss/status", json=[order], headers=headers)
    assert answer.json()["failed"] == [], answer.text
    for follower in services[FOLLOWERS]:
        await follower.seen()
    config = services[CONFIG].current().config
    with pytest.raises(ClosedElement, match="jam"):
        services[STORAGES].open(config, "ROBOT", vo="voa", access="remove")
    services[STORAGES].open(config, "ROBOT", vo="voa", access="read")


def test_two_extensions_with_one_protocol_cannot_both_be_active() -> None:
    with pytest.raises(ExtensionConflict, match="The storage driver robot is claimed by new and by other"):
        activate([BUILTIN, NEW, Extension(name="other", storage={"robot": Tape})])
