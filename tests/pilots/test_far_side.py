"""What is sent to the far side and read from it, without a far side: archives, wrappers, files, handles."""

import asyncio
import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from weyl.kit.ids import new_stamp
from weyl.pilots.compute_elements import places
from weyl.pilots.compute_elements.direct import DirectScheduler, taken
from weyl.pilots.compute_elements.driver import (
    CEState,
    CEStatus,
    Copy,
    DriverContext,
    DriverError,
    PilotSpec,
)
from weyl.pilots.compute_elements.far_side import FarSide, PlaceOptions
from weyl.pilots.compute_elements.htcondor import HTCondorComputeElement
from weyl.pilots.compute_elements.slurm import slurm_element
from weyl.pilots.compute_elements.ssh import ssh_element
from weyl.remote.transport import LocalTransport

SPEC = PilotSpec(executable="./pilot.sh", arguments=("a b", "$HOME", "it's"), inputs={"pilot.sh": b"#!/bin/sh\n"})


def test_what_copies_share_is_packed_once_and_secrets_are_their_owner_s() -> None:
    copies = [Copy(new_stamp(), {"SITE": "it's $here"}, {"secret": f"hush-{n}".encode()}) for n in range(3)]
    content = places.archive(SPEC, copies, job="#!/bin/sh\n")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        entries = {entry.name: entry for entry in tar}
        modes = {name: entry.mode for name, entry in entries.items()}
        environment = tar.extractfile(f"copies/weyl-{copies[0].stamp}/environment")
        assert environment is not None
        text = environment.read().decode()
    assert [name for name in entries if name.endswith("pilot.sh")] == ["inputs/pilot.sh"]
    assert modes["inputs/pilot.sh"] == 0o700
    assert {mode for name, mode in modes.items() if name.endswith("/secret")} == {0o600}
    assert all(entry.mode & 0o077 == 0 for entry in entries.values())
    shown = subprocess.run(["/bin/sh", "-c", f'{text}printf "%s" "$SITE"'], capture_output=True, text=True, check=True)
    assert shown.stdout == "it's $here"
    assert "hush" not in text


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", ".."])
def test_a_file_stays_beside_its_pilot(name: str) -> None:
    with pytest.raises(DriverError, match="no name of a file"):
        places.archive(SPEC, [Copy("a" * 32, secrets={name: b"x"})], job="")


@pytest.mark.parametrize("name", ["A B", "x;touch /tmp/x", "", "1A", "A=B"])
def test_a_variable_has_a_name_of_one(name: str) -> None:
    with pytest.raises(DriverError, match="environment variable"):
        places.archive(SPEC, [Copy("a" * 32, {name: "x"})], job="")


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "-rf", ".hidden", "a b", "a\nb", "é", "x" * 101])
def test_what_leads_elsewhere_is_no_name(name: str) -> None:
    assert not places.is_name(name)


def make_place(directory: Path, spec: PilotSpec) -> Path:
    """Lay out one pilot by hand, and run it as a batch system would."""
    place = directory / "weyl-x"
    (place / "work").mkdir(parents=True)
    (place / "environment").write_text("export WEYL_PILOT_STAMP=x\n")
    (place / "job.sh").write_text(places.job_program(spec, identity="identity=42", scratch=None))
    return place


@pytest.mark.parametrize(
    ("command", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("no-such-program", 127)]
)
def test_the_wrapper_writes_down_how_a_pilot_ended(tmp_path: Path, command: str, code: int) -> None:
    place = make_place(tmp_path, PilotSpec(executable="/bin/sh", arguments=("-c", command)))
    done = subprocess.run(["/bin/sh", place / "job.sh", place], env={}, capture_output=True, check=False)
    assert done.returncode == code
    assert (place / "exit-code").read_text() == f"{code}\n"
    assert (place / "id").read_text() == "42\n"


def test_the_wrapper_runs_a_pilot_once_and_gives_it_an_environment(tmp_path: Path) -> None:
    command = 'echo "$PATH|$HOME|$USER|$WEYL_PILOT_STAMP|$WEYL_PILOT_HIDE"; pwd'
    place = make_place(tmp_path, PilotSpec(executable="/bin/sh", arguments=("-c", command)))
    for expected in (0, 125):
        done = subprocess.run(["/bin/sh", place / "job.sh", place], env={}, capture_output=True, check=False)
        assert done.returncode == expected
    words, where = (place / "stdout.txt").read_text().splitlines()
    path, home, user, stamp, hidden = words.split("|")
    assert all((path, home, user))
    assert (stamp, hidden, where) == ("x", str(tmp_path), str(place / "work"))


def test_the_wrapper_passes_a_signal_on_and_waits_for_the_end(tmp_path: Path) -> None:
    command = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    place = make_place(tmp_path, PilotSpec(executable="/bin/sh", arguments=("-c", command)))
    with subprocess.Popen(["/bin/sh", place / "job.sh", place]) as process:
        stdout = place / "stdout.txt"
        while not (stdout.exists() and stdout.read_text()):
            time.sleep(0.02)
        process.terminate()
        assert process.wait(30) == 5
    assert (place / "exit-code").read_text() == "5\n"
    assert stdout.read_text() == "up\nbye\n"


def test_files_are_read_to_their_end_or_not_at_all() -> None:
    content = b"stdout.txt 6\na 3\nb\nexit-code 2\n0\n"
    assert places.parse_files(content) == {"stdout.txt": b"a 3\nb\n", "exit-code": b"0\n"}
    for length in (1, 5, 14, 17, len(content) - 1):
        with pytest.raises(DriverError):
            places.parse_files(content[:length])


def test_answers_of_a_submission_are_taken_by_name() -> None:
    lines = ["+ weyl-a 17", "- weyl-b no account", "noise", "+ weyl-c", ""]
    found = taken(lines)
    assert (found.ids, found.refusals) == ({"weyl-a": "17"}, {"weyl-b": "no account"})


@pytest.mark.parametrize(
    ("driver", "endpoint", "options", "complaint"),
    [
        ("ssh", None, {}, "needs an Endpoint"),
        ("ssh", "https://node", {}, "ssh://user@host:port"),
        ("ssh", "ssh://node", {"Scheduler": "pbs"}, "direct"),
        ("ssh", "ssh://node", {"RunningMax": 0}, "RunningMax"),
        ("ssh", "ssh://node", {"RuningMax": 1}, "RuningMax"),
        ("ssh", "ssh://node", {"HostKeys": ["ssh-ed25519 AAAA"], "KnownHosts": "/x"}, "exclude"),
        ("ssh", "ssh://node", {"HostKeys": ["AAAA"]}, "public key"),
        ("ssh", "ssh://node", {"ProxyJump": "gate"}, "ssh://user@host:port"),
        ("ssh", "ssh://node", {"Scratch": '"; rm -rf /; "'}, "Scratch"),
        ("ssh", "ssh://node", {"RunAs": "pilots"}, "RunAs"),
        ("slurm", None, {"Api": "soap"}, "Api"),
        ("slurm", None, {"Api": "rest", "User": "pilots"}, "Endpoint"),
        ("slurm", "https://slurm", {"Api": "rest"}, "User"),
        ("slurm", "https://slurm", {}, "ssh://user@host:port"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    tmp_path: Path, driver: str, endpoint: str | None, options: dict[str, object], complaint: str
) -> None:
    factory = {"ssh": ssh_element, "slurm": slurm_element}[driver]
    with pytest.raises(ValueError, match=complaint):
        factory(DriverContext("S", "ce", tmp_path, endpoint, options))


@pytest.mark.parametrize(
    ("scheduler", "kind"), [("direct", FarSide), ("slurm", FarSide), ("htcondor", HTCondorComputeElement)]
)
def test_what_is_behind_ssh_is_a_machine_or_a_batch_system(tmp_path: Path, scheduler: str, kind: type) -> None:
    element = ssh_element(DriverContext("S", "ce", tmp_path, "ssh://pilots@node", {"Scheduler": scheduler}))
    assert isinstance(element, kind)


# Whoever sends pilots is slow to look at them; the programs of the pilots themselves are not.
_SLOW_UNAME = """#!/bin/sh
tr '\\0' ' ' </proc/$PPID/cmdline | grep -q job.sh || sleep 3
exec /bin/uname "$@"
"""


async def test_a_pilot_that_has_ended_before_it_is_looked_at_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uname").write_text(_SLOW_UNAME)
    (tmp_path / "uname").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    options = PlaceOptions.model_validate({"Directory": str(tmp_path / "pilots")})
    scheduler = DirectScheduler(LocalTransport(), directory=options.directory, running_max=None, timeout_s=30)
    far_side = FarSide(LocalTransport(), scheduler, options)
    sent = await far_side.submit(PilotSpec(executable="/bin/false"), [Copy(new_stamp(), {}, {})])
    [handle] = sent.handles.values()
    while (status := (await far_side.status([handle]))[handle]).state is CEState.RUNNING:
        await asyncio.sleep(0.1)
    assert status == CEStatus(CEState.FAILED, "exit code 1", 1)
    assert await far_side.find([handle.partition(":")[0]]) == {handle.partition(":")[0]: handle}


async def test_a_pilot_that_ends_while_it_is_looked_at_is_not_aborted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory says nothing yet, three seconds later its process is gone."""
    options = PlaceOptions.model_validate({"Directory": str(tmp_path / "pilots")})
    scheduler = DirectScheduler(LocalTransport(), directory=options.directory, running_max=None, timeout_s=30)
    far_side = FarSide(LocalTransport(), scheduler, options)
    sent = await far_side.submit(PilotSpec(executable="/bin/sleep", arguments=("0.5",)), [Copy(new_stamp(), {}, {})])
    [handle] = sent.handles.values()
    (tmp_path / "uname").write_text(_SLOW_UNAME)
    (tmp_path / "uname").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (await far_side.status([handle]))[handle].state is CEState.DONE
