"""Jobs with files of the catalogue through a whole system: read from both elements of the demo, and stored there."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from tests.flows.files import HOME, check_outputs, put_inputs, submit_both, wait_until_done
from tests.infra.waiting import await_that
from weyl.demo.installation import BUCKET, S3_CREDENTIALS, S3_ELEMENT
from weyl.demo.main_job import User
from weyl.demo.stack import Stack
from weyl.kit.s3 import ObjectStore

pytestmark = [pytest.mark.xdist_group("files"), pytest.mark.timeout(600)]

LFN = f"{HOME}/wrong/a.txt"
RIGHT, WRONG = b"right\n", b"wrong\n"


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


async def spoil_bucket(stack: Stack) -> None:
    """Write other bytes over the file in the bucket."""
    keys = json.loads((stack.files.credentials / S3_CREDENTIALS / "s3-key").read_text())
    document = yaml.safe_load((stack.files.config / "default.yml").read_text())
    [endpoint] = document["Resources"]["StorageElements"][S3_ELEMENT]["Endpoints"]
    async with ObjectStore(endpoint["URL"], bucket=BUCKET, **keys) as store:
        await store.put(LFN.removeprefix("/"), WRONG)


def submit(user: User) -> int:
    """Submit a job that prints the file."""
    (user.directory / "wrong.jdl").write_text(f'Executable = "/bin/cat"; Arguments = "a.txt"; InputData = {{"{LFN}"}};')
    return int(user.run("jobs", "submit", "wrong.jdl", "-q"))


@pytest.mark.long
def test_a_wrong_nearest_replica_falls_to_the_next_and_two_fail_the_job(
    stack: Stack, alice: User, tmp_path: Path
) -> None:
    (alice.directory / "a.txt").write_bytes(RIGHT)
    alice.run("data", "put", "a.txt", LFN, "--se", "DEMO-S3")
    on_disk = stack.files.disk / LFN.removeprefix("/")
    on_disk.parent.mkdir(parents=True, exist_ok=True)
    on_disk.write_bytes(RIGHT)
    [known] = json.loads(alice.run("data", "stat", LFN, "-o", "json"))
    (alice.directory / "disk.ndjson").write_text(
        json.dumps({"lfn": LFN, "size": len(RIGHT), "checksums": known["checksums"]})
    )
    alice.run("data", "register", "disk.ndjson", "--se", "DEMO-DISK")
    asyncio.run(spoil_bucket(stack))
    job_id = submit(alice)
    wait_until_done(stack, alice, [job_id])
    [row] = json.loads(alice.run("jobs", "output", str(job_id), "-d", str(tmp_path), "-o", "json"))
    assert (Path(row["Directory"]) / "std.out").read_bytes() == RIGHT
    on_disk.write_bytes(WRONG)
    job_id = submit(alice)
    await_that(
        lambda: alice.jobs([job_id])[0]["MinorStatus"] == "Job Rescheduled",
        "a job that cannot have its file",
        timeout_s=120,
        explain=lambda: alice.jobs([job_id]),
    )
    shown = alice.run("jobs", "show", str(job_id), "--history", "-o", "json")
    assert f"{LFN}: DEMO-S3: its sha256 is another, DEMO-DISK: its sha256 is another" in shown
