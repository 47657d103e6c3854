"""What the tests of storage share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.infra.app import running_application
from tests.storage.uploading import Jobs, World, hold_jobs, make_world

from weyl.demo.seaweedfs import RunningStore
from weyl.kit.s3 import ObjectStore


@pytest.fixture
async def world(database_url: str, tmp_path: Path, object_store: RunningStore) -> AsyncIterator[World]:
    """An application with a directory and a bucket as storage elements."""
    installation, disk, bucket = make_world(tmp_path, object_store)
    store = ObjectStore(
        object_store.endpoint_url,
        bucket=bucket,
        access_key=object_store.access_key,
        secret_key=object_store.secret_key,
    )
    credentials = str(tmp_path / "credentials")
    async with (
        store,
        running_application(installation, database_url, object_store, credentials_directory=credentials) as application,
    ):
        await store.ensure_bucket()
        jobs = Jobs()
        hold_jobs(application, jobs)
        yield World(application, disk, store, jobs)
