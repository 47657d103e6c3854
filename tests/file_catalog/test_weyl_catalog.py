"""What jobs are told of files in the catalogue of weyl: which the VO has, and where they can be read."""

import sqlalchemy as sa
from tests.file_catalog.conftest import Caller
from tests.infra.app import Application

from weyl.config.service import CONFIG
from weyl.file_catalog.drivers.catalog import File, Replica
from weyl.file_catalog.drivers.known import KNOWN_CATALOGS
from weyl.file_catalog.drivers.weyl import WeylCatalog
from weyl.kit.db import DATABASE


async def test_good_replicas_are_offered_and_suspect_ones_where_there_are_no_others(
    application: Application, manager: Caller
) -> None:
    names = ("both", "suspect", "bad")
    await manager.register(*(f"/voa/data/{name}" for name in names), ses=("DISK-A", "DISK-B"), size=7)
    db, config = application.services[DATABASE], application.services[CONFIG].current().config
    async with db.transaction() as tx:
        for name, se, status in (
            ("both", "DISK-B", "Suspect"),
            ("suspect", "DISK-A", "Bad"),
            ("suspect", "DISK-B", "Suspect"),
            ("bad", "DISK-A", "Bad"),
            ("bad", "DISK-B", "Bad"),
        ):
            changed = sa.text(
                "UPDATE replicas SET status = :status FROM files, se_names WHERE replicas.file_id = files.file_id"
                " AND replicas.se_id = se_names.se_id AND files.name = :name AND se_names.name = :se"
            )
            await tx.execute(changed, {"name": name, "se": se, "status": status})
    lfns = [*(f"/voa/data/{name}" for name in names), "/voa/data/none", "/vob/data/both"]
    catalog = WeylCatalog(db)
    with db.count_statements() as count:
        found = await catalog.locate("voa", lfns, config)
    assert len(count) == 1
    assert found == {
        "/voa/data/both": File((Replica("DISK-A"),), 7),
        "/voa/data/suspect": File((Replica("DISK-B"),), 7),
        "/voa/data/bad": File((), 7),
    }
    assert await catalog.locate("vob", lfns, config) == {}


async def test_it_is_the_one_that_vos_have_by_default(application: Application) -> None:
    config = application.services[CONFIG].current().config
    name = str(config.operations["voa"].input_data.catalog)
    assert isinstance(KNOWN_CATALOGS[name](application.services[DATABASE]), WeylCatalog)
