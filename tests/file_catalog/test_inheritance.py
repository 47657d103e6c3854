"""What holds in a directory: sets that are kept, against looking at every directory above."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.file_catalog import random_catalogue
from tests.file_catalog.random_catalogue import VALUES, Catalogue, expected_sets, set_on_directories, sets_of

from weyl.file_catalog import sets
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.queries import sets as queries
from weyl.file_catalog.service.sets import SETTLE, resettle, settle_batch
from weyl.file_catalog.sets import Placed
from weyl.kit.db import StatementCount, Tx, driver_connection
from weyl.kit.ids import uuid7
from weyl.tasks.operations import Batch

EXAMPLES, STEPS = 8, 12


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_each_directory_has_the_set_of_what_holds_there(tx: Tx, seed: int) -> None:
    """Values are set, overridden and taken away, directories are moved from one branch to another."""
    chance = random.Random(seed)
    catalogue = await random_catalogue.make(tx, chance, f"i{seed}", files=1)
    assert await sets_of(tx, catalogue) == expected_sets(catalogue)
    for _ in range(STEPS):
        if chance.random() < 0.3:
            await _move(tx, chance, catalogue)
        else:
            await _change(tx, chance, catalogue)
        assert await sets_of(tx, catalogue) == expected_sets(catalogue), seed


async def _change(tx: Tx, chance: random.Random, catalogue: Catalogue) -> None:
    of_directories = [name for name, each in catalogue.declared.items() if each.is_of_directories]
    chosen = chance.sample(list(catalogue.directories.values()), chance.randint(1, 3))
    changes = {
        each.dir_id: {name: chance.choice([None, *VALUES[name]]) for name in chance.sample(of_directories, 2)}
        for each in chosen
    }
    await set_on_directories(tx, catalogue, changes)
    for dir_id, values in changes.items():
        own = {**catalogue.directories[dir_id].own, **values}
        catalogue.directories[dir_id].own = {name: value for name, value in own.items() if value is not None}


async def _move(tx: Tx, chance: random.Random, catalogue: Catalogue) -> None:
    """Move a directory as the catalogue does: paths and lineages are rewritten, then the sets."""
    below_root = [each for each in catalogue.directories.values() if len(each.lineage) > 1]
    moved, target = chance.choice(below_root), chance.choice(list(catalogue.directories.values()))
    path = f"{target.path}/moved{chance.randint(0, 10**9)}"
    if moved.dir_id in target.lineage:
        return
    connection = await driver_connection(tx)
    await queries.hold_sets(tx, catalogue.vo_id)
    await queries.lock_tree(tx, [moved.dir_id])
    old_path, old_lineage = moved.path, list(moved.lineage)
    for each in catalogue.directories.values():
        if moved.dir_id in each.lineage:
            each.path = path + each.path[len(old_path) :]
            each.lineage = [*target.lineage, *each.lineage[len(old_lineage) - 1 :]]
            await connection.execute(
                "UPDATE directories SET path = $2, path_hash = $3, lineage = $4 WHERE dir_id = $1",
                each.dir_id,
                each.path,
                path_hash(each.path),
                each.lineage,
            )
    await resettle(tx, [moved.dir_id])


async def test_a_worker_settles_directory_after_directory(tx: Tx) -> None:
    chance = random.Random(11)
    catalogue = await random_catalogue.make(tx, chance, "settled", files=1)
    root = next(iter(catalogue.directories.values()))
    await queries.set_own(tx, [(root.dir_id, catalogue.declared["Version"].field_id, "9")])
    root.own["Version"] = 9
    assert await sets_of(tx, catalogue) != expected_sets(catalogue)
    after, seen = 0, 0
    while True:
        batch = Batch(uuid7(), SETTLE, "settled", "s", "alice", {"dir_ids": [root.dir_id]}, None, after, 4,
                      random_catalogue.NOW)  # fmt: skip
        outcome = await settle_batch(tx, batch)
        seen += outcome.done
        if outcome.last is None:
            break
        after = outcome.last
    assert seen == len(catalogue.directories)
    assert await sets_of(tx, catalogue) == expected_sets(catalogue)


async def test_settling_takes_four_statements_whatever_lies_below(tx: Tx) -> None:
    chance = random.Random(3)
    catalogue = await random_catalogue.make(tx, chance, "counted", directories=60, files=1)
    root = next(iter(catalogue.directories))
    await queries.set_own(tx, [(root, catalogue.declared["Version"].field_id, "9")])
    with StatementCount(tx.engine) as counted:
        await resettle(tx, [root])
    assert len(counted) == 4


def test_the_nearest_value_holds() -> None:
    above = Placed(1, 7, [1], {1: "a", 2: 5})
    middle = Placed(2, 7, [1, 2], {})
    below = Placed(3, 7, [1, 2, 3], {1: "b", 3: True})
    assert sets.effective_of([below, above, middle]) == {
        1: {1: "a", 2: 5},
        2: {1: "a", 2: 5},
        3: {1: "b", 2: 5, 3: True},
    }
    assert sets.text_of({10: 1, 9: "x"}) == '{"9":"x","10":1}'
    assert len(sets.hash_of("{}")) == sets.HASH_BYTES
