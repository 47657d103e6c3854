"""The catalogue that the configuration is: which entry counts for a file."""

import pytest
from tests.infra.app import config_document

from weyl.config.models import Config
from weyl.file_catalog.drivers.catalog import File, Replica
from weyl.file_catalog.drivers.static import StaticCatalog

FILES = {
    "/voa/": {"StorageElements": ["TAPE"]},
    "/voa/data/": {"StorageElements": ["DISK", "TAPE"], "Size": 7},
    "/voa/data/special": {"StorageElements": ["DISK"], "Size": 8},
}


@pytest.mark.parametrize(
    ("lfn", "expected"),
    [
        ("/voa/data/special", File((Replica("DISK"),), 8)),
        ("/voa/data/special/below", File((Replica("DISK"), Replica("TAPE")), 7)),
        ("/voa/data/run1/raw", File((Replica("DISK"), Replica("TAPE")), 7)),
        ("/voa/database", File((Replica("TAPE"),))),
        ("/vob/data/special", None),
    ],
)
async def test_the_longest_name_that_fits_counts(lfn: str, expected: File | None) -> None:
    document = config_document()
    document["Operations"] = {"voa": {"InputData": {"Catalog": "static", "Files": FILES}}}
    found = await StaticCatalog().locate("voa", [lfn], Config.model_validate(document))
    assert found.get(lfn) == expected


async def test_another_vo_has_none_of_these_files() -> None:
    document = config_document()
    document["Operations"] = {"voa": {"InputData": {"Catalog": "static", "Files": FILES}}}
    assert await StaticCatalog().locate("vob", ["/voa/data/special"], Config.model_validate(document)) == {}
