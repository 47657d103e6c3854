"""User ids of payloads: never two at once, and none again as long as something of it lives."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.infra.disk import full, small_disk
from weyl_pilot import leftovers
from weyl_pilot.bundle import REPORTS, Journal
from weyl_pilot.isolation import Walls
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.shares import Shares
from weyl_pilot.shop import Shop
from weyl_pilot.starts import Starts
from weyl_pilot.uids import LOCK_DIRECTORY, NoFreeUid, Uids
from weyl_pilot.uploads import Uploads
from weyl_pilot.watchdog import Watchdog
from weyl_pilot.work import Work
from weyl_pilot.wrapper import Wrapper

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
# Nobody on this machine has them, nor do payloads.
UID = 70_000 + os.getpid() % 10_000 * 32

# One that every user can start; the environment of the tests may be in a closed home.
SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable

KILLED_PILOT = """
import subprocess, sys, time
from pathlib import Path
from weyl_pilot.shop import Shop
from weyl_pilot.starts import Starts
from weyl_pilot.uids import Uids
lease = Uids([int(sys.argv[1])], [sys.argv[2]]).lease(Path("/nowhere"))
payload = subprocess.Popen(["sleep", "600"], user=lease.uid, start_new_session=True)
print(payload.pid, flush=True)
time.sleep(600)
"""
MAKE_IPC_OBJECTS = """
import ctypes
libc = ctypes.CDLL(None)
print(libc.shmget(0, 4096, 0o1600), libc.semget(0, 1, 0o1600), libc.msgget(0, 0o1600))
"""
ADD_KEY = "import ctypes; print(ctypes.CDLL(None).syscall({add}, b'user', b'weyl-test', b'hush', 4, -4))"
FIND_KEY = "import ctypes; print(ctypes.CDLL(None).syscall({keyctl}, 10, -4, b'user', b'weyl-test', 0))"
ADD_KEY_NUMBERS = {"x86_64": 248, "aarch64": 217, "riscv64": 217, "ppc64le": 269, "s390x": 278}


def uids(tmp_path: Path, count: int = 1) -> Uids:
    """Return the ids of a pilot that shares its locks with every other one of the test."""
    return Uids(range(UID, UID + count), [str(tmp_path)])


def as_user(code: str) -> str:
    """Run Python as the user of a payload; returns what it prints."""
    command = [SYSTEM_PYTHON, "-I", "-c", code]
    user = {"user": UID, "group": UID, "extra_groups": []}
    return subprocess.run(command, **user, cwd="/", capture_output=True, text=True, check=True).stdout.strip()


def test_pilots_of_one_machine_never_hold_the_same_user_at_once(tmp_path: Path) -> None:
    pilots = [uids(tmp_path, 24) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda pilot: pilot.lease(tmp_path / "none"), pilots * 3))
    assert sorted(lease.uid for lease in leases) == list(range(UID, UID + 24))
    with pytest.raises(NoFreeUid, match=f"none of the 24 .* is free .*{LOCK_DIRECTORY}"):
        uids(tmp_path, 24).lease(tmp_path / "none")
    leases[7].give_back()
    assert uids(tmp_path, 24).lease(tmp_path / "none").uid == leases[7].uid


@needs_root
def test_the_user_of_a_payload_that_outlives_its_pilot_is_not_given_out(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_PILOT, str(UID), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pilot:
        assert pilot.stdout is not None
        payload = int(pilot.stdout.readline())
        handle = os.pidfd_open(payload)
        pilot.kill()
        pilot.wait()
    try:
        with pytest.raises(NoFreeUid):
            uids(tmp_path).lease(tmp_path / "none")
    finally:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        assert select.select([handle], [], [], 20)[0]
        os.close(handle)
    assert uids(tmp_path).lease(tmp_path / "none").uid == UID


def test_the_user_of_files_that_a_killed_pilot_left_is_not_given_out(tmp_path: Path) -> None:
    directory = tmp_path / "jobs" / "1"
    uids(tmp_path).lease(directory).close()  # as the kernel does
    directory.mkdir(parents=True)
    with pytest.raises(NoFreeUid):
        uids(tmp_path).lease(tmp_path / "other")
    shutil.rmtree(directory)
    assert uids(tmp_path).lease(tmp_path / "other").uid == UID


def test_the_user_of_a_control_group_that_is_not_empty_is_not_given_out(tmp_path: Path) -> None:
    group = tmp_path / "weyl-1"
    group.mkdir()
    (group / "cgroup.procs").write_text("4711\n")
    uids(tmp_path).lease(tmp_path / "none", [str(group)]).close()
    with pytest.raises(NoFreeUid):
        uids(tmp_path).lease(tmp_path / "none")
    (group / "cgroup.procs").write_text("")
    assert uids(tmp_path).lease(tmp_path / "none").uid == UID


def test_a_user_with_files_left_stays_taken_when_it_is_given_back(tmp_path: Path) -> None:
    directory = tmp_path / "jobs" / "1"
    lease = uids(tmp_path).lease(directory)
    directory.mkdir(parents=True)
    lease.give_back()
    with pytest.raises(NoFreeUid):
        uids(tmp_path).lease(tmp_path / "other")


def test_a_record_that_was_cut_short_holds_nobody_up(tmp_path: Path) -> None:
    lease = uids(tmp_path).lease(tmp_path / "none")
    lease.close()
    (tmp_path / LOCK_DIRECTORY / str(UID)).write_text('{"directory": "/')
    assert uids(tmp_path).lease(tmp_path / "none").uid == UID


def test_a_user_that_cannot_be_noted_is_not_given_out_and_not_held(work_dir: Path) -> None:
    with small_disk(work_dir, size_mb=2) as disk:
        uids(disk).lease(disk / "none").give_back()
        with full(disk), pytest.raises(NoFreeUid, match=f"user id {UID} cannot be noted in .*: No space left"):
            uids(disk).lease(disk / "none")
        assert uids(disk).lease(disk / "none").uid == UID


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what is flushed to the disk")
def test_a_user_is_noted_on_disk_before_it_is_given_out(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from weyl_pilot.uids import Uids\n"
    code += "Uids([int(sys.argv[1])], [sys.argv[2]]).lease(Path('/none'))"
    trace = ["strace", "-y", "-s", "200", "-e", "trace=pwrite64,fsync"]
    done = subprocess.run(
        [*trace, sys.executable, "-c", code, str(UID), str(tmp_path)], capture_output=True, text=True, check=True
    )
    calls = [re.match(r"(\w+)\(\d+<([^>]*)>", line) for line in done.stderr.splitlines()]
    locks = tmp_path / LOCK_DIRECTORY
    assert [call.groups() for call in calls if call is not None] == [
        ("fsync", str(tmp_path)),
        ("pwrite64", str(locks / str(UID))),
        ("fsync", str(locks / str(UID))),
        ("fsync", str(locks)),
    ]


def test_accounts_of_the_machine_are_never_given_to_payloads(tmp_path: Path) -> None:
    with pytest.raises(NoFreeUid):
        Uids([0], [str(tmp_path)]).lease(tmp_path / "none")


def test_locks_lie_only_where_nobody_else_can_write(tmp_path: Path) -> None:
    link, open_to_all, good = (tmp_path / name for name in ("link", "open", "good"))
    for place in (link, open_to_all, good):
        place.mkdir()
    (link / LOCK_DIRECTORY).symlink_to(tmp_path)
    (open_to_all / LOCK_DIRECTORY).mkdir()
    (open_to_all / LOCK_DIRECTORY).chmod(0o777)
    bad = ["/nowhere", str(link), str(open_to_all)]
    Uids([UID], [*bad, str(good)]).lease(tmp_path / "none")
    assert [path.name for path in (good / LOCK_DIRECTORY).iterdir()] == [str(UID)]
    assert (good / LOCK_DIRECTORY).stat().st_mode & 0o777 == 0o700
    with pytest.raises(NoFreeUid, match="only root can write, in one of /nowhere"):
        Uids([UID], bad).lease(tmp_path / "none")


@needs_root
def test_what_a_payload_left_in_shared_places_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("somebody else's")
    for name in ("file", "directory/inner"):
        path = tmp_path / "shared" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    (tmp_path / "shared" / "link").symlink_to(kept)
    (tmp_path / "shared" / "other").write_text("not of the payload")
    for name in ("file", "directory", "link"):
        os.lchown(tmp_path / "shared" / name, UID, UID)
    assert leftovers.clear(UID, [str(tmp_path / "shared"), "/nowhere"]) is None
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["other"]
    assert kept.read_text() == "somebody else's"


@pytest.fixture
def ipc_objects() -> Iterator[None]:
    """Shared memory, a semaphore and a message queue of the payload's user."""
    if "-1" in as_user(MAKE_IPC_OBJECTS).split():
        pytest.skip("this machine lets nobody make IPC objects")
    yield
    leftovers.clear(UID, [])


@needs_root
def test_ipc_objects_of_a_payload_end_with_its_user(ipc_objects: None) -> None:
    assert sorted(kind for kind, _ in leftovers.ipc_objects_of(UID)) == ["msg", "sem", "shm"]
    assert leftovers.clear(UID, []) is None
    assert leftovers.ipc_objects_of(UID) == []


@needs_root
def test_keys_of_a_payload_end_with_its_user() -> None:
    machine = os.uname().machine
    keyctl = leftovers.KEYCTL_NUMBERS.get(machine)
    if keyctl is None or int(as_user(ADD_KEY.format(add=ADD_KEY_NUMBERS[machine]))) < 0:
        pytest.skip("this machine lets nobody keep keys")
    assert int(as_user(FIND_KEY.format(keyctl=keyctl))) > 0
    assert leftovers.clear(UID, []) is None
    assert int(as_user(FIND_KEY.format(keyctl=keyctl))) < 0


def test_a_job_goes_back_with_an_error_of_the_host_where_no_user_is_free(tmp_path: Path) -> None:
    journal = Journal(tmp_path, tmp_path / "bundle.json")
    shop = Shop(
        server=journal,
        sandboxes=Sandboxes(journal, tmp_path),
        uploads=Uploads(journal, ends_at=float("inf")),
        walls=Walls(level="user", pilot_dir=tmp_path, is_root=True),
        watchdog=Watchdog(60),
        starts=Starts(tmp_path),
        jobs_dir=tmp_path / "jobs",
        spool=tmp_path,
        facts={},
        shares=Shares(uids=Uids([], [str(tmp_path)])),
    )
    wrapper = Wrapper(Work(job_id=7, executable="true"), shop)
    wrapper.run()
    assert wrapper.outbox.join(60)
    said = [json.loads(line) for line in (tmp_path / REPORTS).read_text().splitlines()]
    last = [update for line in said for _, update in sorted(line.get("status", {}).items())][-1]
    assert (last["Status"], last["MinorStatus"]) == ("Failed", "Job Wrapper Initialization")
    assert last["ErrorClass"] == "host"
    assert "user ids for payloads is free" in last["ApplicationStatus"]
