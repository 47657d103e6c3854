"""Lives of jobs, from match to last report, with the packed pilot as a process of its own."""

import json
import os
import secrets
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.infra.waiting import await_that
from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.stand_in import SECRET, StandIn


def old_pythons() -> list[str]:
    """Every Python on this machine that the pilot claims to run on and that is not the one of the tests."""
    managed = Path.home() / ".pyenv" / "versions"
    places = [*managed.glob("3.9.*/bin/python"), *Path("/usr/bin").glob("python3.[0-9]*")]
    return sorted(str(path) for path in places if path.name[-1].isdigit() or path.name == "python")


@pytest.mark.parametrize("python", old_pythons())
def test_a_job_runs_from_match_to_done_on_every_python(server: StandIn, start: Start, python: str) -> None:
    pfn = server.put_sandbox({"hello.sh": b"#!/bin/sh\necho hello $1; echo data > result.txt\n"})
    job = server.add(
        7, executable="hello.sh", arguments="'big world'", input_sandbox=[pfn], output_sandbox=["std.out", "*.txt"]
    )
    finish(start(python=python))
    assert server.output(7) == {"std.out": b"hello big world\n", "result.txt": b"data\n"}
    assert job.minors() == [
        "Job Initialization",
        "Downloading InputSandbox",
        "Application",
        "Application Finished Successfully",
        "Uploading Output Sandbox",
        "Output Sandbox Uploaded",
        "Execution Complete",
    ]
    assert [update.get("Status") for _, update in sorted(job.states) if "Status" in update] == [
        "Running",
        "Running",
        "Completing",
        "Done",
    ]
    assert {update["Source"] for _, update in job.states} == {"JobWrapper"}
    assert {"HostName", "PayloadPID", "Pilot_Reference", "Memory(kB)", "TotalCPUTime(s)"} <= set(job.parameters)
    assert server.pilot["Status"] == "Done"


@pytest.mark.parametrize("python", old_pythons())
def test_an_output_pattern_that_python_refuses_counts_as_missing(server: StandIn, start: Start, python: str) -> None:
    job = server.add(
        1, executable="/bin/echo", arguments="good", std_output="a**[1]", output_sandbox=["a**b", "a**[1]"]
    )
    finish(start(python=python))
    assert job.last("Status") == "Done"
    assert job.parameters["OutputSandboxMissingFiles"].startswith("a**b")
    assert server.output(1) == {"a**[1]": b"good\n"}


def test_a_failed_payload_says_its_exit_code_and_still_gives_its_output(server: StandIn, start: Start) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo before; exit 42'", output_sandbox=["std.out", "gone"])
    finish(start())
    assert (job.last("Status"), job.last("MinorStatus")) == ("Failed", "Application Finished With Errors")
    assert job.last("ApplicationStatus") == "Exited With Status 42"
    assert job.last("ErrorClass") == "payload"
    assert job.parameters["PayloadExitCode"] == 42
    assert job.parameters["OutputSandboxMissingFiles"] == "gone"
    assert server.output(1)["std.out"] == b"before\n"


@pytest.mark.parametrize("level", ["namespace", "user" if os.geteuid() == 0 else "clean"])
def test_a_job_is_charged_with_what_it_used_behind_every_wall(server: StandIn, start: Start, level: str) -> None:
    if level == "namespace" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap makes the namespace of this test")
    script = "import time\nblock = b'x' * 100_000_000\nwhile time.process_time() < 0.5: pass\n"
    pfn = server.put_sandbox({"burn.py": script.encode()})
    job = server.add(1, executable="python3", arguments="burn.py", input_sandbox=[pfn])
    finish(start("--isolation", level, "--report-every-s", "30"))
    assert (job.last("Status"), job.parameters["Isolation"]) == ("Done", level)
    assert job.parameters["CPUTime(s)"] >= 0.5
    assert job.parameters["Memory(MB)"] >= 90


def test_an_executable_that_is_nowhere_fails_by_its_name(server: StandIn, start: Start) -> None:
    job = server.add(1, executable="no-such-program")
    finish(start())
    assert (job.last("Status"), job.last("MinorStatus")) == ("Failed", "Application not found")
    assert job.last("ApplicationStatus") == "no-such-program not found"


def test_an_input_sandbox_that_is_not_what_was_uploaded_fails_the_job(server: StandIn, start: Start) -> None:
    pfn = server.put_sandbox({"a": b"1"})
    server.objects[pfn.partition("|")[2]] = b"something else"
    job = server.add(1, executable="/bin/true", input_sandbox=[pfn])
    finish(start())
    assert (job.last("Status"), job.last("MinorStatus")) == ("Failed", "Failed Downloading InputSandbox")
    assert "sha256" in (job.last("ApplicationStatus") or "")


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program makes the archive of this test")
def test_zstd_sandboxes_are_read(server: StandIn, start: Start) -> None:
    def compress(content: bytes) -> bytes:
        return subprocess.run(["zstd", "-q", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout

    pfn = server.put_sandbox({"a.txt": b"zstd works\n"}, "tar.zst", compress)
    job = server.add(1, executable="cat", arguments="a.txt", input_sandbox=[pfn])
    finish(start())
    assert job.last("Status") == "Done"
    assert server.output(1) == {"std.out": b"zstd works\n"}


def test_a_killed_job_ends_within_a_heartbeat_and_gives_what_it_wrote(server: StandIn, start: Start) -> None:
    script = "trap 'echo goodbye; exit 1' TERM; echo started; sleep 60 & wait"
    job = server.add(1, executable="/bin/sh", arguments=f'-c "{script}"')
    pilot = start()
    server.wait(lambda: any("started" in beat["StandardOutput"] for beat in job.heartbeats))
    with server.changed:
        job.commands.append("Kill")
    server.wait(lambda: job.outputs, timeout_s=10)
    finish(pilot)
    assert job.minors()[-1] == "Received Kill signal"
    # The status belongs to the server, which has said Killed, or has sent the job elsewhere.
    assert job.last("Status") == "Running"
    assert server.output(1)["std.out"] == b"started\ngoodbye\n"


def test_a_pilot_that_is_told_to_drain_finishes_its_payload_and_takes_no_other(server: StandIn, start: Start) -> None:
    script = "echo started; sleep 4; echo finished"
    job = server.add(1, executable="/bin/sh", arguments=f"-c '{script}'")
    pilot = start("--slots", "1")
    server.wait(lambda: any("started" in beat["StandardOutput"] for beat in job.heartbeats))
    with server.changed:
        job.commands.append("Drain")
    later = server.add(2, executable="/bin/true")
    finish(pilot)
    assert job.last("Status") == "Done"
    assert server.output(1)["std.out"] == b"started\nfinished\n"
    assert later.last("Status") is None


def test_several_payloads_run_side_by_side_and_the_offer_is_what_remains(server: StandIn, start: Start) -> None:
    for job_id in (1, 2):
        # Each waits for the other's heartbeat-visible start by staying until it is killed.
        server.add(job_id, executable="sleep", arguments="60")
    pilot = start("--slots", "2")
    server.wait(lambda: server.jobs[1].heartbeats and server.jobs[2].heartbeats)
    with server.changed:
        server.jobs[1].commands.append("Kill")
    server.wait(lambda: len(server.matches) >= 2)
    assert server.matches[0]["fill"] is True
    assert (server.matches[0]["count"], server.matches[0]["offer"]["cpu"]["num_cores"]) == (2, 2)
    assert (server.matches[1]["count"], server.matches[1]["offer"]["cpu"]["num_cores"]) == (1, 1)
    with server.changed:
        server.jobs[2].commands.append("Kill")
    finish(pilot)


def test_reports_that_the_server_does_not_take_are_repeated_in_order(server: StandIn, start: Start) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo alive; while :; do sleep 0.1; done'")
    pilot = start()
    server.wait(lambda: len(job.heartbeats) >= 1)
    with server.changed:
        server.is_down = True
        job.commands.append("Kill")
    spool = Path(pilot.args[pilot.args.index("--work-dir") + 1]) / "private" / "spool" / "1.json"  # type: ignore[index,union-attr]

    def is_kept() -> bool:
        kept = json.loads(spool.read_text())["1"] if spool.exists() else {}
        return any(kept.get(kind) for kind in ("heartbeats", "states"))

    await_that(is_kept, "reports that are kept for later")
    with server.changed:
        server.is_down = False
    finish(pilot)
    assert "Received Kill signal" in job.minors()
    assert not spool.exists()


def test_a_server_that_cannot_read_new_tokens_yet_loses_no_report(server: StandIn, start: Start) -> None:
    """As while servers are restarted one by one with a new release, or get a new key one after the other."""
    server.unread_tokens = 5
    job = server.add(1, executable="/bin/true")
    finish(start())
    assert server.unread_tokens == 0
    assert (job.last("Status"), job.last("MinorStatus")) == ("Done", "Execution Complete")
    assert "Job Initialization" in job.minors()


@pytest.mark.parametrize(("report_every_s", "nap_s"), [(0.3, 60), (300, 8)])
def test_a_revoked_pilot_ends_its_payload_and_does_not_repeat_what_nobody_hears(
    server: StandIn, start: Start, report_every_s: float, nap_s: int
) -> None:
    """It learns of it by a heartbeat, or by the end of its job, whichever comes first."""
    server.settings["report_every_s"] = report_every_s
    job = server.add(1, executable="/bin/sleep", arguments=str(nap_s))
    pilot = start()
    server.wait(lambda: "Application" in job.minors())
    with server.changed:
        server.is_revoked = True
    log = finish(pilot, timeout_s=30)
    assert "the server no longer knows this pilot" in log
    assert job.last("Status") == "Running"


def test_sigterm_ends_payloads_and_reports_the_pilot_failed(server: StandIn, start: Start) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'echo out; sleep 60'")
    pilot = start()
    server.wait(lambda: any("out" in beat["StandardOutput"] for beat in job.heartbeats))
    pilot.send_signal(signal.SIGTERM)
    pilot.communicate(timeout=30)
    assert pilot.returncode == 1
    assert (job.last("Status"), job.last("MinorStatus")) == ("Failed", "Received Kill signal")
    assert "SIGTERM" in (job.last("ApplicationStatus") or "")
    assert server.output(1)["std.out"] == b"out\n"
    assert server.pilot["Status"] == "Failed"
    assert "SIGTERM" in server.pilot["StatusReason"]


def test_a_pilot_whose_directory_was_removed_goes_away(server: StandIn, start: Start, work_dir: Path) -> None:
    job = server.add(1, executable="sleep", arguments="60")
    pilot = start()
    server.wait(lambda: job.heartbeats)
    shutil.rmtree(work_dir / "work", ignore_errors=True)
    pilot.communicate(timeout=30)
    assert pilot.returncode == 1
    assert "directory was removed" in server.pilot["StatusReason"]


def test_draining_lets_the_running_job_finish_and_asks_no_more(server: StandIn, start: Start) -> None:
    job = server.add(1, executable="/bin/sh", arguments="-c 'while [ ! -f stop ]; do sleep 0.1; done'")
    pilot = start("--cores", "1")
    server.wait(lambda: job.heartbeats)
    pilot.send_signal(signal.SIGUSR1)
    server.add(2, executable="/bin/true")
    with server.changed:
        job.commands.append("Kill")
    finish(pilot)
    assert server.waiting == [2]
    assert "drained" in server.pilot["StatusReason"]


@pytest.mark.parametrize("isolation", ["namespace", "user", "clean"])
def test_killing_the_pilot_ends_its_payloads(server: StandIn, start: Start, isolation: str) -> None:
    if isolation == "namespace" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    if isolation == "user" and os.geteuid() != 0:
        pytest.skip("only root can run payloads as another user")
    # A duration that no other process of this machine has: tests may run side by side.
    nap = f"{secrets.randbelow(10**9) + 10**6}"
    job = server.add(1, executable="/bin/sh", arguments=f"-c 'setsid sleep {nap} & sleep {nap}'")
    pilot = start("--isolation", isolation)
    pids = []

    def both_sleep() -> bool:
        pids[:] = [path.name for path in Path("/proc").glob("[0-9]*") if f"sleep\0{nap}".encode() in _command(path)]
        return len(pids) >= 2 and len(job.heartbeats) >= 2

    server.wait(both_sleep)
    family = os.pidfd_open(job.parameters["PayloadPID"]) if "PayloadPID" in job.parameters else None
    watched = [os.pidfd_open(int(pid)) for pid in pids]
    pilot.kill()
    for descriptor in watched:
        assert _ends(descriptor), f"a payload of {pids} outlived the pilot"
    if family is not None:
        os.close(family)


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def _ends(descriptor: int) -> bool:
    readable, _, _ = select.select([descriptor], [], [], 10)
    os.close(descriptor)
    return bool(readable)


def test_a_wrong_secret_ends_the_pilot_with_a_reason(start: Start, work_dir: Path) -> None:
    wrong = work_dir / "wrong"
    wrong.write_text("weylp_k1_wrongwrongwrongwrong")
    pilot = start("--secret-file", str(wrong))
    _, log = pilot.communicate(timeout=30)
    assert pilot.returncode == 1
    assert "not valid" in log


def test_the_log_arrives_without_secrets(server: StandIn, start: Start) -> None:
    server.add(1, executable="/bin/sh", arguments="-c 'cat $WEYL_JOB_TOKEN_FILE; sleep 0.5'")
    log = finish(start())
    arrived = "".join(server.log)
    assert "job 1: matched" in arrived
    assert "job 1: matched" in log
    for text in (arrived, log):
        for secret in (SECRET, server.pilot_token, "job-token-1", "refresh-0"):
            assert secret not in text
    for beat in server.jobs[1].heartbeats:
        assert "job-token-1" not in beat["StandardOutput"]


def test_a_job_that_is_peeked_at_shows_much_of_both_streams_at_once(server: StandIn, start: Start) -> None:
    server.settings["report_every_s"] = 5
    script = "seq 1 20000; cat $WEYL_JOB_TOKEN_FILE; echo; echo warning >&2; sleep 60"
    job = server.add(1, executable="/bin/sh", arguments=f"-c '{script}'")
    pilot = start()
    with server.changed:
        job.commands.append("Peek")
    server.wait(lambda: any("StandardError" in beat for beat in job.heartbeats))
    usual = next(beat for beat in job.heartbeats if "StandardError" not in beat)
    shown = next(beat for beat in job.heartbeats if "StandardError" in beat)
    assert len(usual["StandardOutput"].splitlines()) <= 20
    assert 60_000 < len(shown["StandardOutput"]) <= 64 * 1024
    assert shown["StandardOutput"].endswith("20000\n***\n")
    assert shown["StandardError"] == "warning\n"
    with server.changed:
        job.commands.append("Kill")
    finish(pilot)
