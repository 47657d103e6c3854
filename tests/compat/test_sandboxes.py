"""Sandboxes through DiracX's API package and library (flows 17 to 20)."""

import hashlib
import json
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.compat.clients import Json, People, Person, model
from tests.compat.installation import jdl, new_group

pytestmark = pytest.mark.xdist_group("compat")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A file and a directory, of a content that nobody has uploaded before."""
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\necho {uuid4()}\n")
    inner = tmp_path / "data" / "deep"
    inner.mkdir(parents=True)
    (inner / "numbers.txt").write_text("1 2 3\n")
    return [script, tmp_path / "data"]


def upload(person: Person, files: list[Path]) -> str:
    """Make and upload a sandbox as `diracx-api` does; returns its PFN."""
    return str(person.call("async", "api.create_sandbox", [{"$path": str(file)} for file in files]).ok())


def announcement(pfn: str) -> Json:
    """Return what is announced for a PFN, of any size: the client has thrown its archive away."""
    digest = pfn.rsplit("sha256:", 1)[1].removesuffix(".tar.zst")
    return {"checksum_algorithm": "sha256", "checksum": digest, "format": "tar.zst"}


def stored_bytes(person: Person, pfn: str) -> bytes:
    answer = person.http.get("/api/jobs/sandbox", params={"pfn": pfn})
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] > 0
    return httpx2.get(answer.json()["url"]).raise_for_status().content


def test_a_sandbox_lies_in_the_area_of_its_owner_with_the_announced_bytes(alice: Person, files: list[Path]) -> None:
    pfn = upload(alice, files)
    assert pfn.startswith("SB:SandboxSE|/S3/")
    assert "/voa/user/alice/sha256:" in pfn
    digest = hashlib.sha256(stored_bytes(alice, pfn)).hexdigest()
    assert pfn.endswith(f"/sha256:{digest}.tar.zst")


def test_the_same_content_is_uploaded_once(alice: Person, bob: Person, mode: str, files: list[Path]) -> None:
    pfn = upload(alice, files)
    size = len(stored_bytes(alice, pfn))
    info = model("SandboxInfo", **announcement(pfn), size=size)
    again = alice.call(mode, "jobs.initiate_sandbox_upload", info).ok()
    assert again["pfn"] == pfn
    assert "url" not in again
    others = bob.call(mode, "jobs.initiate_sandbox_upload", info).ok()
    assert others["pfn"] != pfn
    assert others["url"]
    assert {"key", "x-amz-checksum-sha256", "x-amz-checksum-algorithm"} <= others["fields"].keys()


def test_the_client_gives_the_same_pfn_again(alice: Person, bob: Person, tmp_path: Path) -> None:
    file = tmp_path / "fixed.txt"
    file.write_text(f"{uuid4()}\n")
    assert upload(alice, [file]) == upload(alice, [file])
    assert upload(bob, [file]).replace("/bob/", "/alice/") == upload(alice, [file])


def test_a_download_gives_the_same_tree_and_only_to_its_owner(
    people: People, alice: Person, bob: Person, files: list[Path], tmp_path: Path
) -> None:
    pfn = upload(alice, files)
    target = tmp_path / "back"
    target.mkdir()
    alice.call("async", "api.download_sandbox", pfn, {"$path": str(target)}).ok()
    assert (target / "run.sh").read_text() == files[0].read_text()
    assert (target / "data" / "deep" / "numbers.txt").read_text() == "1 2 3\n"
    for other in (bob, people("alice", "vob")):
        refused = other.call("async", "api.download_sandbox", pfn, {"$path": str(target)})
        assert (refused.error, refused.value) == ("HttpResponseError", None)
        assert other.call("sync", "jobs.get_sandbox_file", pfn=pfn).status == 403


def test_a_sandbox_becomes_output_is_listed_fetched_and_released(alice: Person, mode: str, files: list[Path]) -> None:
    [job] = alice.submit(jdl(new_group()))
    pfn = upload(alice, files)
    short = pfn.split("|", 1)[1]
    assert alice.call(mode, "jobs.get_job_sandbox", job, "output").ok() == []
    alice.call(mode, "jobs.assign_sandbox_to_job", job, json.dumps(pfn)).ok()
    assert alice.call(mode, "jobs.get_job_sandbox", job, "output").ok() == [short]
    assert alice.call(mode, "jobs.get_job_sandboxes", job).ok() == {"Input": [], "Output": [short]}
    assert alice.call(mode, "jobs.get_sandbox_file", pfn=short).ok()["url"].startswith("http")
    again = alice.call(mode, "jobs.assign_sandbox_to_job", job, json.dumps(pfn))
    again.refused(400, word="Sandbox already assigned")
    unknown = pfn.replace(pfn[-16:], "0" * 8 + ".tar.zst")
    alice.call(mode, "jobs.assign_sandbox_to_job", job, json.dumps(unknown)).refused(400, word="Sandbox not found")
    alice.call(mode, "jobs.unassign_job_sandboxes", job).ok()
    assert alice.call(mode, "jobs.get_job_sandboxes", job).ok() == {"Input": [], "Output": []}


def test_sandboxes_of_many_jobs_are_released_in_one_call(alice: Person, mode: str, files: list[Path]) -> None:
    pfn = upload(alice, files)
    jobs = alice.submit(*[jdl(new_group(), InputSandbox=[pfn])] * 3)
    short = pfn.split("|", 1)[1]
    for job in jobs:
        assert alice.call(mode, "jobs.get_job_sandbox", job, "input").ok() == [short]
    body = model("BodyJobsUnassignBulkJobsSandboxes", job_ids=jobs)
    released = alice.call(mode, "jobs.unassign_bulk_jobs_sandboxes", body)
    released.ok()
    assert released.status == 204
    assert alice.call(mode, "jobs.get_job_sandbox", jobs[1], "input").ok() == []


def test_a_job_with_an_unknown_sandbox_is_refused(alice: Person, mode: str) -> None:
    pfn = f"SB:SandboxSE|/S3/sandboxes/voa/user/alice/sha256:{'0' * 64}.tar.zst"
    alice.call(mode, "jobs.submit_jdl_jobs", [jdl(new_group(), InputSandbox=[pfn])]).refused(400)


def test_a_sandbox_over_the_limit_is_400_and_a_bad_form_422(alice: Person, mode: str) -> None:
    good = {"checksum_algorithm": "sha256", "checksum": "1" * 64, "format": "tar.zst"}
    large = model("SandboxInfo", **good, size=100 * 1024 * 1024 + 1)
    alice.call(mode, "jobs.initiate_sandbox_upload", large).refused(400)
    alice.call(mode, "jobs.initiate_sandbox_upload", model("SandboxInfo", **good, size=0)).refused(422)
    short = model("SandboxInfo", **{**good, "checksum": "11"}, size=1)
    alice.call(mode, "jobs.initiate_sandbox_upload", short).refused(422)
    alice.call(mode, "jobs.get_sandbox_file", pfn="SB:SandboxSE|/S3/nonsense").refused(422)
