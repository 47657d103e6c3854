"""One running system for the whole suite, and DiracX's public client pointed at it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import pytest

from tests.compat.clients import People, Person
from tests.compat.dex import DexForms, running_dex
from tests.compat.environment import ClientEnvironment, NotInstallable, client_environment, is_obligatory
from tests.compat.installation import SETTINGS, document
from tests.compat.published import PublishedTests, published_tests
from tests.infra.stack import running_stack
from weyl.demo.stack import Stack

T = TypeVar("T")


@pytest.fixture(scope="session")
def environment() -> ClientEnvironment:
    """DiracX's public client; without it the suite says so, and fails where it is obligatory."""
    return _installed(client_environment)


@pytest.fixture(scope="session")
def published() -> PublishedTests:
    """DiracX's published tests; said, or failed, likewise where they cannot be had."""
    return _installed(published_tests)


def _installed(get: Callable[[], T]) -> T:
    try:
        return get()
    except NotInstallable as error:
        message = f"DiracX's public client cannot be installed, so compatibility is NOT tested: {error}"
        if is_obligatory():
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


@pytest.fixture(scope="session")
def dex() -> Iterator[DexForms]:
    """The identity provider of the VO in which published tests log in."""
    with running_dex() as provider:
        yield provider


@pytest.fixture(scope="session")
def stack(environment: ClientEnvironment, dex: DexForms) -> Iterator[Stack]:
    """The running system."""
    with running_stack(partial(document, dex_url=dex.issuer), **SETTINGS) as stack:
        dex.redirects = frozenset({f"{stack.url}/api/auth/device/complete"})
        yield stack


@pytest.fixture(scope="session")
def people(stack: Stack, environment: ClientEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Everybody who uses it."""
    people = People(stack, environment, tmp_path_factory.mktemp("people"))
    yield people
    people.close()


@pytest.fixture(scope="session")
def alice(people: People) -> Person:
    """Alice of `voa` as a plain user."""
    return people("alice")


@pytest.fixture(scope="session")
def bob(people: People) -> Person:
    """Bob of `voa` as a plain user."""
    return people("bob")


@pytest.fixture(scope="session")
def admin(people: People) -> Person:
    """Alice of `voa` as an administrator of jobs."""
    return people("alice", "voa", "admin")


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> str:
    """Both clients of the library: a test that asks for this runs with each."""
    return str(request.param)
