"""The files that a run reads: requests for the nearest replicas, with the rights of the owner of the job."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.jobs.files_world import ALPHA, BETA, HOME, OTHER, STAMP, FilesWorld, storage_document

from weyl.config.service import CONFIG
from weyl.file_catalog.tables import files, replicas
from weyl.jobs.queries.input_sets import put_sets
from weyl.jobs.tables import jobs
from weyl.kit.db import Database


async def stored(world: FilesWorld, name: str, content: bytes, **more: Any) -> str:
    """Return the name of a file in alice's home, which a job of hers has left on both elements."""
    [job_id] = await world.run(OutputData=[name], OutputPath="in", **more)
    opened = await world.leave(job_id, {name: content})
    return str(opened["files"][name]["lfn"])


async def inputs(world: FilesWorld, job_id: int, **more: Any) -> Any:
    """Return the files that a run reads."""
    answer = await world.call(f"{job_id}/inputs?protocols=file", method="GET", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_who_may_not_have_what_a_job_reads(world: FilesWorld) -> None:
    [job_id] = await world.run(InputData=["/voa/x"])
    app = world.application
    for headers, status in (
        ({}, 401),
        (app.login(), 403),
        (app.login("bob", group="admin"), 403),
        (app.login(vo="vob", group="admin"), 403),
        (app.payload(job_id, stamp=OTHER), 403),
        (app.payload(job_id, stamp=STAMP, vo="vob"), 403),
        (app.payload(job_id + 1, stamp=STAMP), 403),
        (app.pilot(OTHER), 403),
    ):
        assert (await world.call(f"{job_id}/inputs", method="GET", headers=headers)).status_code == status


async def test_a_run_gets_requests_for_its_files(world: FilesWorld) -> None:
    data, sandbox = await stored(world, "a", b"content"), await stored(world, "b", b"more")
    [job_id] = await world.run(InputData=[f"LFN:{data}"], InputSandbox=["run.sh", f"LFN:{sandbox}"])
    told = await inputs(world, job_id)
    assert (sorted(told["files"]), told["failed"]) == (sorted([data, sandbox]), {})
    found = told["files"][data]
    assert (found["size"], sorted(found["checksums"])) == (7, ["adler32", "sha256"])
    [place] = found["replicas"]
    assert place["se"] == "ALPHA-DISK"
    assert Path(place["request"]["path"]).read_bytes() == b"content"


async def test_the_nearest_replica_comes_first_and_the_suspect_one_last(world: FilesWorld, db: Database) -> None:
    lfn = await stored(world, "a", b"content")
    await copy(db, lfn, "BETA-DISK")
    [job_id] = await world.run(InputData=[lfn])
    assert await places(world, job_id, lfn) == ["ALPHA-DISK", "BETA-DISK"]
    await at_site(db, job_id, BETA)
    assert await places(world, job_id, lfn) == ["BETA-DISK", "ALPHA-DISK"]
    async with db.transaction() as tx:
        suspect = sa.text(
            "UPDATE replicas SET status = 'Suspect' WHERE se_id = (SELECT se_id FROM se_names WHERE name = 'BETA-DISK')"
        )
        await tx.execute(suspect)
    assert await places(world, job_id, lfn) == ["ALPHA-DISK", "BETA-DISK"]


async def places(world: FilesWorld, job_id: int, lfn: str) -> list[str]:
    """Return the storage elements of a file, the one to try first before the others."""
    return [each["se"] for each in (await inputs(world, job_id))["files"][lfn]["replicas"]]


async def at_site(db: Database, job_id: int, site: str) -> None:
    """Move a job to a site."""
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(site=site))


async def copy(db: Database, lfn: str, se: str) -> None:
    """Register a replica of a file at another storage element."""
    async with db.transaction() as tx:
        await tx.execute(sa.text("INSERT INTO se_names (name) VALUES (:se) ON CONFLICT DO NOTHING"), {"se": se})
        found = sa.text(
            "INSERT INTO replicas (file_id, se_id, status, created_at) SELECT file_id, se_id, 'Good', now()"
            " FROM files, se_names AS se WHERE files.name = :name AND se.name = :se"
        )
        await tx.execute(found, {"name": lfn.rpartition("/")[2], "se": se})


async def test_files_that_cannot_be_had_are_told_with_the_reason(world: FilesWorld, db: Database) -> None:
    closed, missing = await stored(world, "closed", b"x"), f"{HOME}/in/missing"
    document = storage_document(world.disk)
    document["Resources"]["StorageElements"]["ALPHA-DISK"]["Status"] = {
        "Read": {"Status": "Banned", "Reason": "disks are being replaced"}
    }
    world.installation.commit_config(document, "Banned")
    await world.application.services[CONFIG].refresh()
    [job_id] = await world.run(InputData=[closed, missing, "/voa/other/home"])
    told = await inputs(world, job_id)
    assert told["files"] == {}
    assert told["failed"][missing]["code"] == "not_found"
    assert told["failed"][closed]["code"] == "busy"
    assert "disks are being replaced" in told["failed"][closed]["detail"]


async def test_a_job_reads_what_its_owner_may_read(world: FilesWorld, db: Database) -> None:
    lfn = await stored(world, "secret", b"x")
    async with db.transaction() as tx:
        await tx.execute(sa.text("UPDATE directories SET mode = 448"))  # 0700
    mine, other = (await world.run(InputData=[lfn]))[0], (await world.run(InputData=[lfn]))[0]
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == other).values(owner="bob"))
    assert list((await inputs(world, mine))["files"]) == [lfn]
    headers = world.application.payload(other, stamp=STAMP, owner="bob")
    told = await inputs(world, other, headers=headers)
    assert (told["files"], told["failed"][lfn]["code"]) == ({}, "forbidden")


@pytest.mark.parametrize("status", ["Failed", "Killed", "Done", "Completed", "Received"])
async def test_a_run_that_is_over_gets_nothing(world: FilesWorld, status: str) -> None:
    [job_id] = await world.run(InputData=["/voa/x"], status=status)
    assert (await world.call(f"{job_id}/inputs", method="GET")).status_code == 409


async def test_another_catalogue_says_where_files_are(world: FilesWorld) -> None:
    document: Any = storage_document(world.disk)
    document["Resources"]["StorageElements"]["NO-DOOR"] = {"Sites": [ALPHA]}
    listed = {"/voa/a": {"StorageElements": ["BETA-DISK"], "Size": 3}, "/voa/b": {"StorageElements": ["NO-DOOR"]}}
    document["Operations"] = {"voa": {"InputData": {"Catalog": "static", "Files": listed}}}
    world.installation.commit_config(json.dumps(document), "Static")
    await world.application.services[CONFIG].refresh()
    [job_id] = await world.run(InputData=["/voa/a", "/voa/b", "/voa/c"])
    told = await inputs(world, job_id)
    [place] = told["files"]["/voa/a"]["replicas"]
    assert (told["files"]["/voa/a"]["size"], told["files"]["/voa/a"]["checksums"]) == (3, {})
    assert place["request"]["path"] == str(world.disk / "BETA" / "voa" / "a")
    # what no door leads to is opened by the program itself
    assert (list(told["files"]), list(told["failed"])) == (["/voa/a"], ["/voa/c"])


async def test_the_files_of_a_job_are_one_answer(world: FilesWorld, db: Database) -> None:
    lfn = await stored(world, "a", b"content")
    [job_id] = await world.run(InputData=[lfn], OutputData=["b"], OutputPath="out")
    async with db.transaction() as tx:
        numbers = await put_sets(tx, [("/voa/elsewhere", lfn)])
        chosen = sa.update(jobs).where(jobs.c.job_id == job_id).values(input_set_id=next(iter(numbers.values())))
        await tx.execute(chosen)
    await world.leave(job_id, {"b": b"made"})
    async with db.read() as tx:
        known = dict((await tx.execute(sa.select(files.c.name, files.c.file_id))).all())  # type: ignore[arg-type]
        ancestors = (await tx.execute(sa.text("SELECT file_id, ancestor_id FROM file_ancestors"))).all()
        assert len((await tx.execute(sa.select(replicas))).all()) == 2
    app = world.application
    for headers in (app.login(), app.payload(job_id, stamp=STAMP), app.login("bob", group="admin")):
        answer = await world.call(f"{job_id}/files", method="GET", headers=headers)
        assert answer.json() == {
            "inputs": [
                {"lfn": "/voa/elsewhere", "file_id": None, "size": None},
                {"lfn": lfn, "file_id": known["a"], "size": 7},
            ],
            "outputs": [
                {"lfn": f"{HOME}/out/b", "file_id": known["b"], "size": 4, "status": "Good", "attempt": 1},
            ],
        }
    async with db.transaction() as tx:
        closed = sa.text("UPDATE directories SET mode = 448, owner_id = NULL, group_id = NULL WHERE path = :path")
        await tx.execute(closed, {"path": lfn.rpartition("/")[0]})
    # What the owner of the job may not read is a name, and no more.
    told = (await world.call(f"{job_id}/files", method="GET", headers=app.login())).json()
    assert told["inputs"][1] == {"lfn": lfn, "file_id": None, "size": None}
    assert [tuple(each) for each in ancestors] == [(known["b"], known["a"])]
    for headers, status in (({}, 401), (app.login("carol"), 403), (app.login(vo="vob"), 403)):
        assert (await world.call(f"{job_id}/files", method="GET", headers=headers)).status_code == status
