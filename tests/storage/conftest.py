"""Starts each real storage element when the first test asks for it, and keeps it for those that follow."""

import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.infra.radosgw import missing_radosgw, running_radosgw
from tests.infra.xrootd import AUDIENCE, IssuerServer, missing_xrootd, running_xrootd
from tests.storage.doors import VO, Door, Settings, opened, s3_settings

from weyl.kit.s3 import ObjectStore
from weyl.storage import tokens
from weyl.storage.token_keys import TokenKeys, generate_token_keys

SYSTEMS = ("file", "seaweedfs", "radosgw", "xrootd")
BUCKET = "files"
_numbers = itertools.count()


@contextmanager
def _file(directory: Path, _: pytest.FixtureRequest) -> Iterator[Settings]:
    (directory / "mounted").mkdir()
    yield Settings({"Protocol": "file", "Path": str(directory / "mounted")}, directory)


@contextmanager
def _seaweedfs(directory: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    yield s3_settings(directory, request.getfixturevalue("object_store"), BUCKET, checksums=("sha256", "md5"))


@contextmanager
def _radosgw(directory: Path, _: pytest.FixtureRequest) -> Iterator[Settings]:
    if reason := missing_radosgw():
        pytest.skip(reason)
    with running_radosgw(directory) as gateway:
        # Without a cluster behind it, it writes over what is there whatever the condition.
        yield s3_settings(directory, gateway, BUCKET).changed(ConditionalWrites=False)


@contextmanager
def _xrootd(directory: Path, _: pytest.FixtureRequest) -> Iterator[Settings]:
    if reason := missing_xrootd():
        pytest.skip(reason)
    keys = directory / "storage-keys.json"
    keys.write_text(generate_token_keys())
    (directory / "tls").mkdir()
    with IssuerServer(directory / "tls") as issuer:
        signing = TokenKeys(keys)

        def documents(path: str) -> dict[str, Any] | None:
            vo, _, name = path.removeprefix("/api/storage/issuer/").partition("/")
            return signing.public_jwks() if name == "jwks.json" else tokens.metadata(issuer.url, vo)

        issuer.documents = documents
        issuers = {vo: (tokens.issuer_url(issuer.url, vo), f"/data/{vo}") for vo in ("voa", "vob")}
        (directory / "xrootd").mkdir()
        with running_xrootd(directory / "xrootd", issuer, issuers=issuers) as server:
            endpoint = {
                "Protocol": "https",
                "URL": server.url,
                "Path": "/data",
                "VOPaths": {vo: f"/data/{vo}" for vo in issuers},
                "CA": str(server.ca),
                "Auth": {"Kind": "token", "Audience": AUDIENCE},
            }
            yield Settings(endpoint, directory, public_url=issuer.url, trusted=server.ca)


_RUNNING: dict[str, Callable[..., Any]] = {
    "file": _file,
    "seaweedfs": _seaweedfs,
    "radosgw": _radosgw,
    "xrootd": _xrootd,
}


@pytest.fixture(scope="session")
def start_storage(run_directory: Path) -> Iterator[Callable[[str, pytest.FixtureRequest], Settings]]:
    """Return a function that starts a storage element, or skips with what is missing; outside of CI only."""
    with ExitStack() as stack:
        known: dict[str, Settings] = {}
        broken: dict[str, str] = {}

        def start(name: str, request: pytest.FixtureRequest) -> Settings:
            if name in broken:
                pytest.fail(f"{name} did not start: {broken[name]}")
            if name not in known:
                directory = run_directory / f"s-{name}"
                directory.mkdir(mode=0o755, exist_ok=True)
                try:
                    known[name] = stack.enter_context(_RUNNING[name](directory, request))
                except pytest.skip.Exception as skipped:
                    if os.environ.get("CI"):
                        pytest.fail(str(skipped))
                    raise
                except Exception as error:
                    broken[name] = str(error)
                    raise
            return known[name]

        yield start


@pytest.fixture
def settings(
    request: pytest.FixtureRequest, system: str, start_storage: Callable[[str, pytest.FixtureRequest], Settings]
) -> Settings:
    """What the door of a system is made from."""
    return start_storage(system, request)


@pytest.fixture
async def door(settings: Settings) -> AsyncIterator[Door]:
    """A door of a system, with a directory of the test's own."""
    if settings.endpoint["Protocol"] == "s3":
        await _make_bucket(settings)
    async with opened(settings, f"/{VO}/t{next(_numbers)}") as found:
        yield found


async def _make_bucket(settings: Settings) -> None:
    keys = json.loads((settings.directory / "s3" / "s3-key").read_text())
    async with ObjectStore(settings.endpoint["URL"], bucket=BUCKET, **keys) as store:
        await store.ensure_bucket()
