"""Several payloads side by side: each with processors, memory, processes and GPUs of its own, and held to them."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.weyl_pilot.conftest import Start, finish
from tests.weyl_pilot.stand_in import StandIn
from weyl_pilot.cgroups import Group, Groups, Limits, find_groups, group_name
from weyl_pilot.gpus import Gpus, read_gpus
from weyl_pilot.offer import Allocation, Node
from weyl_pilot.shares import Share, Shares, own_cpus
from weyl_pilot.work import Work

GROUPS = find_groups()
needs_memory_groups = pytest.mark.skipif(not GROUPS.limits_memory, reason="no control group of memory is ours here")
GREED = "x = bytearray(300 << 20); print(len(x))"
NOWHERE = Path("/nowhere")


def a_work(job_id: int = 1, *, cores: int = 1, ram_limit_mb: int = 0, gpus: int = 0) -> Work:
    return Work(job_id=job_id, executable="true", cores=cores, ram_limit_mb=ram_limit_mb, gpus=gpus)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files by which a process sees its control groups, as a machine with version 2 has them."""
    base = tmp_path / "sys/fs/cgroup/slice/job"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    (base / "cgroup.subtree_control").write_text("")
    (base / "cgroup.procs").write_text("")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/slice/job\n")
    return tmp_path


def test_in_version_2_the_pilot_goes_into_a_leaf_before_it_divides_its_group(tree: Path) -> None:
    base = tree / "sys/fs/cgroup/slice/job"
    (base / "cgroup.procs").write_text("41\n42\n")
    find_groups(tree)
    assert (base / "weyl-pilot" / "cgroup.procs").read_text() == "42"  # the kernel takes one at a time
    # The last that was asked for: what the kernel would add up, a plain file forgets.
    assert (base / "cgroup.subtree_control").read_text() == "+cpuset"


def test_in_version_2_one_directory_holds_all_limits(tmp_path: Path) -> None:
    groups = Groups(2, dict.fromkeys(("memory", "cpu", "pids", "cpuset"), tmp_path))
    group = groups.make("weyl-1", Limits(memory_mb=100, cores=2, processes=500, cpus=(2, 3)))
    assert group is not None
    written = {path.name: path.read_text() for path in (tmp_path / "weyl-1").iterdir()}
    assert written == {
        "memory.max": str(100 << 20),
        "cpu.max": "200000 100000",
        "pids.max": "500",
        "cpuset.cpus": "2,3",
    }
    assert group.entrances() == [str(tmp_path / "weyl-1" / "cgroup.procs")]
    (tmp_path / "weyl-1" / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert group.kills_for_memory() == 2


def test_a_machine_without_groups_of_ours_has_none_and_breaks_nothing(tmp_path: Path) -> None:
    groups = find_groups(tmp_path)
    assert (groups.controllers, groups.limits_memory) == ((), False)
    share = Shares(groups=groups).take(a_work(ram_limit_mb=100), NOWHERE)
    assert (share.group, share.is_held, share.memory_complaint()) == (None, False, None)
    # What no group holds, the limit of the data segment does: at twice the job's limit.
    assert share.prefix()[-2:] == [str(100 * 1024 * 2), "--"]
    assert Share().prefix() == []


def test_payloads_get_processors_of_their_own_and_give_them_back() -> None:
    shares = Shares(cpus=frozenset({4, 5, 6, 7}))
    first, second = shares.take(a_work(1, cores=2), NOWHERE), shares.take(a_work(2, cores=1), NOWHERE)
    assert (first.cpus, second.cpus) == ((4, 5), (6,))
    # Not enough is left for two: better unbound than crowded with somebody who is bound.
    assert shares.take(a_work(3, cores=2), NOWHERE).cpus == ()
    shares.give_back(1, NOWHERE)
    shares.give_back(1, NOWHERE)
    assert shares.take(a_work(4, cores=2), NOWHERE).cpus == (4, 5)


def test_only_processors_that_are_certainly_ours_are_given_out() -> None:
    assert own_cpus(2, is_whole_node=False, usable=[0, 1], online=8) == {0, 1}
    assert own_cpus(4, is_whole_node=True, usable=[0, 1, 2, 3], online=4) == {0, 1, 2, 3}
    # Every pilot on the machine sees the same.
    assert own_cpus(4, is_whole_node=False, usable=[0, 1, 2, 3], online=4) == frozenset()
    assert own_cpus(2, is_whole_node=False, usable=[0, 1, 2, 3], online=8) == frozenset()


def test_gpus_are_given_out_one_to_one() -> None:
    shares = Shares(gpus=("a", "b", "c"))
    assert shares.take(a_work(1, gpus=2), NOWHERE).environment() == {"CUDA_VISIBLE_DEVICES": "a,b"}
    assert shares.take(a_work(2), NOWHERE).environment() == {"CUDA_VISIBLE_DEVICES": ""}
    assert shares.take(a_work(3, gpus=1), NOWHERE).gpus == ("c",)


LISTED = "0, GPU-aa, 8.0, 40960\n1, GPU-bb, 7.5, 16384\nNo such thing\n"
HEADER = "| NVIDIA-SMI 550.54   Driver Version: 550.54   CUDA Version: 12.4 |"


def test_the_weakest_of_different_gpus_says_what_each_can_do() -> None:
    found = read_gpus(LISTED, HEADER, visible=None)
    assert found == Gpus(("GPU-aa", "GPU-bb"), "sm_75", 16384, "12.4")
    assert read_gpus(LISTED, HEADER, visible="0").ids == ("GPU-aa",)
    assert read_gpus(LISTED, HEADER, visible="GPU-bb").ids == ("GPU-bb",)
    # As HTCondor names them.
    assert read_gpus(LISTED, HEADER, visible="GPU-b").ids == ("GPU-bb",)
    assert read_gpus(LISTED, HEADER, visible="GPU-bb1,2").ids == ()
    assert read_gpus(LISTED, HEADER, visible="") == read_gpus("", HEADER, visible=None) == Gpus()
    assert read_gpus(LISTED, HEADER, visible="GPU-bb").are_assigned
    assert found.taken(0, Path("/nowhere")).offer(0) == {"count": 0}


def test_pilots_side_by_side_hold_different_gpus_until_they_end(tmp_path: Path) -> None:
    gpus, locks = read_gpus(LISTED, HEADER, visible=None), tmp_path / "locks"
    hold = (
        "import sys; from pathlib import Path; from weyl_pilot.gpus import Gpus;"
        "print(*Gpus(('GPU-aa', 'GPU-bb')).taken(1, Path(sys.argv[1])).ids, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(locks)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "GPU-aa\n"
    assert gpus.taken(1, locks).ids == ("GPU-bb",)
    assert gpus.taken(-1, locks).ids == ()
    other.communicate()
    assert gpus.taken(-1, locks).ids == ("GPU-aa",)
    # Those that a batch system has handed out are nobody else's.
    assigned = read_gpus(LISTED, HEADER, visible="0,1")
    assert (assigned.taken(1, locks).ids, assigned.taken(-1, locks).ids) == (("GPU-aa",), ("GPU-aa", "GPU-bb"))


def test_a_whole_node_is_offered_as_one_only_while_nothing_runs() -> None:
    gpus = Gpus(("a", "b"), "sm_80", 40960, "12.4")
    whole = Allocation(cores=4, ram_mb=1000, scratch_mb=100, slots=4, gpus=2)
    node = Node("h", "m", (), (), 10.0, whole, gpus=gpus, is_whole=True)
    free, busy = node.offer([], 3600), node.offer([a_work(cores=1, gpus=1)], 3600)
    assert (free["cpu"]["whole_node"], free["gpu"]["count"]) == (True, 2)
    assert (busy["cpu"]["whole_node"], busy["gpu"]["count"], busy["cpu"]["num_cores"]) == (False, 1, 3)


def resident_mb(pid: int) -> float:
    """Memory that a process holds now."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024


@needs_memory_groups
@pytest.mark.parametrize("isolation", ["auto", "clean"])
def test_the_kernel_ends_a_payload_over_its_memory_and_nobody_beside_it(
    server: StandIn, start: Start, isolation: str
) -> None:
    program = f'{sys.executable} -c "{GREED}"'
    greedy = server.add(1, executable="/bin/sh", arguments=f"-c '{program}'", limits={"ram_mb": 100})
    modest = server.add(2, executable="/bin/sh", arguments=f"-c '{program}'", limits={"ram_mb": 600})
    server.settings["payload_software"] = [sys.prefix]
    pilot = start("--isolation", isolation, "--memory-mb", "1000")
    log = finish(pilot)
    assert "control groups: memory" in log
    assert (greedy.last("Status"), greedy.last("MinorStatus")) == ("Failed", "Job has exceeded its memory limit")
    assert greedy.last("ApplicationStatus") == "Memory limit exceeded: the kernel ended it at 100 MB"
    assert greedy.parameters["ErrorClass"] == "memory"
    assert modest.last("Status") == "Done", modest.states
    assert "hostfeat:cgroup_memory" in server.matches[0]["offer"]["tags"]
    # Other tests have pilots of their own, whose groups are theirs to remove.
    assert [path for path in Path("/sys/fs/cgroup").rglob(f"weyl-[12]-*-{pilot.pid}") if path.is_dir()] == []


@needs_memory_groups
def test_what_outlives_a_pilot_that_was_killed_is_ended_by_the_next_one() -> None:
    gone, left, other, elsewhere = (subprocess.Popen(["sleep", "600"]) for _ in range(4))
    what = str(secrets.randbelow(10**9))
    names = {
        left: group_name(what, gone.pid),
        other: group_name(what),
        # Of another namespace, of whose processes nothing is known here.
        elsewhere: f"weyl-{what}-1-{gone.pid}",
    }
    made = {process: GROUPS.make(name, Limits(memory_mb=100)) for process, name in names.items()}
    try:
        for process, group in made.items():
            for entrance in group.entrances() if group else []:
                Path(entrance).write_text(str(process.pid))
        gone.kill()
        gone.wait()
        find_groups()
        assert left.wait(10) == -signal.SIGKILL
        assert [_is_there(group) for group in made.values()] == [False, True, True]
        assert (other.poll(), elsewhere.poll()) == (None, None)
    finally:
        for process in (gone, *made):
            process.kill()
            process.wait()
        for group in made.values():
            if group:
                group.close()


def _is_there(group: Group | None) -> bool:
    return group is not None and all(directory.exists() for directory in group.directories.values())


@needs_memory_groups
def test_a_fork_bomb_ends_at_the_limit_of_processes(server: StandIn, start: Start) -> None:
    if "pids" not in GROUPS.controllers:
        pytest.skip("no control group of processes is ours here")
    bomb = "n = 0\nimport os, signal\ntry:\n  while n < 3000:\n    pid = os.fork()\n    n += 1\n" + (
        "    if not pid: signal.pause()\nexcept OSError as error:\n  print(error.errno, n, flush=True)\n"
    )
    pfn = server.put_sandbox({"bomb.py": bomb.encode()})
    server.add(1, executable="bomb.py", input_sandbox=[pfn])
    server.settings["payload_environment"] = {"PATH": "/usr/bin:/bin"}
    finish(start(), timeout_s=120)
    number, forked = map(int, server.output(1)["std.out"].split())
    assert number == 11  # "try again"
    assert 900 < forked <= 1024


def test_payloads_run_side_by_side_on_processors_of_their_own(server: StandIn, start: Start) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one processor only")
    script = "-c 'import os; print(sorted(os.sched_getaffinity(0)))'"
    program = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    for job_id in (1, 2):
        server.add(job_id, executable=program, arguments=script)
    finish(start("--whole-node"))
    assert server.matches[0]["count"] >= 2
    assert server.matches[0]["offer"]["cpu"]["whole_node"] is True
    found = {server.output(job_id)["std.out"].decode() for job_id in (1, 2)}
    assert len(found) == 2, found


def test_the_rest_of_a_node_is_asked_for_while_payloads_run(server: StandIn, start: Start) -> None:
    first = server.add(1, executable="sleep", arguments="60")
    pilot = start("--long-poll-s", "2")
    server.wait(lambda: first.heartbeats)
    assert resident_mb(pilot.pid) < 40
    second = server.add(2, executable="true")
    server.wait(lambda: second.last("Status") == "Done")
    assert first.last("Status") == "Running"
    rest = [match["offer"]["cpu"]["num_cores"] for match in server.matches]
    assert (rest[0], min(rest)) == (2, 1)
    with server.changed:
        first.commands.append("Kill")
    finish(pilot)
