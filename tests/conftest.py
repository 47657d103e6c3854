"""Fixtures for every suite: the real PostgreSQL and S3, one database a test, the application, and logins."""

import gc
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import httpx2
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

from tests.infra import pace, selection
from tests.infra.app import Application, Installation, running_application
from tests.infra.directories import forget, memory
from weyl.demo.postgres import RunningPostgres, start_postgres
from weyl.demo.seaweedfs import RunningStore, start_seaweedfs
from weyl.kit.db import Database, Tx, driver_connection, libpq_dsn
from weyl.migrations import migrate

pytest_plugins = ("tests.infra.second_try",)

# The same examples in every run; `--hypothesis-profile thorough` looks for others (docs/developer/testing.md).
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("steady"), derandomize=False, max_examples=2_000)
settings.load_profile("steady")

# Collections take an eighth of the time of tests with a database otherwise.
YOUNG_OBJECTS_MAX = 10_000

_numbers = itertools.count()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from what is imported and collected: it stays to the end."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which tests run: `make test` takes neither option."""
    parser.addoption("--fast", action="store_true", help="only what needs no database and starts no system")
    parser.addoption("--long", action="store_true", help="also what is marked `long`, and more examples")


def pytest_configure() -> None:
    """Measure the machine once, before there is load; the processes of the session inherit what was found."""
    pace.factor()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the suites of running systems where they are not asked for."""
    return True if config.getoption("--fast") and selection.is_of_systems(collection_path) else None


@pytest.hookimpl(trylast=True)  # fixtures are known then, and what other files have marked
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for, and give every test as much time as the pace of the machine asks for."""
    chosen, left_out = selection.choose(items, fast=config.getoption("--fast"), long=config.getoption("--long"))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = chosen
    selection.scale_timeouts(items, float(config.getini("timeout")))


def pytest_sessionfinish() -> None:
    """Leave nothing of what fixtures have shared."""
    forget()


@pytest.fixture
def take_part(pytestconfig: pytest.Config) -> Callable[[int], selection.Share]:
    """Return `take_part(8).of(things)`: every eighth of them, or all in `make test-long`."""
    is_long = pytestconfig.getoption("--long")
    return lambda one_of: selection.Share(1 if is_long else one_of)


@pytest.fixture(scope="session")
def run_directory() -> Iterator[Path]:
    """A short directory: paths of unix sockets are limited to about 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="weyl-t-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres() -> Iterator[RunningPostgres]:
    """The PostgreSQL of this run."""
    with tempfile.TemporaryDirectory(prefix="weyl-t-", dir=memory()) as directory:
        Path(directory).chmod(0o755)
        with start_postgres(Path(directory) / "pg", fast=True) as running:
            yield running


@pytest.fixture(scope="session")
def object_store(run_directory: Path) -> Iterator[RunningStore]:
    """The S3 of this run, started by the first test that asks for it."""
    with start_seaweedfs(run_directory / "s3") as running:
        yield running


async def _admin(postgres: RunningPostgres, statement: str) -> None:
    connection = await asyncpg.connect(libpq_dsn(_url(postgres, "postgres")))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _url(postgres: RunningPostgres, name: str) -> str:
    return make_url(postgres.url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
async def template(postgres: RunningPostgres) -> str:
    """The name of a database with every migration applied."""
    name = f"template_{os.getpid()}"
    await _admin(postgres, f"CREATE DATABASE {name}")
    db = Database(_url(postgres, name), pool_size=1)
    await migrate.upgrade(db)
    await db.close()
    return name


@pytest.fixture
async def database_url(postgres: RunningPostgres, template: str) -> AsyncIterator[str]:
    """A database of the test's own, copied from the template in some 30 ms."""
    name = f"t_{os.getpid()}_{next(_numbers)}"
    await _admin(postgres, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _url(postgres, name)
    await _admin(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The pool on the test's database."""
    database = Database(database_url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def tx(db: Database) -> AsyncIterator[Tx]:
    """One transaction on the test's database, rolled back at its end."""
    async with db.read() as connection:
        transaction = (await driver_connection(connection)).transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


@pytest.fixture(scope="session")
def installation(run_directory: Path) -> Installation:
    """Keys, configuration repository and users of the suite; see `tests/infra/app.py`."""
    return Installation.create(run_directory / "installation")


@pytest.fixture
async def application(
    database_url: str, installation: Installation, object_store: RunningStore
) -> AsyncIterator[Application]:
    """The whole application on the test's database, in this process."""
    async with running_application(installation, database_url, object_store) as application:
        yield application


@pytest.fixture
def client(application: Application) -> httpx2.AsyncClient:
    """An HTTP client of the application, without a token."""
    return application.client


@pytest.fixture
def login(application: Application) -> Callable[..., dict[str, str]]:
    """Return `login(user="alice", vo="voa", group="user", properties=())` -> the headers of that user."""
    return application.login


@pytest.fixture
async def start_application(
    database_url: str, installation: Installation, object_store: RunningStore
) -> AsyncIterator[Callable[..., Awaitable[Application]]]:
    """Start further applications on the same database, as a second server process or other settings would be."""
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> Application:
            application = running_application(installation, database_url, object_store, **settings)
            return await stack.enter_async_context(application)

        yield start
