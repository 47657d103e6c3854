"""What is pushed and what comes back: pure, and what no configuration may ask for."""

import bz2
import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from tests.matcher.factories import an_offer

from weyl.config.operations import Operations
from weyl.config.resources import ComputingElement, Queue, Site
from weyl.jobs.models.outputs import MANIFEST_BYTES_MAX
from weyl.kit.ids import new_stamp
from weyl.pilots import bundles
from weyl.pilots.compute_elements.driver import CEState, CEStatus, DriverError
from weyl.pilots.compute_elements.places import parse_carried
from weyl.pilots.launch import bundle_spec
from weyl.pilots.need import QueueKey, Target, pushed_offer

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
KEY = QueueKey("voa", "LCG.Alpha.org", "ce.alpha.org", "grid")


def _at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


RUNNING = {"status": {_at(1): {"Status": "Running", "MinorStatus": "Application"}}}
UPLOADING = {"status": {_at(5): {"MinorStatus": bundles.UPLOADING}, _at(6): {"MinorStatus": "Output Sandbox Uploaded"}}}
DONE = {"status": {_at(7): {"Status": "Done", "MinorStatus": "Execution Complete"}}}
FAILED = {"status": {_at(7): {"Status": "Failed", "MinorStatus": "Application Finished With Errors"}}}


@pytest.mark.parametrize("driver", ["arc", "htcondor", "kubernetes"])
def test_drivers_that_carry_nothing_back_are_refused(driver: str) -> None:
    with pytest.raises(ValidationError, match="local, slurm, and ssh with Scheduler direct or slurm can, " + driver):
        ComputingElement.model_validate({"Driver": driver, "Queues": {"q": {"Mode": "push"}}})
    ComputingElement.model_validate({"Driver": driver, "Queues": {"q": {"Mode": "pull"}}})


KIND = {"Arch": "sm_80", "MemoryMB": 40_960, "Runtime": "12.4"}


def test_what_is_behind_ssh_decides_and_gpus_are_pushed_where_it_is_known_what_they_are() -> None:
    queues = {"q": {"Mode": "push"}}
    with pytest.raises(ValidationError, match="htcondor cannot"):
        ComputingElement.model_validate({"Driver": "ssh", "DriverOptions": {"Scheduler": "htcondor"}, "Queues": queues})
    for options in ({}, {"Scheduler": "slurm"}):
        ComputingElement.model_validate({"Driver": "ssh", "DriverOptions": options, "Queues": queues})
    for wrong in ({"GPUs": 1}, {"GPU": KIND}, {"GPUs": 1, "GPU": {**KIND, "Arch": "best"}}):
        with pytest.raises(ValidationError, match="GPU"):
            Queue.model_validate({"Mode": "push", **wrong})
    with pytest.raises(ValidationError):
        Queue.model_validate({"Mode": "throw"})


def test_only_what_the_configuration_vouches_for_is_offered() -> None:
    assert pushed_offer(Queue()).cpu.architecture.features == ()
    offer = pushed_offer(Queue.model_validate({"Mode": "push", "Level": "x86-64-v3", "WallTime": 3600, "Cores": 4}))
    assert {"avx2", "movbe"} <= set(offer.cpu.architecture.features)
    assert "avx512f" not in offer.cpu.architecture.features
    assert (offer.wall_time, offer.cpu.num_cores, offer.gpu.count, offer.tags) == (3000, 4, 0, ())


def test_gpus_are_offered_as_they_are_configured_and_asked_for_as_they_are_allocated() -> None:
    queue = Queue.model_validate({"Mode": "push", "GPUs": 4, "GPU": KIND})
    told = pushed_offer(queue).gpu
    assert (told.count, told.vendor, told.arch, told.vram_mb_per_gpu, told.runtime_version) == (
        *(4, "nvidia", "sm_80", 40_960, "12.4"),
    )
    asked = bundles.demand_of({"allocated": {"cores": 1, "gpus": 2}}, memory_mb=None, wall_s=60)
    target = Target(KEY, Site(), ComputingElement(driver="local"), queue, an_offer(), None)
    spec = bundle_spec(target, asked, archive=b"", inputs={}, options=Operations())
    assert spec.gpus == 2
    assert spec.arguments[spec.arguments.index("--gpus") + 1] == "2"


def test_each_job_of_a_pilot_has_a_stamp_of_its_own() -> None:
    first, second = new_stamp(), new_stamp()
    assert len({first, second, *(bundles.job_stamp(each, n) for each in (first, second) for n in range(9))}) == 20
    assert len(bundles.job_stamp(first, 0)) == 32


def test_a_job_asks_for_its_allocation_and_no_more_than_the_queue_has() -> None:
    job = {"allocated": {"cores": 2, "scratch_mb": 500}, "limits": {"ram_mb": 3000, "wall_s": 600}}
    asked = bundles.demand_of(job, memory_mb=16_000, wall_s=86_400)
    assert asked == bundles.Demand(2, 3256, 1500, 500)
    assert bundles.demand_of(job, memory_mb=2000, wall_s=1000)[1:3] == (2000, 1000)
    bare = bundles.demand_of({"work": {"input_sandbox": ["a.txt", "SB:X|/S3/b/x"]}}, memory_mb=None, wall_s=60)
    assert bare == bundles.Demand(1, None, 60, None, 0, ("SB:X|/S3/b/x",))


def test_a_bundle_holds_no_token() -> None:
    document = json.loads(bundles.bundle_of({"job_id": 1}, stamp="a", inputs=["input-0.tar.bz2"], options={}, data={}))
    assert document == {"stamp": "a", "job": {"job_id": 1}, "inputs": ["input-0.tar.bz2"], "options": {}}


def test_reports_are_read_as_far_as_they_are_whole() -> None:
    content = lines(RUNNING, {"parameters": {"HostName": "wn1"}}, "odd", {"status": 3}) + b'{"status": {"2026'
    journal = bundles.read_journal(content)
    assert (list(journal.states), journal.parameters, journal.lines) == ([_at(1)], {"HostName": "wn1"}, 4)
    assert not journal.is_finished
    assert bundles.read_journal(None) == bundles.Journal()


def test_what_depends_on_the_upload_is_held_back() -> None:
    journal = bundles.read_journal(lines(RUNNING, UPLOADING, DONE))
    assert journal.is_finished
    assert list(journal.before_upload().states) == [_at(1)]
    assert list(bundles.read_journal(lines(RUNNING, DONE)).before_upload().states) == [_at(1)]
    assert list(bundles.read_journal(lines(RUNNING)).before_upload().states) == [_at(1)]
    assert list(journal.after(NOW + timedelta(seconds=5)).states) == [_at(6), _at(7)]
    assert (journal.last, journal.after(None)) == (_at(7), journal)
    [(_, said)] = bundles.upload_failed(journal, "too large", now=NOW).items()
    assert (said["Status"], said["MinorStatus"], said["ErrorClass"]) == ("Failed", bundles.UPLOADING, "output_upload")
    failed = bundles.read_journal(lines(RUNNING, UPLOADING, FAILED))
    assert bundles.upload_failed(failed, "too large", now=NOW) == FAILED["status"]


@pytest.mark.parametrize(
    ("ahead_s", "shift_s"),
    [(0, 0.0), (-3600, 3599.0), (7200, -7193.0)],
)
def test_a_clock_that_is_wrong_is_put_right(ahead_s: int, shift_s: float) -> None:
    states = {_at(ahead_s + 1): {"Status": "Running"}, _at(ahead_s + 7): {"Status": "Done"}}
    journal = bundles.read_journal(lines({"status": states}))
    found = bundles.shift_of(journal, sent_at=NOW, now=NOW + timedelta(seconds=14))
    assert found == pytest.approx(shift_s)
    moved = bundles.read_journal(lines({"status": states}), shift_s=found or 0.0)
    times = sorted(datetime.fromisoformat(at) for at in moved.states)
    assert NOW <= times[0] < times[1] <= NOW + timedelta(seconds=14)
    assert bundles.shift_of(bundles.Journal(), sent_at=NOW, now=NOW) is None


@pytest.mark.parametrize(
    ("state", "detail", "error_class", "minor"),
    [
        (CEState.FAILED, "exit code 137, OUT_OF_MEMORY", "memory", "Job has exceeded its memory limit"),
        (CEState.FAILED, "TIMEOUT", "time", "Job has exceeded maximum wall clock time"),
        (CEState.FAILED, "NODE_FAIL", "pilot", "Job stalled: pilot not running"),
        (CEState.UNKNOWN, "", "pilot", "Job stalled: pilot not running"),
    ],
)
def test_a_job_without_reports_is_told_of_in_the_words_of_its_computing_element(
    state: CEState, detail: str, error_class: str, minor: str
) -> None:
    [(at, said)] = bundles.lost(CEStatus(state, detail), now=NOW).items()
    assert (at, said["Status"], said["ErrorClass"], said["MinorStatus"]) == (_at(0), "Failed", error_class, minor)
    assert (detail or "Unknown") in said["ApplicationStatus"]


def test_carried_files_are_taken_apart_and_half_of_one_is_noticed() -> None:
    content = b"weyl-a reports.jsonl 3\na\nbweyl-a output.tar.bz2 -\nweyl-b heartbeat.json 0\n"
    assert parse_carried(content) == {
        "weyl-a": {"reports.jsonl": b"a\nb", "output.tar.bz2": None},
        "weyl-b": {"heartbeat.json": b""},
    }
    for bad in (b"weyl-a reports.jsonl 9\nabc", b"weyl-a x\n", b"weyl-a x y\n"):
        with pytest.raises(DriverError, match="to their end"):
            parse_carried(bad)


@pytest.mark.parametrize(
    "at",
    ["2026-11-25T12:00:00", "soon", "", "0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
)
def test_a_report_whose_time_is_none_is_passed_over(at: str) -> None:
    """A payload can write into the file: it was enough to keep the worker from looking after the whole queue."""
    content = lines(RUNNING, {"status": {at: {"Status": "Running"}}}, DONE)
    raw = bundles.read_journal(content)
    shift_s = bundles.shift_of(raw, sent_at=NOW, now=NOW + timedelta(seconds=10))
    assert shift_s is not None
    journal = bundles.read_journal(content, shift_s=shift_s)
    assert journal.last is not None
    datetime.fromisoformat(journal.last)
    if not at.startswith("9999"):
        assert (shift_s, list(journal.states)) == (0.0, [_at(1), _at(7)])


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"sample": 1}', b'{"sample": {"CPUConsumed": 1.7e308}}'])
def test_a_sample_that_the_server_does_not_take_is_a_sign_of_life(text: bytes | None) -> None:
    assert bundles.read_sample(text) == {}
    assert bundles.read_sample(b'{"sample": {"CPUConsumed": 7, "StandardOutput": "x"}}') == {
        "CPUConsumed": 7.0,
        "StandardOutput": "x",
    }


# -- jobs that run workflows -------------------------------------------------------------------------------------------

BUNDLE, SHA256 = "b" * 64, "c" * 64


def a_workflow_job(job_id: int = 1, **work: Any) -> dict[str, Any]:
    return {"job_id": job_id, "work": {"workflow": {"bundle": BUNDLE, "fragment": None}, "input_sandbox": [], **work}}


def test_jobs_are_alike_that_run_one_document_with_the_same_commands_around_it() -> None:
    command = {"name": "report", "archive": {"sha256": SHA256, "size": 1}}
    demands = [
        bundles.demand_of(job, memory_mb=None, wall_s=3600)
        for job in (
            a_workflow_job(1),
            a_workflow_job(2, workflow={"bundle": BUNDLE, "fragment": "main"}),
            a_workflow_job(3, commands=[command, {**command, "name": "again"}]),
            a_workflow_job(4, workflow={"bundle": "d" * 64, "fragment": None}),
            a_workflow_job(5, workflow=None),
        )
    ]
    assert demands[0] == demands[1]
    assert len(set(demands)) == 4
    assert [(demand.workflow, demand.archives) for demand in demands[1:]] == [
        (BUNDLE, ()),
        (BUNDLE, (SHA256,)),
        ("d" * 64, ()),
        (None, ()),
    ]


def output_of(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:bz2") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def test_a_manifest_is_read_from_the_beginning_of_an_output_and_no_more_of_it_is_unpacked() -> None:
    manifest = {"v": 1, "job_id": 1, "outputs": {"x": 1.0}}
    first = ("manifest.json", json.dumps(manifest).encode())
    large = ("outputs/zeros", bytes(64 << 20))
    assert bundles.manifest_in(output_of(first, large)) == manifest
    assert bundles.manifest_in(output_of(large, first)) is None


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"no archive",
        bz2.compress(b"no archive" * 1000),
        bz2.compress(bytes(8 << 20)),
        output_of(("manifest.json", b"{")),
        output_of(("manifest.json", b"[]")),
        output_of(("manifest.json", b" " * (MANIFEST_BYTES_MAX + 1))),
        output_of(("outputs/manifest.json", b"{}")),
        output_of(("manifest.json", b"{}"))[:40],
    ],
)
def test_what_begins_with_no_manifest_has_none(output: bytes) -> None:
    assert bundles.manifest_in(output) is None
