"""`kill -9` of server, worker, PostgreSQL and storage at each step of uploads: the comparison finds no difference."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.faults.cwl import held, in_database, is_held
from tests.faults.installation import FaultyStack, Member, await_that, logged_in
from tests.faults.uploading import (
    BUCKET,
    BUCKET_NAME,
    DISK,
    FILES,
    HOME,
    Lookout,
    Uploader,
    findings,
    registered,
    running_storage,
)
from weyl.kit.s3 import ObjectStore

pytestmark = [pytest.mark.xdist_group("fault-uploads"), pytest.mark.timeout(900)]

HELD = {
    "opening": "BEFORE INSERT ON uploads FOR EACH ROW",
    "noting": "BEFORE INSERT ON intents FOR EACH ROW",
    "landing": "BEFORE UPDATE ON uploads FOR EACH ROW WHEN (NEW.state = 'verifying')",
    "registering": "BEFORE INSERT ON files FOR EACH ROW",
    "ending": "BEFORE UPDATE ON uploads FOR EACH ROW WHEN (NEW.state = 'registered')",
}
POINTS = (*HELD, "writing", "verifying")
VICTIMS = ("server", "worker", "postgresql", "seaweedfs")
# Where most is at stake.
OFTEN = {("server", "registering"), ("postgresql", "ending")}
BESIDE = 8
"""28 cases of so many uploads: 224."""
KILLS_APART_S = 13.0
"""A program that ends six times within a minute is not started again."""


@pytest.fixture(scope="module")
def stack() -> Iterator[FaultyStack]:
    """An installation with a directory and a bucket as storage elements."""
    with running_storage() as running:
        yield running
        for log in sorted(running.files.logs.glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-60:], sep="\n")


@pytest.fixture(scope="module")
def alice(stack: FaultyStack) -> Iterator[Member]:
    """Somebody who uploads."""
    with logged_in(stack) as member:
        asyncio.run(_make_bucket(stack))
        yield member


@pytest.fixture(scope="module")
def killed() -> dict[str, float]:
    """When each part was killed last."""
    return {}


@pytest.mark.parametrize(
    ("victim", "point"),
    [
        pytest.param(victim, point, marks=[] if (victim, point) in OFTEN else [pytest.mark.long])
        for victim in VICTIMS
        for point in POINTS
    ],
)
def test_every_upload_is_visible_whole_or_not_at_all_and_nothing_is_dark_or_lost(
    stack: FaultyStack, alice: Member, killed: dict[str, float], *, victim: str, point: str
) -> None:
    await_that(lambda: time.monotonic() - killed.get(victim, 0) > KILLS_APART_S, "a while since it was killed last")
    await_that(stack.is_whole, "what the last test has killed runs again")
    uploaders = [Uploader(alice, f"{victim}-{point}-{each}", (DISK, BUCKET)[each % 2]) for each in range(BESIDE)]
    with Lookout(alice, uploaders) as lookout:
        states = struck(stack, uploaders, point=point, strike=lambda: stack.kill(victim))
    killed[victim] = time.monotonic()
    assert states == ["registered"] * BESIDE, [each.trouble for each in uploaders]
    assert lookout.counts <= {FILES}
    shown = registered(stack)
    assert all(lfn in shown for each in uploaders for lfn in each.contents)
    # Uploads that were opened and whose answer was lost are not dark: their intents say so.
    assert findings(alice) == []


def struck(stack: FaultyStack, uploaders: Sequence[Uploader], *, point: str, strike: Callable[[], None]) -> list[str]:
    """Let people upload, and strike when one of them is at a point; returns how their uploads ended."""
    with ThreadPoolExecutor(len(uploaders)) as pool, ExitStack() as kept:
        if point in HELD:
            kept.enter_context(held(stack, HELD[point]))
        running = [pool.submit(uploader.upload) for uploader in uploaders]

        def is_there() -> bool:
            if all(each.done() for each in running):
                return True
            if point == "writing":
                return any(_lies_there(stack, each) for each in uploaders)
            return is_held(stack) if point in HELD else bool(_states(stack).get("verifying"))

        await_that(is_there, f"an upload at {point}")
        strike()
        kept.close()
        return [each.result() for each in running]


def test_the_comparison_finds_what_was_planted(stack: FaultyStack, alice: Member) -> None:
    uploader = Uploader(alice, f"planted-{uuid4().hex[:8]}", DISK)
    assert uploader.upload() == "registered"
    lost, short, other, good = (_disk(stack) / lfn[1:] for lfn in uploader.contents)
    kept = {path: path.read_bytes() for path in (lost, short, other)}
    dark = good.with_name("dark")
    lost.unlink()
    short.write_bytes(kept[short][:-1])
    other.write_bytes(bytes(len(kept[other])))
    dark.write_bytes(b"x")
    found = {(finding["kind"], Path(finding["path"]).name) for finding in findings(alice)}
    assert found == {("lost", lost.name), ("truncated", short.name), ("differs", other.name), ("dark", "dark")}
    dark.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    assert findings(alice) == []


def test_in_the_end_nothing_lies_anywhere_that_is_no_file_and_nothing_of_what_was_purged(
    stack: FaultyStack, alice: Member
) -> None:
    uploaders = [Uploader(alice, f"end-{uuid4().hex[:8]}", se) for se in (DISK, BUCKET)]
    assert [uploader.upload() for uploader in uploaders] == ["registered", "registered"]
    left_open = Uploader(alice, f"open-{uuid4().hex[:8]}", DISK)
    left_open.written(left_open.opened())
    _age(stack)
    await_that(lambda: not _count(stack, "intents"), "everything swept", explain=lambda: _count(stack, "intents"))
    assert set(_states(stack)) <= {"registered", "failed", "abandoned"}
    shown = registered(stack)
    assert _stored(stack) == set(shown.values())
    gone = sorted(shown)[::2]
    answer = alice.http.post("/api/files/delete", json={"lfns": gone[:1_000], "reason": "test"})
    assert answer.json()["failed"] == {}, answer.text
    await_that(lambda: not _count(stack, "files WHERE status <> 'Good'"), "everything purged")
    shown = registered(stack)
    assert not shown.keys() & set(gone[:1_000])
    assert _stored(stack) == set(shown.values())
    assert findings(alice) == []


def _disk(stack: FaultyStack) -> Path:
    return stack.files.directory / "grid"


def _lies_there(stack: FaultyStack, uploader: Uploader) -> bool:
    return (_disk(stack) / HOME[1:] / uploader.name).exists()


def _states(stack: FaultyStack) -> dict[str, int]:
    statement = "SELECT state, count(*) FROM uploads GROUP BY state"
    return dict(in_database(stack, lambda connection: connection.fetch(statement)))


def _count(stack: FaultyStack, what: str) -> int:
    return int(in_database(stack, lambda connection: connection.fetchval(f"SELECT count(*) FROM {what}")))


def _age(stack: FaultyStack) -> None:
    """Let three hours pass for everything that was begun."""
    past = "now() - interval '1 second'"
    for statement in (
        f"UPDATE uploads SET expires_at = {past}, requests_until = {past} - interval '3 hours'"
        " WHERE state IN ('open', 'verifying')",
        f"UPDATE intents SET sweep_at = {past} WHERE state = 'abandoned'",
        "UPDATE replicas SET created_at = created_at - interval '3 hours'",
    ):
        in_database(stack, lambda connection, statement=statement: connection.execute(statement))


def _stored(stack: FaultyStack) -> set[str]:
    """Return what lies at both storage elements, past everything that could hide it."""
    disk = _disk(stack)
    found = {f"{DISK}:/{path.relative_to(disk)}" for path in disk.rglob("*") if path.is_file()}
    return found | {f"{BUCKET}:/{key}" for key in _keys(stack)}


def _keys(stack: FaultyStack) -> set[str]:
    return asyncio.run(_listed(stack))


async def _listed(stack: FaultyStack) -> set[str]:
    found: list[str] = []
    async with _bucket(stack) as bucket:
        while True:
            query = f"list-type=2&max-keys=1000&start-after={quote(found[-1], safe='') if found else ''}"
            answer = await bucket._send("GET", f"/{BUCKET_NAME}?{query}", accept={200})
            page = re.findall(r"<Key>([^<]+)</Key>", answer.body.decode())
            if not page:
                return set(found)
            found += page


async def _make_bucket(stack: FaultyStack) -> None:
    async with _bucket(stack) as bucket:
        await bucket.ensure_bucket()


def _bucket(stack: FaultyStack) -> ObjectStore:
    """Return the bucket, past the proxy."""
    store = stack.store
    keys = {"access_key": store.access_key, "secret_key": store.secret_key}
    return ObjectStore(store.endpoint_url, bucket=BUCKET_NAME, **keys)
