"""Jobs with files of the catalogue through a whole system: read from both elements of the demo, and stored there."""

from pathlib import Path

import pytest

from tests.flows.files import HOME, fetched, put_inputs, submit_both
from weyl.demo.main_job import User

pytestmark = [pytest.mark.xdist_group("files"), pytest.mark.timeout(600)]


def test_jobs_read_files_of_the_catalogue_and_leave_their_own_there(alice: User, tmp_path: Path) -> None:
    both = put_inputs(alice, ("DEMO-S3", "DEMO-DISK"))
    ids = submit_both(alice)
    alice.run("jobs", "wait", *map(str, ids), "--timeout", "5m")
    rows = {row["JobID"]: (row["Status"], row["MinorStatus"], row["ApplicationStatus"]) for row in alice.jobs(ids)}
    assert {row[0] for row in rows.values()} == {"Done"}, rows
    assert fetched(alice, f"{HOME}/jdl/both.txt", tmp_path / "jdl") == both
    assert fetched(alice, f"{HOME}/jdl/size.txt", tmp_path / "jdl").strip() == str(len(both))
    assert fetched(alice, f"{HOME}/cwl/{ids[1]}_both.txt", tmp_path / "cwl") == both
