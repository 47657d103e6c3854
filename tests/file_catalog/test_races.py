"""Several at once: directory moves against registrations, mkdir against mkdir, deletions against restorations.

At any moment the usage of every directory is what a recount in the same snapshot says, and no deadlock is met.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.file_catalog.conftest import ADLER, files_document

from weyl.config.models import Config
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.errors import CatalogueBusy
from weyl.file_catalog.models.files import Move, Outcome
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries.usage import recount
from weyl.file_catalog.registrations import NewFile, NewReplica, Terms
from weyl.file_catalog.service import directories, trash
from weyl.file_catalog.service.moves import move
from weyl.file_catalog.service.registration import register
from weyl.file_catalog.service.usage import check, fold_all
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.sql import Sql

MANAGER = Member("voa", "alice", "user", True)
CONFIG = Config.model_validate(files_document())
TREES = ("/voa/t", "/voa/u")

Act = Callable[[Tx], Awaitable[Outcome]]


@pytest.fixture
async def wide(database_url: str) -> AsyncIterator[Database]:
    """A pool for several at once."""
    database = Database(database_url, pool_size=12)
    yield database
    await database.close()


def files_of(*lfns: str, ses: tuple[str, ...] = ("DISK-A",)) -> list[NewFile]:
    return [
        NewFile(lfn, 10, Checksums(adler32=ADLER), replicas=tuple(NewReplica(se, f"/voa/s{lfn}") for se in ses))
        for lfn in lfns
    ]


def putting(*lfns: str, ses: tuple[str, ...] = ("DISK-A",)) -> Act:
    async def act(tx: Tx) -> Outcome:
        terms = Terms(atomic=False, verified_at=utcnow())
        return await register(tx, MANAGER, files_of(*lfns, ses=ses), terms, config=CONFIG, now=utcnow())

    return act


def moving(source: str, target: str) -> Act:
    async def act(tx: Tx) -> Outcome:
        asked = [Move.model_validate({"from": source, "to": target})]
        return (await move(tx, MANAGER, asked, config=CONFIG, now=utcnow())).outcome

    return act


def making(*paths: str) -> Act:
    return lambda tx: directories.make(tx, MANAGER, paths, mode=None, config=CONFIG, now=utcnow())


def removing(*paths: str) -> Act:
    return lambda tx: directories.remove(tx, MANAGER, paths, config=CONFIG, now=utcnow())


def deleting(*lfns: str) -> Act:
    return lambda tx: trash.delete(tx, MANAGER, lfns, reason="race", config=CONFIG, now=utcnow())


def restoring(*lfns: str) -> Act:
    return lambda tx: trash.restore(tx, MANAGER, lfns, config=CONFIG, now=utcnow())


async def do(db: Database, act: Act) -> Outcome:
    """Do something in a transaction of its own; who is told to come back does."""
    for _ in range(50):
        try:
            async with db.transaction() as tx:
                return await act(tx)
        except CatalogueBusy:
            await asyncio.sleep(0)
    raise AssertionError("always busy")


_BROKEN = Sql(
    """
    SELECT d.path FROM directories d LEFT JOIN directories p ON p.dir_id = d.parent_id
    WHERE d.path_hash <> substring(sha256(convert_to(d.path, 'UTF8')) FROM 1 FOR 16)
      OR d.depth <> cardinality(string_to_array(d.path, '/')) - 1
      OR d.lineage <> CASE WHEN d.parent_id IS NULL THEN ARRAY[d.dir_id] ELSE p.lineage || d.dir_id END
      OR (d.parent_id IS NULL) <> (d.path = '/voa')
      OR d.parent_id IS NOT NULL AND left(d.path, length(p.path) + 1) IS DISTINCT FROM p.path || '/'
    """,
    str,
)
_HIDDEN = Sql(
    """
    SELECT d.path || '/' || f.name FROM files f JOIN directories d USING (dir_id)
      JOIN directories above ON above.dir_id = ANY(d.lineage)
    WHERE f.status = 'Good' AND above.trashed_at IS NOT NULL
    """,
    str,
)


async def check_all(db: Database) -> None:
    """Check what is always true, in one snapshot."""
    async with db.read() as tx:
        assert await recount(tx) == []
        assert await _BROKEN.rows(tx) == [], "paths, hashes and lineages fit"
        assert await _HIDDEN.rows(tx) == [], "no file lies in a directory that is hidden"


@pytest.fixture(params=["short", pytest.param("long", marks=[pytest.mark.long, pytest.mark.timeout(3_600)])])
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a race is run."""
    return 40 if request.param == "short" else 10_000


async def test_a_directory_moves_while_files_are_registered_in_it(wide: Database, rounds: int) -> None:
    await do(wide, putting("/voa/m/t/first"))
    here, moved = "/voa/m/t", 0
    for number in range(rounds):
        there = f"/voa/{'mn'[number % 2]}/t{number}"
        lfns = [f"{here}/f{number}", f"{here}/d{number}/x", f"{here}/d{number % 7}/e/y{number}"]
        done = await asyncio.gather(
            do(wide, putting(*lfns)),
            do(wide, moving(here, there)),
            do(wide, making(f"{here}/m{number}/n", "/voa/n")),
        )
        # What comes after the move makes the old place anew.
        assert done[0].failed == done[2].failed == {}
        moved += len(done[1].success)
        here = there if done[1].success else here
        if number % max(10, rounds // 100) == 0:
            await check_all(wide)
    await check_all(wide)
    assert await check(wide) == 0
    assert moved >= rounds // 2


async def test_many_make_the_same_directories(wide: Database, rounds: int) -> None:
    for number in range(rounds // 4):
        paths = [f"/voa/x{number}/{part}" for part in ("a/b/c", "a/b/d", "a", "e/f")]
        acts = [making(*paths), making(*reversed(paths)), putting(*(f"{path}/f" for path in paths)), making(paths[0])]
        done = await asyncio.gather(*(do(wide, act) for act in acts))
        assert all(outcome.failed == {} for outcome in done)
    await check_all(wide)
    async with wide.read() as tx:
        assert await Sql("SELECT count(*) FROM directories", int).one(tx) == 1 + 7 * (rounds // 4)


async def test_a_directory_is_removed_while_files_come(wide: Database, rounds: int) -> None:
    await do(wide, making("/voa/keep"))
    for number in range(rounds):
        lfn = f"/voa/d{number % 5}/e/f{number}"
        outcomes = await asyncio.gather(
            do(wide, putting(lfn)),
            do(wide, removing(f"/voa/d{number % 5}/e", f"/voa/d{number % 5}")),
            do(wide, deleting(f"/voa/d{number % 5}/e/f{number - 5}")),
        )
        assert outcomes[0].failed == {}, outcomes[0].failed
    await check_all(wide)


async def test_a_name_is_deleted_restored_and_registered_at_once(wide: Database, rounds: int) -> None:
    await do(wide, putting("/voa/d/f"))
    for number in range(rounds):
        done = await asyncio.gather(
            do(wide, deleting("/voa/d/f")),
            do(wide, restoring("/voa/d/f")),
            do(wide, putting("/voa/d/f")),
            do(wide, moving("/voa/d/f", f"/voa/d/g{number}")),
        )
        assert {code for each in done for code in _codes(each)} <= {"not_found", "exists", "busy", "conflict"}
    await check_all(wide)
    async with wide.read() as tx:
        twice = await Sql(
            "SELECT name FROM files WHERE status = 'Good' GROUP BY dir_id, name HAVING count(*) > 1", str
        ).rows(tx)
    assert twice == []


def _codes(outcome: Outcome) -> set[str]:
    return {failure.code.value for failure in outcome.failed.values()}


async def test_usage_equals_a_recount_while_all_of_it_happens(wide: Database, rounds: int) -> None:
    """Eight writers, moves and folds; a reader compares in one snapshot, again and again."""
    await do(wide, making(*(f"{tree}/d{number}" for tree in TREES for number in range(4))))
    is_over = asyncio.Event()
    looks = 0

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(rounds // 2):
            await do(wide, _random(chance, seed, number))

    async def fold() -> None:
        while not is_over.is_set():
            await fold_all(wide)
            await asyncio.sleep(0.01)

    async def look() -> None:
        nonlocal looks
        while not is_over.is_set():
            async with wide.read() as tx:
                assert await recount(tx) == []
            looks += 1

    side = [asyncio.create_task(each()) for each in (fold, look)]
    await asyncio.gather(*(write(seed) for seed in range(8)))
    is_over.set()
    await asyncio.gather(*side)
    assert looks > 5
    await check_all(wide)
    await fold_all(wide)
    await check_all(wide)


def _random(chance: random.Random, seed: int, number: int) -> Act:
    tree, other = chance.sample(TREES, 2)
    directory = f"{tree}/d{chance.randrange(4)}"
    old = f"{directory}/w{seed}-{chance.randrange(number + 1)}"
    acts: list[Act] = [
        putting(f"{directory}/w{seed}-{number}", f"{directory}/n{number % 5}/x{seed}", ses=("DISK-A", "DISK-B")),
        deleting(old),
        restoring(old),
        moving(old, f"{tree}/moved{seed}-{number}"),
        moving(directory, f"{other}/d{chance.randrange(4)}"),
        removing(f"{directory}/n{number % 5}"),
    ]
    chosen: Act = chance.choices(acts, [5, 2, 1, 2, 2, 1])[0]
    return chosen
