"""Jobs with files of the catalogue in push mode: the worker brings what they read, and stores what they leave."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.flows.files import check_outputs, put_inputs, submit_both, wait_until_done
from tests.flows.test_cwl_push import pushing
from tests.infra.directories import stack_directory
from weyl.demo.installation import InstallationFiles
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

pytestmark = [pytest.mark.xdist_group("files-push"), pytest.mark.timeout(900), pytest.mark.long]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """An installation that pushes jobs."""
    with stack_directory("weyl-q-") as directory:
        files = InstallationFiles(directory, first_document=partial(pushing, directory=directory))
        with Stack(files, say=print) as running:
            yield running


@pytest.fixture(scope="module")
def alice(stack: Stack) -> User:
    """A user of it."""
    user = User(stack)
    user.login()
    return user


def test_pushed_jobs_read_files_of_the_catalogue_and_leave_their_own_there(
    stack: Stack, alice: User, tmp_path: Path
) -> None:
    both = put_inputs(alice, ("DEMO-DISK", "DEMO-DISK"))
    ids = submit_both(alice)
    wait_until_done(stack, alice, ids)
    check_outputs(alice, ids, both, tmp_path)
