"""Jobs in CWL in push mode: the same outputs as under plain cwltool."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.flows.cwl_examples import EXAMPLES, NAMES, contents, plain
from tests.infra.directories import stack_directory
from weyl.demo.installation import CE, QUEUE, SITE, InstallationFiles, document
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

pytestmark = [pytest.mark.xdist_group("cwl-push"), pytest.mark.timeout(900), pytest.mark.long]


def pushing(idp_url: str, directory: Path) -> dict[str, Any]:
    """Return the demo's configuration with jobs pushed to its queue."""
    made = document(idp_url, directory)
    queue = made["Resources"]["Sites"][SITE]["CEs"][CE]["Queues"][QUEUE]
    queue |= {"Mode": "push", "Tags": ["hostfeat:cwl"], "MaxWaiting": 10, "MaxTotal": 2}
    return made


@pytest.fixture(scope="module")
def alice() -> Iterator[User]:
    """A user of an installation that pushes jobs."""
    with stack_directory("weyl-p-") as directory:
        files = InstallationFiles(directory, first_document=partial(pushing, directory=directory))
        with Stack(files, say=print) as stack:
            user = User(stack)
            user.login()
            yield user


def test_pushed_examples_give_what_plain_cwltool_gives(alice: User, tmp_path: Path) -> None:
    ids = {}
    for name in NAMES:
        printed = alice.run("jobs", "submit", str(EXAMPLES / f"{name}.cwl"), str(EXAMPLES / f"{name}.yml"), "-q")
        ids[name] = printed.strip()
    alice.run("jobs", "wait", *ids.values(), "--timeout", "10m")
    rows = json.loads(alice.run("jobs", "output", *ids.values(), "-d", str(tmp_path / "pushed"), "-o", "json"))
    outputs = {str(row["JobID"]): row["Outputs"] for row in rows}
    for name, job_id in ids.items():
        assert contents(outputs[job_id]) == plain(name, tmp_path / name), name
