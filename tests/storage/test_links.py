"""Storage behind bad links and on full disks: what was begun is whole or not there, and told by its class in time."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.faults.proxy import FaultProxy
from tests.infra.disk import full, small_disk
from tests.storage.doors import VO, Door, Settings, chunks, opened, s3_settings, sha256

from weyl.demo.seaweedfs import start_seaweedfs
from weyl.kit.s3 import ObjectStore
from weyl.storage.drivers import http
from weyl.storage.errors import NoSpace, StorageError, Unreachable

CONTENT = os.urandom(3_000_000)

pytestmark = pytest.mark.system


SERVED = [
    pytest.param(name, marks=pytest.mark.xdist_group(f"storage-{name}")) for name in ("seaweedfs", "radosgw", "xrootd")
]


@pytest.fixture(params=SERVED)
def system(request: pytest.FixtureRequest) -> str:
    """What stands behind the link."""
    return str(request.param)


@pytest.fixture
def proxy(settings: Settings, door: Door) -> Iterator[FaultProxy]:
    """A link to it that can be cut and held up; its address is that of the server, for the sake of certificates."""
    parts = urlsplit(settings.endpoint["URL"])
    with FaultProxy((str(parts.hostname), int(parts.port or 0)), host=str(parts.hostname)) as found:
        yield found


@pytest.fixture
async def far(settings: Settings, door: Door, proxy: FaultProxy) -> AsyncIterator[Door]:
    """The door behind the link."""
    scheme = urlsplit(settings.endpoint["URL"]).scheme
    host, port = proxy.address
    async with opened(settings.changed(URL=f"{scheme}://{host}:{port}"), door.under[len(door.context.root) :]) as found:
        yield found


async def test_a_link_that_is_cut_while_writing_leaves_no_file(far: Door, door: Door, proxy: FaultProxy) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield CONTENT[:1_000_000]
        proxy.play("reset")
        yield CONTENT[1_000_000:]

    with pytest.raises(Unreachable):
        await far.driver.write(far.path("file"), cut(), size=len(CONTENT), sha256=sha256(CONTENT))
    proxy.play("none")
    # What a server keeps of it could not be deleted over this link; over another one it can.
    assert await door.driver.delete([door.path("file")]) == {}
    await far.driver.write(far.path("file"), chunks(CONTENT), size=len(CONTENT), sha256=sha256(CONTENT))
    assert await far.get(far.path("file")) == CONTENT


async def test_a_link_that_is_cut_while_reading_is_no_end_of_a_file(far: Door, proxy: FaultProxy) -> None:
    path = await far.put("file", CONTENT)
    with pytest.raises(Unreachable):
        async with far.driver.read(path) as pieces:
            async for _ in pieces:
                proxy.play("reset")
    proxy.play("none")
    assert await far.get(path) == CONTENT


async def test_a_link_that_holds_everything_up_is_given_up(
    far: Door, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await far.put("file", CONTENT)
    for name in ("ANSWER_S", "CHECKSUM_S"):
        monkeypatch.setattr(http, name, 1.0)
    monkeypatch.setattr("weyl.storage.drivers.https.CHECKSUM_S", 1.0)
    with proxy.fault("black hole"):
        for work in (far.driver.stat([path]), far.driver.list(far.under), far.get(path)):
            with pytest.raises(Unreachable):
                await work
    assert (await far.driver.stat([path]))[path].size == len(CONTENT)


async def test_a_link_that_is_slow_is_only_slow(far: Door, proxy: FaultProxy) -> None:
    proxy.delay_s = 0.05
    with proxy.fault("delay"):
        path = await far.put("file", CONTENT[:200_000])
        assert await far.get(path) == CONTENT[:200_000]


async def test_a_full_store_is_told_and_goes_on_when_there_is_room(tmp_path: Path, run_directory: Path) -> None:
    directory = run_directory / "full"
    directory.mkdir()
    with small_disk(directory, size_mb=400) as disk, start_seaweedfs(disk) as store:
        settings = s3_settings(tmp_path, store, "files")
        keys = json.loads((tmp_path / "s3" / "s3-key").read_text())
        async with ObjectStore(store.endpoint_url, bucket="files", **keys) as bucket:
            await bucket.ensure_bucket()
        async with opened(settings, f"/{VO}/full") as door:
            kept = await door.put("kept", b"kept")
            with full(disk, but_mb=1), pytest.raises((NoSpace, Unreachable)):
                await door.put("large", os.urandom(20_000_000))
            assert await door.driver.stat([door.path("large")]) == {}
            assert await door.get(kept) == b"kept"
            await door.put("large", CONTENT)
            assert await door.get(door.path("large")) == CONTENT


@pytest.mark.parametrize("system", SERVED[2:])
async def test_a_full_disk_behind_xrootd_leaves_no_file(door: Door, tmp_path: Path) -> None:
    place = Path(str(door.settings.directory)) / "xrootd" / "files" / door.context.root.strip("/")
    place.mkdir(parents=True, exist_ok=True)
    os.chown(place, *_owner(place.parent))
    with small_disk(place / VO / "small", size_mb=4) as disk:
        os.chown(disk, *_owner(place.parent))
        path = f"{door.context.root}/{VO}/small/file"
        with full(disk, but_mb=1), pytest.raises(StorageError) as caught:
            await door.driver.write(path, chunks(CONTENT), size=len(CONTENT), sha256=sha256(CONTENT))
        assert isinstance(caught.value, NoSpace | Unreachable)
        assert await door.driver.stat([path]) == {}
        await door.driver.write(path, chunks(CONTENT), size=len(CONTENT), sha256=sha256(CONTENT))
        assert await door.get(path) == CONTENT


def _owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid
