"""What HTCondor is told and what its ads mean, without an HTCondor."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from weyl.pilots.compute_elements import htcondor_ads as ads
from weyl.pilots.compute_elements.driver import CEState, Copy, DriverError, PilotSpec

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SPEC = PilotSpec(
    executable="./pilot.sh",
    arguments=("0", "two words", "it's", '"$HOME"', ""),
    inputs={"pilot.sh": b"", "pilot.pyz": b""},
    environment={"A": "x y"},
    cores=8,
    memory_mb=16_000,
    wall_s=3600,
    scratch_mb=20_000,
    gpus=1,
    queue="grid",
)
COPIES = [Copy("s1", secrets={"secret": b"1"}), Copy("s2", secrets={"secret": b"2"})]


def described(spec: PilotSpec = SPEC, **extra: str) -> dict[str, str]:
    text = ads.describe(spec, COPIES, submission="sub", extra=extra).decode()
    return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)


def test_what_a_pilot_needs_is_asked_for() -> None:
    lines = described()
    assert lines["executable"] == "@WORK@/inputs/pilot.sh"
    assert lines["transfer_input_files"] == "pilot.pyz, secret"
    asked = [lines[f"request_{what}"] for what in ("cpus", "memory", "disk", "gpus")]
    assert asked == ["8", "16000", "20000M", "1"]
    assert lines["allowed_job_duration"] == "3600"
    text = ads.describe(SPEC, COPIES, submission="sub", extra={}).decode()
    assert text.endswith("queue stamp, name from (\ns1 weyl-s1\ns2 weyl-s2\n)\n")
    assert "request_memory" not in described(replace(SPEC, memory_mb=None))


def test_arguments_and_environment_arrive_as_they_are() -> None:
    lines = described()
    assert lines["arguments"] == """"'0' 'two words' 'it''s' '""$(DOLLAR)HOME""' ''\""""
    assert lines["environment"] == """"WEYL_PILOT_STAMP=$(stamp) A='x y'\""""
    with pytest.raises(DriverError, match="line breaks"):
        described(replace(SPEC, arguments=("a\nqueue 100",)))


def test_secrets_are_not_in_the_description() -> None:
    copies = [Copy("s1", secrets={"secret": b"hush"})]
    assert b"hush" not in ads.describe(SPEC, copies, submission="sub", extra={})


@pytest.mark.parametrize(
    ("executable", "program", "arguments"),
    [("/bin/true", "/bin/true", "\"'a'\""), ("python3", "/usr/bin/env", "\"'python3' 'a'\"")],
)
def test_programs_of_the_node_are_not_shipped(executable: str, program: str, arguments: str) -> None:
    lines = described(replace(SPEC, executable=executable, arguments=("a",)))
    assert (lines["executable"], lines["arguments"]) == (program, arguments)
    assert lines["transfer_executable"] == "false"


def test_the_administrator_has_the_last_word_on_a_description() -> None:
    lines = described(**{"+maxWallTime": "60", "request_cpus": "4"})
    assert (lines["+maxWallTime"], lines["request_cpus"]) == ("60", "4")
    assert lines["weyl_queue"] == "grid"


SINCE = NOW.timestamp() - 60


@pytest.mark.parametrize(
    ("ad", "state", "detail"),
    [
        ({"JobStatus": 1}, CEState.WAITING, "idle"),
        ({"JobStatus": 2}, CEState.RUNNING, "running"),
        ({"JobStatus": 6}, CEState.RUNNING, "transferring output"),
        ({"JobStatus": 7}, CEState.RUNNING, "suspended"),
        ({"JobStatus": 4, "ExitCode": 0}, CEState.DONE, "exit code 0"),
        ({"JobStatus": 4, "ExitCode": 3}, CEState.FAILED, "exit code 3"),
        ({"JobStatus": 4, "ExitBySignal": True, "ExitSignal": 9}, CEState.FAILED, "killed by signal 9"),
        ({"JobStatus": 4}, CEState.FAILED, "ended without an exit code"),
        ({"JobStatus": 3, "RemoveReason": "by a person"}, CEState.DELETED, "by a person"),
        ({"JobStatus": 3, "CompletionDate": 5, "ExitCode": 0}, CEState.DONE, "exit code 0"),
        ({"JobStatus": 3, "RemoveReason": "weyl: held: no disk (by x)"}, CEState.ABORTED, "no disk (by x)"),
        (
            {"JobStatus": 3, "RemoveReason": "expression 'PeriodicRemove'"},
            CEState.ABORTED,
            "expression 'PeriodicRemove'",
        ),
        ({"JobStatus": 5, "HoldReason": "no disk"}, CEState.ABORTED, "held: no disk"),
        (
            {"JobStatus": 5, "HoldReasonCode": 16, "EnteredCurrentStatus": SINCE},
            CEState.WAITING,
            "its files are on their way",
        ),
        ({"JobStatus": "weird"}, CEState.UNKNOWN, "HTCondor says JobStatus weird"),
        ({}, CEState.UNKNOWN, "HTCondor says JobStatus None"),
    ],
)
def test_every_word_of_htcondor_has_its_meaning(ad: dict[str, object], state: CEState, detail: str) -> None:
    found = ads.judge(ad, now=NOW)
    assert (found.state, found.detail) == (state, detail)


def test_files_that_never_arrive_do_not_hold_a_pilot_for_ever() -> None:
    ad = {"JobStatus": 5, "HoldReasonCode": 16, "HoldReason": "Spooling", "EnteredCurrentStatus": SINCE}
    later = ads.judge(ad, now=NOW + timedelta(hours=1))
    assert later.state is CEState.ABORTED
    assert ads.is_stuck(ad, later)


@pytest.mark.parametrize("handle", ["", "1.0", "1.0:", '1.0:a"b', "x.0:a", "1.0:a) || (true", "1.0:a\n", "१.0:a"])
def test_what_is_no_handle_gets_into_no_constraint(handle: str) -> None:
    assert ads.cluster_of(handle) is None
    assert ads.among([handle, "7.2:weyl-a"]) == 'member(ClusterId,{7}) && member(WeylName,{"weyl-a"})'
    assert ads.named([handle.partition(":")[2] + '"', "weyl-a"]) == 'member(WeylName,{"weyl-a"})'


def test_tokens_of_pools_are_told_from_those_of_issuers() -> None:
    assert ads.is_sci_token("eyJhbGciOiJFUzI1NiJ9.e30.x")
    assert not ads.is_sci_token("eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ.e30.x")
    assert not any(ads.is_sci_token(token) for token in ("", "a.b.c", "é", "bnVsbA.x.y"))
