"""Registration at the door: what is new, what is the same, what is refused, and what it costs."""

from typing import Any

import pytest
from tests.file_catalog.conftest import ADLER, Caller, files_document, new_file
from tests.infra.app import Application

from weyl.config.models import Config
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.permits import Member
from weyl.file_catalog.registrations import NewFile
from weyl.file_catalog.service.registration import examine
from weyl.kit.db import DATABASE, Database, driver_connection


async def test_good_bad_foreign_and_doubled_names_in_one_call_twice(manager: Caller, stranger: Caller) -> None:
    await stranger.register("/vob/x/secret", ses=("DISK-OF-B",))
    files = [
        new_file("/voa/x/one"),
        new_file("LFN:/voa/x/two", ses=("DISK-A", "TAPE")),
        new_file("/voa/x/one"),
        new_file("/vob/x/secret"),
        new_file("/vob/x/unknown"),
        new_file("/voa/x/../up"),
        new_file("/voa/x/a b"),
        new_file("/voa/x/twice"),
        new_file("/voa/x/twice", size=11),
        new_file("/voa/x/nosum", checksums={}),
        new_file("/voa/x/badsum", checksums={"md5": "xyz"}),
        new_file("/voa/x/nowhere", ses=()),
        new_file("/voa/x/otherse", ses=("DISK-OF-B",)),
        new_file("/voa/x/guid", guid="no"),
        new_file("/voa/x/orphan", ancestors=["/voa/x/none"]),
        new_file("/voa/x/child", ancestors=["/voa/x/one"]),
    ]
    first = await manager.post("register", files=files)
    created = {lfn: row["created"] for lfn, row in first["success"].items()}
    assert created == {"/voa/x/one": True, "/voa/x/two": True, "/voa/x/child": True}
    assert {lfn: failure["code"] for lfn, failure in first["failed"].items()} == {
        "/vob/x/secret": "bad_name",
        "/vob/x/unknown": "bad_name",
        "/voa/x/../up": "bad_name",
        "/voa/x/a b": "bad_name",
        "/voa/x/twice": "conflict",
        "/voa/x/nosum": "bad_value",
        "/voa/x/badsum": "bad_value",
        "/voa/x/nowhere": "not_found",
        "/voa/x/otherse": "bad_value",
        "/voa/x/guid": "bad_value",
        "/voa/x/orphan": "not_found",
    }
    second = await manager.post("register", files=files)
    assert second["failed"] == first["failed"]
    assert {lfn: row["file_id"] for lfn, row in second["success"].items()} == {
        lfn: row["file_id"] for lfn, row in first["success"].items()
    }
    assert not any(row["created"] for row in second["success"].values())
    assert await manager.names("/voa/x") == ["child", "one", "two"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"size": 11}, "size"),
        ({"checksums": {"adler32": "0000abce"}}, "adler32"),
        ({"checksums": {"md5": "0" * 32}}, "checksum (there is no common one to compare)"),
    ],
)
async def test_another_content_under_a_name_is_a_conflict(manager: Caller, change: dict[str, Any], what: str) -> None:
    await manager.register("/voa/x/one")
    answer = await manager.post("register", files=[new_file("/voa/x/one", **change)])
    assert answer["failed"]["/voa/x/one"]["code"] == "conflict"
    assert answer["failed"]["/voa/x/one"]["detail"].endswith(what)


async def test_leading_zeros_of_adler32_say_nothing(manager: Caller) -> None:
    await manager.register("/voa/x/one", checksums={"adler32": "ABCD"})
    answer = await manager.post("register", files=[new_file("/voa/x/one", checksums={"adler32": ADLER})])
    assert answer["success"]["/voa/x/one"]["created"] is False
    known = await manager.post("lookup", lfns=["/voa/x/one"])
    assert known["success"]["/voa/x/one"]["checksums"] == {"adler32": ADLER}


async def test_a_known_file_gets_the_replica_that_it_lacks(manager: Caller) -> None:
    await manager.register("/voa/x/one")
    answer = await manager.post("register", files=[new_file("/voa/x/one", ses=("DISK-B",))])
    assert answer["success"]["/voa/x/one"]["created"] is False
    known = await manager.post("lookup", lfns=["/voa/x/one"], parameters=["replicas"])
    assert [each["se"] for each in known["success"]["/voa/x/one"]["replicas"]] == ["DISK-A", "DISK-B"]


async def test_a_replica_that_a_known_file_gets_is_not_where_another_file_lies(manager: Caller) -> None:
    await manager.register("/voa/x/one")
    await manager.register("/voa/x/two", ses=("DISK-B",))
    more = new_file("/voa/x/two") | {"replicas": [{"se": "DISK-A", "pfn": "/voa/x/one"}]}
    answer = await manager.post("register", files=[more])
    assert answer["failed"]["/voa/x/two"]["code"] == "conflict"
    await manager.post("delete", lfns=["/voa/x/one"], reason="old")
    await manager.register("/voa/x/one", ses=("DISK-B",))
    answer = await manager.post("register", files=[new_file("/voa/x/one", ses=("DISK-A", "DISK-B"))])
    assert answer["failed"]["/voa/x/one"]["code"] == "conflict"


async def test_all_or_nothing(manager: Caller) -> None:
    files = [new_file("/voa/y/one"), new_file("/voa/y/two"), new_file("/voa/y/b ad")]
    answer = await manager.refused("register", 409, files=files, atomic=True)
    assert answer["failed"]["/voa/y/b ad"]["code"] == "bad_name"
    assert (await manager.post("lookup", lfns=["/voa/y/one"]))["failed"]["/voa/y/one"]["code"] == "not_found"
    answer = await manager.post("register", files=files[:2], atomic=True)
    assert set(answer["success"]) == {"/voa/y/one", "/voa/y/two"}


async def test_a_file_and_a_directory_never_share_a_name(manager: Caller) -> None:
    await manager.register("/voa/x/one")
    answer = await manager.post("register", files=[new_file("/voa/x"), new_file("/voa/x/one/below")])
    assert {failure["code"] for failure in answer["failed"].values()} == {"exists"}
    together = await manager.post("register", files=[new_file("/voa/z/a"), new_file("/voa/z/a/b")])
    assert together["failed"]["/voa/z/a/b"]["code"] == "exists"


async def test_an_ancestor_that_may_not_be_read_is_like_one_that_does_not_exist(
    manager: Caller, bob: Caller, db: Database
) -> None:
    await manager.post("directories", paths=["/voa/secret"], mode="0700")
    await manager.register("/voa/secret/f", "/voa/open/f")
    member = Member("voa", "bob", "user", False)
    config = Config.model_validate(files_document())
    said = {}
    for ancestor in ("/voa/secret/f", "/voa/secret/none", "/voa/open/f"):
        file = NewFile("/voa/user/b/bob/f", 1, Checksums(adler32=ADLER), ancestors=(ancestor,))
        async with db.read() as tx:
            found = await examine(tx, member, [file], config=config, job=None)
        said[ancestor] = [failure.detail.replace(ancestor, "X") for failure in found.failed.values()]
    assert said["/voa/open/f"] == []
    assert (
        said["/voa/secret/f"] == said["/voa/secret/none"] == ["The ancestor X does not exist, or you may not read it"]
    )


async def test_files_of_a_call_may_be_ancestors_but_not_of_each_other(manager: Caller) -> None:
    files = [
        new_file("/voa/x/child", ancestors=["/voa/x/parent"]),
        new_file("/voa/x/parent"),
        new_file("/voa/x/chicken", ancestors=["/voa/x/egg"]),
        new_file("/voa/x/egg", ancestors=["/voa/x/chicken"]),
    ]
    answer = await manager.post("register", files=files)
    assert set(answer["success"]) == {"/voa/x/child", "/voa/x/parent"}
    found = await manager.post("ancestors", lfns=["/voa/x/child"])
    assert found["success"] == {"/voa/x/child": [{"lfn": "/voa/x/parent", "depth": 1}]}
    found = await manager.post("descendants", lfns=["/voa/x/parent"])
    assert found["success"] == {"/voa/x/parent": [{"lfn": "/voa/x/child", "depth": 1}]}


async def test_values_of_declared_fields_come_with_the_file(manager: Caller, db: Database) -> None:
    await declare(db)
    files = [
        new_file("/voa/x/one", metadata={"Run": 7, "Particle": "gamma"}),
        new_file("/voa/x/two", metadata={"Run": "seven"}),
        new_file("/voa/x/three", metadata={"Rnu": 7}),
    ]
    answer = await manager.post("register", files=files)
    assert {lfn: failure["code"] for lfn, failure in answer["failed"].items()} == {
        "/voa/x/two": "bad_value",
        "/voa/x/three": "bad_value",
    }
    assert "did you mean Run?" in answer["failed"]["/voa/x/three"]["detail"]
    found = await manager.post("lookup", lfns=["/voa/x/one"], parameters=["metadata", "ancestors"])
    assert found["success"]["/voa/x/one"]["metadata"] == {
        "Run": {"value": 7, "from": "/voa/x/one"},
        "Particle": {"value": "gamma", "from": "/voa/x/one"},
    }
    assert found["success"]["/voa/x/one"]["ancestors"] == []


async def declare(db: Database) -> None:
    """Declare two fields of `voa`."""
    async with db.transaction() as tx:
        await (await driver_connection(tx)).execute(
            """
            INSERT INTO file_vos (name) VALUES ('voa') ON CONFLICT DO NOTHING;
            INSERT INTO metadata_fields (vo_id, name, type, applies_to, is_indexed, is_filled, created_by, created_at)
            SELECT vo_id, f.name, f.type, 'both', true, true, 'alice', now() FROM file_vos,
              (VALUES ('Run', 'int'), ('Particle', 'text')) AS f (name, type) WHERE file_vos.name = 'voa'
            """
        )


async def test_registration_takes_ten_statements_whatever_the_number(
    manager: Caller, application: Application, db: Database
) -> None:
    await declare(db)
    counts = []
    for number in (1, 200):
        files = [
            new_file(
                f"/voa/n{number}/d{each % 20}/f{each}",
                ses=("DISK-A", "DISK-B"),
                ancestors=[f"/voa/first{number}/f"],
                metadata={"Run": each, "Particle": "x"},
            )
            for each in range(number)
        ]
        await manager.register(
            f"/voa/first{number}/f", ses=("DISK-A", "DISK-B")
        )  # names of people and storage elements are known after it
        with application.services[DATABASE].count_statements() as counted:
            await manager.post("register", files=files)
        counts.append(len(counted))
    assert counts[0] == counts[1] <= 10
