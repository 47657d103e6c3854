"""A whole running system for the flows: the demo's stack with its local computing element."""

from collections.abc import Iterator

import pytest

from tests.infra.directories import stack_directory
from weyl.demo.installation import InstallationFiles
from weyl.demo.main_job import User
from weyl.demo.stack import Stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack of one module's tests."""
    with stack_directory("weyl-f-") as directory, Stack(InstallationFiles(directory), say=print) as running:
        yield running


@pytest.fixture(scope="module")
def alice(stack: Stack) -> User:
    """A member of the VO `hep` at her terminal."""
    user = User(stack)
    user.login()
    return user
