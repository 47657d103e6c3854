"""Jobs with files of the catalogue through a whole system: read from both elements of the demo, and stored there."""

import json
from pathlib import Path

import pytest

from tests.flows.files import HOME, check_outputs, put_inputs, submit_both, wait_until_done
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

pytestmark = [pytest.mark.xdist_group("files"), pytest.mark.timeout(600)]


def test_jobs_read_files_of_the_catalogue_and_leave_their_own_there(stack: Stack, alice: User, tmp_path: Path) -> None:
    both = put_inputs(alice, ("DEMO-S3", "DEMO-DISK"))
    ids = submit_both(alice)
    wait_until_done(stack, alice, ids)
    check_outputs(alice, ids, both, tmp_path)
    used = json.loads(alice.run("jobs", "show", str(ids[0]), "--files", "-o", "json"))
    assert sorted((row["Use"], row["LFN"].removeprefix(HOME)) for row in used) == [
        ("left", "/jdl/both.txt"),
        ("left", "/jdl/size.txt"),
        ("read", "/one/a.txt"),
        ("read", "/two/a.txt"),
    ]
    found = json.loads(alice.run("jobs", "search", "--where", f"InputFile = {HOME}/one/a.txt", "-o", "json"))
    assert sorted(row["JobID"] for row in found) == sorted(ids)
