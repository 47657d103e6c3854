"""Databases as releases before this one have left them."""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from weyl.demo.postgres import RunningPostgres
from weyl.kit.db import Database, libpq_dsn


@pytest.fixture
async def bare(postgres: RunningPostgres) -> AsyncIterator[Database]:
    """A database with nothing in it."""
    name = f"bare_{os.getpid()}"

    def at(database: str) -> str:
        return make_url(postgres.url).set(database=database).render_as_string(hide_password=False)

    admin = await asyncpg.connect(libpq_dsn(at("postgres")))
    await admin.execute(f"CREATE DATABASE {name}")
    db = Database(at(name), pool_size=2)
    yield db
    await db.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
