"""What a payload can see, on each level of isolation, and as root and as an ordinary user."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.stand_in import SECRET, StandIn
from weyl_pilot.isolation import Walls, hidden_paths, outermost, with_their_base

NOBODY = 65534
# One that every user can start; the environment of the tests may be in a closed home.
SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# Tries every way to the pilot's own things; prints what it could get.
SPY = r"""
for place in "$@"; do
  [ -r "$place" ] && [ -x "$place" -o -f "$place" ] && ls -d "$place" 2>/dev/null
  cat "$place" 2>/dev/null
  ls "$place" 2>/dev/null
done
for process in /proc/[0-9]*; do
  [ "$process" = "/proc/$$" ] && continue
  tr '\0' ' ' <$process/environ 2>/dev/null | grep -o 'WEYL_PILOT[^ ]*'
  head -c 1 $process/mem 2>/dev/null && echo memory of $process
done
env | grep -i -e secret -e pilot_
touch /usr/written /etc/written 2>/dev/null && echo wrote to the system
echo finished
"""


@needs_bubblewrap
@pytest.mark.parametrize("who", [pytest.param("root", marks=needs_root), "ordinary"])
def test_behind_a_namespace_a_payload_finds_nothing_of_the_pilot(
    server: StandIn, start: Start, work_dir: Path, who: str
) -> None:
    neighbour = work_dir / "weyl-neighbour"
    neighbour.mkdir(mode=0o711)
    (neighbour / "secret").write_text("NEIGHBOUR SECRET")
    work = work_dir / "work"
    work.mkdir()
    places = [work_dir, neighbour, neighbour / "secret", work, work / "private", work / "jobs", work_dir / "secret"]
    pfn = server.put_sandbox({"spy.sh": b"#!/bin/sh\n" + SPY.encode()})
    server.add(1, executable="sleep", arguments="30")
    server.add(2, executable="spy.sh", arguments=" ".join(map(str, places)), input_sandbox=[pfn])
    user = NOBODY if who == "ordinary" and os.geteuid() == 0 else None
    if user is not None:
        for path in (work_dir, work, neighbour, neighbour / "secret"):
            os.chown(path, user, user)
    pilot = start("--isolation", "namespace", user=user, python=SYSTEM_PYTHON)
    server.wait(lambda: server.jobs[2].last("Status") in ("Done", "Failed"))
    server.wait(lambda: server.jobs[1].heartbeats)
    with server.changed:
        server.jobs[1].commands.append("Kill")
    finish(pilot)
    assert server.output(2)["std.out"].decode().splitlines() == ["finished"]


@needs_root
def test_as_another_user_a_payload_finds_nothing_of_the_pilot(server: StandIn, start: Start, work_dir: Path) -> None:
    work = work_dir / "work"
    secrets = work_dir / "secret", work / "private", work / "private" / "cache", work / "jobs"
    pfn = server.put_sandbox({"spy.sh": b"#!/bin/sh\n" + SPY.encode()})
    server.add(1, executable="sleep", arguments="30")
    arguments = " ".join([*map(str, secrets), str(work / "jobs" / "1" / "run"), str(work / "jobs" / "1" / "token")])
    server.add(2, executable="spy.sh", arguments=arguments, input_sandbox=[pfn])
    pilot = start("--isolation", "user")
    server.wait(lambda: server.jobs[2].last("Status") in ("Done", "Failed"))
    server.wait(lambda: server.jobs[1].heartbeats)
    with server.changed:
        server.jobs[1].commands.append("Kill")
    finish(pilot)
    assert server.output(2)["std.out"].decode().splitlines() == ["finished"]


@needs_root
@pytest.mark.parametrize("isolation", ["namespace", "user"])
def test_a_pilot_of_root_runs_no_payload_as_root(server: StandIn, start: Start, isolation: str) -> None:
    if isolation == "namespace" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    script = "id -u; id -G; grep -e CapEff -e NoNewPrivs /proc/self/status"
    server.add(1, executable="/bin/sh", arguments=f"-c '{script}'")
    server.add(2, executable="/bin/sh", arguments=f"-c '{script}'")
    finish(start("--isolation", isolation))
    users = set()
    for job_id in (1, 2):
        lines = server.output(job_id)["std.out"].decode().split("\n")
        assert lines[0] == lines[1] != "0"
        assert lines[2].split() == ["CapEff:", "0000000000000000"]
        assert lines[3].split() == ["NoNewPrivs:", "1"]
        users.add(lines[0])
    assert len(users) == 2


@needs_root
@pytest.mark.parametrize("isolation", ["namespace", "user"])
def test_no_number_of_jobs_leads_to_the_user_of_a_running_payload(
    server: StandIn, start: Start, isolation: str
) -> None:
    if isolation == "namespace" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    # The second would have the user of the first, if users were counted by jobs.
    for job_id in (1, 1 + 4336):
        server.add(job_id, executable="/bin/sh", arguments="-c 'id -u; exec sleep 60'")
    pilot = start("--isolation", isolation, "--slots", "2")
    server.wait(lambda: all(job.heartbeats and job.heartbeats[-1]["StandardOutput"] for job in server.jobs.values()))
    with server.changed:
        for job in server.jobs.values():
            job.commands.append("Kill")
    finish(pilot)
    users = [server.output(job_id)["std.out"].decode() for job_id in server.jobs]
    assert users[0] != users[1]


def test_the_environment_of_a_payload_is_made_and_not_inherited(server: StandIn, start: Start) -> None:
    server.settings["payload_environment"] = {
        "PATH": "/opt/queue/bin:/usr/bin:/bin",
        "FROM_QUEUE": "1",
        "BOTH": "queue",
    }
    server.add(1, executable="env", environment={"FROM_JOB": "1", "BOTH": "job"})
    finish(start())
    names = dict(line.split("=", 1) for line in server.output(1)["std.out"].decode().splitlines())
    assert names["PATH"] == "/opt/queue/bin:/usr/bin:/bin"
    assert (names["FROM_QUEUE"], names["FROM_JOB"], names["BOTH"]) == ("1", "1", "job")
    assert names["WEYL_JOB_ID"] == "1"
    assert not [name for name in names if name.startswith("WEYL_PILOT")]
    assert SECRET not in str(names)


@needs_bubblewrap
def test_software_in_a_hidden_place_can_be_used_when_it_is_named(server: StandIn, start: Start, work_dir: Path) -> None:
    software = work_dir / "software"
    (software / "bin").mkdir(parents=True)
    tool = software / "bin" / "tool"
    tool.write_text("#!/bin/sh\necho the tool ran\n")
    tool.chmod(0o755)
    server.settings["payload_environment"] = {"PATH": f"{software}/bin:/usr/bin:/bin"}
    server.settings["payload_software"] = [str(software)]
    server.add(1, executable="tool")
    server.add(2, executable="/bin/sh", arguments=f"-c 'touch {software}/bin/tool && echo changed it'")
    finish(start("--isolation", "namespace"))
    assert server.output(1)["std.out"] == b"the tool ran\n"
    assert "std.out" not in server.output(2)


@needs_bubblewrap
def test_the_python_of_an_environment_can_be_used_by_payloads(server: StandIn, start: Start) -> None:
    server.settings["payload_software"] = [sys.prefix]
    server.add(1, executable=f"{sys.prefix}/bin/python3", arguments="-c 'import sys; print(sys.prefix)'")
    finish(start("--isolation", "namespace"))
    assert server.output(1)["std.out"].decode().strip() == sys.prefix


def test_links_planted_by_a_payload_do_not_lead_the_pilot_out(server: StandIn, start: Start, work_dir: Path) -> None:
    secret = work_dir / "pilots-own"
    secret.write_text("PILOT SECRET")
    links = f"ln -s {secret} stolen.txt; ln -s {work_dir} stolen-dir; mkdir d; ln -s {secret} d/inner"
    script = f"{links}; mkfifo pipe; rm std.out; ln -s {secret} std.out"
    job = server.add(1, executable="/bin/sh", arguments=f"-c '{script}'", output_sandbox=["*", "stolen-dir/*", "../*"])
    finish(start())
    assert b"PILOT SECRET" not in b"".join(server.output(1).values() if job.outputs else [])
    assert "stolen.txt" not in (server.output(1) if job.outputs else {})


def test_root_prefers_to_run_nothing_over_running_payloads_as_root(
    server: StandIn, start: Start, work_dir: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root could")
    job = server.add(1, executable="id", arguments="-u")
    # No other user can walk to the jobs.
    work_dir.chmod(0o700)
    pilot = start("--isolation", "user")
    _, log = pilot.communicate(timeout=30)
    assert pilot.returncode == 1
    assert "cannot be isolated" in log
    assert job.states == []
    assert server.pilot["Status"] == "Failed"


def test_what_is_vital_is_never_hidden() -> None:
    assert not {"/", "/usr", "/etc"} & set(hidden_paths(["/", "/usr", "/etc"]))


def test_only_the_outermost_of_nested_places_is_hidden() -> None:
    assert outermost(["/srv/a/b", "/srv/a", "/srv/ab", "/tmp/x"]) == ["/srv/a", "/srv/ab"]


def test_an_environment_brings_the_python_that_it_is_made_from(tmp_path: Path) -> None:
    base, made = tmp_path / "base", tmp_path / "made"
    (base / "bin").mkdir(parents=True)
    (base / "bin" / "python3").touch()
    subprocess.run(["mkdir", "-p", str(made / "bin")], check=True)
    (made / "pyvenv.cfg").touch()
    (made / "bin" / "python3").symlink_to(base / "bin" / "python3")
    assert with_their_base([str(made)]) == (str(made), str(base))


def test_every_payload_of_root_needs_a_user_of_its_own() -> None:
    assert Walls(level="user", pilot_dir=Path("/srv"), is_root=True).needs_uid
    assert Walls(level="namespace", pilot_dir=Path("/srv"), is_root=True).needs_uid
    assert not Walls(level="namespace", pilot_dir=Path("/srv"), is_root=False).needs_uid
