"""A whole running system for the flows: the demo's stack with its local computing element."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from weyl.demo.installation import InstallationFiles
from weyl.demo.main_job import User
from weyl.demo.stack import Stack, remove_directory


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack of one module's tests."""
    directory = Path(tempfile.mkdtemp(prefix="weyl-f-"))
    directory.chmod(0o755)
    try:
        with Stack(InstallationFiles(directory), say=print) as running:
            yield running
    finally:
        remove_directory(directory)


@pytest.fixture(scope="module")
def alice(stack: Stack) -> User:
    """A member of the VO `hep` at her terminal."""
    user = User(stack)
    user.login()
    return user
