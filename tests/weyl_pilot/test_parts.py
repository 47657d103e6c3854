"""The pure parts of the pilot: what it reads, decides and writes, without a server."""

import ast
import io
import logging
import os
import signal
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from weyl_pilot.archive import BadArchive, find_outputs, pack, unpack
from weyl_pilot.connection import Answer, Refused, Unreachable, persist
from weyl_pilot.logs import Shipper, mask
from weyl_pilot.offer import Allocation, Node
from weyl_pilot.probe import os_tag, processor, slurm_seconds, usable_cores, usable_memory_mb
from weyl_pilot.processes import Usage, parse_stat
from weyl_pilot.settings import parse_arguments
from weyl_pilot.watchdog import Watchdog, Watched, judge
from weyl_pilot.work import ApplicationNotFound, Work, resolve_command, safe_file_name, split_arguments

PROGRAM = Path(__file__).resolve().parents[2] / "src" / "weyl_pilot"


def test_the_program_imports_nothing_but_itself_and_the_standard_library() -> None:
    for path in PROGRAM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                root = name.split(".")[0]
                assert root == "weyl_pilot" or root in sys.stdlib_module_names, f"{path.name} imports {name}"


# -- archives ----------------------------------------------------------------------------------------------------


def tar_of(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """Writes an archive of (kind, content or link target, name)."""
    kinds = {b"dir": tarfile.DIRTYPE, b"link": tarfile.SYMTYPE, b"hard": tarfile.LNKTYPE, b"pipe": tarfile.FIFOTYPE}
    with tarfile.open(path, "w:bz2") as tar:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            if kind in kinds:
                info.type, info.linkname = kinds[kind], target
                tar.addfile(info)
            else:
                info.size, info.uid, info.mode = len(kind), 0, 0o4777
                tar.addfile(info, io.BytesIO(kind))
    return path


@pytest.mark.parametrize(
    "member",
    [
        ("../out", b"x", ""),
        ("/etc/out", b"x", ""),
        ("a/../../out", b"x", ""),
        ("link", b"link", "/etc/passwd"),
        ("link", b"link", "../../secret"),
        ("hard", b"hard", "../secret"),
        ("pipe", b"pipe", ""),
    ],
)
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, member: tuple[str, bytes, str]) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(BadArchive):
        unpack(tar_of(tmp_path / "a.tar.bz2", member), inside)
    assert list(inside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.bz2", "inside"]


def test_a_link_inside_an_archive_cannot_be_walked_through_to_the_outside(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = tar_of(tmp_path / "a.tar.bz2", ("d", b"link", ".."), ("d/out", b"x", ""))
    with pytest.raises(BadArchive):
        unpack(archive, inside)
    assert not (tmp_path / "out").exists()


def test_special_bits_and_owners_are_forgotten_and_later_archives_win(tmp_path: Path) -> None:
    unpack(tar_of(tmp_path / "1.tar.bz2", ("f", b"first", ""), ("g", b"only", "")), tmp_path)
    unpack(tar_of(tmp_path / "2.tar.bz2", ("f", b"second", "")), tmp_path)
    assert (tmp_path / "f").read_bytes() == b"second"
    assert (tmp_path / "g").read_bytes() == b"only"
    status = (tmp_path / "f").stat()
    assert status.st_mode & 0o7022 == 0
    assert status.st_uid == os.geteuid()


def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "a.tar.bz2").write_bytes(b"hello")
    with pytest.raises(BadArchive, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar.bz2", tmp_path)


def test_outputs_are_found_by_name_and_pattern_and_only_inside(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "sub").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "sub/c.dat"):
        (run / name).write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    (run / "link.txt").symlink_to(tmp_path / "secret.txt")
    found, missing = find_outputs(run, ["*.txt", "a.txt", "sub", "none", "../secret.txt", "/etc/passwd", "."])
    assert found == ["a.txt", "b.txt", "sub"]
    assert missing == ["none", "../secret.txt", "/etc/passwd", "."]


def test_a_packed_directory_keeps_inner_links_only(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "file").write_text("x")
    (tmp_path / "d" / "inner").symlink_to("file")
    (tmp_path / "d" / "outer").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "d" / "pipe")
    with tarfile.open(fileobj=pack(tmp_path, ["d"], extra={"note": b"n"}).open()) as tar:
        assert sorted(tar.getnames()) == ["d", "d/file", "d/inner", "note"]


# -- the work document


def work(**changes: Any) -> Work:
    """A job with the given fields."""
    return Work(**{"job_id": 1, "executable": "run", **changes})


def test_the_executable_is_looked_for_among_the_jobs_files_first(tmp_path: Path) -> None:
    program = tmp_path / "ls"
    program.write_text("#!/bin/sh\n")
    command = resolve_command(work(executable="ls", arguments="-l 'a b'"), tmp_path, inside="/in", path="/usr/bin:/bin")
    assert command == ["/in/ls", "-l", "a b"]
    assert os.access(program, os.X_OK)
    program.unlink()
    assert resolve_command(work(executable="ls"), tmp_path, inside="/in", path="/usr/bin:/bin")[0].endswith("bin/ls")


@pytest.mark.parametrize(("name", "content", "runner"), [("a.py", "print()", "python3"), ("a", "echo", "/bin/sh")])
def test_a_text_without_interpreter_gets_one(tmp_path: Path, name: str, content: str, runner: str) -> None:
    (tmp_path / name).write_text(content)
    assert resolve_command(work(executable=name), tmp_path, inside="/in", path="")[0] == runner


@pytest.mark.parametrize("name", ["", "nowhere", "../outside", "/no/such/program", "sub/nothing"])
def test_an_executable_that_is_nowhere_is_an_error(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    (tmp_path / "outside").write_text("#!/bin/sh\n")
    with pytest.raises(ApplicationNotFound):
        resolve_command(work(executable=name), directory, inside="/in", path="/usr/bin")


def test_arguments_are_split_as_a_shell_does_and_never_expanded() -> None:
    assert split_arguments("a 'b c' \"d e\" $HOME *") == ["a", "b c", "d e", "$HOME", "*"]
    assert split_arguments("it's open") == ["it's", "open"]


@pytest.mark.parametrize("name", ["/etc/x", "../x", ".", "..", "a/../../x"])
def test_streams_stay_in_the_directory(name: str) -> None:
    assert safe_file_name(name, "std.out") == "std.out"


def test_a_job_is_read_with_its_allocation() -> None:
    job = Work.from_match(
        {
            "job_id": 5,
            "allocated": {"cores": 2, "ram_mb": 10, "gpus": 0, "scratch_mb": None},
            "limits": {"ram_mb": 20, "wall_s": 30},
            "work": {"executable": "x", "arguments": ["a b", "c"], "stop_signal": {"number": 10, "finish_seconds": 7}},
        }
    )
    assert (job.cores, job.ram_mb, job.ram_limit_mb, job.wall_s, job.arguments) == (2, 10, 20, 30, "'a b' c")
    assert (job.stop_signal, job.stop_grace_s, job.std_output) == (10, 7.0, "std.out")
    assert Work.from_match({"job_id": 1, "work": {}}).stop_signal == signal.SIGTERM


# -- the watchdog ----------------------------------------------------------------------------------------------------


class Clocked:
    """A payload of which only the age is asked."""

    def __init__(self, wall_s: float) -> None:
        self.wall_s = wall_s


def watched(directory: Path, wall_s: float = 10, **changes: Any) -> Watched:
    """A payload of a given age."""
    ends_at = changes.pop("ends_at", float("inf"))
    return Watched(
        work=work(**changes),
        payload=Clocked(wall_s),  # type: ignore[arg-type]
        outbox=None,  # type: ignore[arg-type]
        directory=directory,
        disk_paths=(),
        stop=lambda verdict: None,
        ends_at=ends_at,
    )


def test_a_payload_within_its_limits_goes_on(tmp_path: Path) -> None:
    assert judge(watched(tmp_path, wall_s=99, ram_limit_mb=10), Usage(memory_kb=10 * 1024), free_mb=10_000) is None
    ancient = watched(tmp_path, wall_s=2 * 86400)
    assert judge(ancient, Usage(cpu_s=1e6), free_mb=10_000) is None


def test_the_first_report_comes_early_because_somebody_may_be_looking(tmp_path: Path) -> None:
    job, now = watched(tmp_path), time.monotonic()
    Watchdog(10).add(job)
    assert 3.5 < job.next_report - now < 4.5


def test_limits_of_time_and_disk_end_a_payload_with_the_words_that_users_grep(tmp_path: Path) -> None:
    verdicts = [
        judge(watched(tmp_path, 4 * 86400), Usage(), free_mb=10**4),
        judge(watched(tmp_path, ends_at=time.monotonic() + 200), Usage(), free_mb=10**4),
        judge(watched(tmp_path), Usage(), free_mb=100),
        judge(watched(tmp_path, scratch_mb=50), Usage(), free_mb=10**4, disk_mb=51),
    ]
    assert [(verdict.minor, verdict.error_class) for verdict in verdicts if verdict is not None] == [
        ("Job has exceeded maximum wall clock time", "time"),
        ("Job has exceeded maximum wall clock time", "time"),
        ("Job has insufficient disk space to continue", "host"),
        ("Job has insufficient disk space to continue", "payload"),
    ]


def test_memory_must_be_over_the_limit_twice_in_a_row(tmp_path: Path) -> None:
    job = watched(tmp_path, ram_limit_mb=100)
    over, under = Usage(memory_kb=111 * 1024), Usage(memory_kb=109 * 1024)
    assert judge(job, over, free_mb=10**4) is None
    assert judge(job, under, free_mb=10**4) is None
    assert judge(job, over, free_mb=10**4) is None
    verdict = judge(job, over, free_mb=10**4)
    assert verdict is not None
    assert verdict.error_class == "memory"


@pytest.mark.parametrize("opt_out", ["", "file", "variable"])
def test_a_payload_that_only_waits_is_stopped_after_half_an_hour_unless_it_may(tmp_path: Path, opt_out: str) -> None:
    environment = {"DISABLE_WATCHDOG_CPU_WALLCLOCK_CHECK": "1"} if opt_out == "variable" else {}
    if opt_out == "file":
        (tmp_path / ".weyl-nowatch").touch()
    job = watched(tmp_path, environment=environment)
    verdicts = []
    for age_s in range(0, 2400, 60):
        job.payload.wall_s = age_s  # type: ignore[misc]
        verdicts.append(judge(job, Usage(cpu_s=age_s / 100), free_mb=10**4))
    found = next((index for index, verdict in enumerate(verdicts) if verdict is not None), None)
    assert found == (None if opt_out else 30)


# -- the machine ----------------------------------------------------------------------------------------------------


def machine(root: Path, files: dict[str, str]) -> Path:
    """A machine made of a few files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_limits_of_a_control_group_count_for_both_versions(tmp_path: Path) -> None:
    second = machine(
        tmp_path / "v2",
        {
            "proc/self/cgroup": "0::/slurm/job_1\n",
            "proc/meminfo": "MemTotal:       8388608 kB\n",
            "sys/fs/cgroup/slurm/job_1/memory.max": "max\n",
            "sys/fs/cgroup/slurm/memory.max": "1073741824\n",
            "sys/fs/cgroup/slurm/job_1/cpu.max": "100000 100000\n",
        },
    )
    first = machine(
        tmp_path / "v1",
        {
            "proc/self/cgroup": "4:memory:/batch\n3:cpu:/batch\n",
            "proc/meminfo": "MemTotal:       8388608 kB\n",
            "sys/fs/cgroup/memory/batch/memory.limit_in_bytes": "2147483648\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/batch/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/batch/cpu.cfs_period_us": "100000\n",
        },
    )
    assert (usable_memory_mb(second), usable_cores(second)) == (1024, 1)
    assert (usable_memory_mb(first), usable_cores(first)) == (2048, len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("release", "tag"),
    [
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n', "os:el9"),
        ('ID=debian\nVERSION_ID="13"\n', "os:debian13"),
        ("", None),
    ],
)
def test_the_system_is_an_atom(tmp_path: Path, release: str, tag: str | None) -> None:
    assert os_tag(machine(tmp_path, {"etc/os-release": release})) == tag


def test_processor_flags_are_raw(tmp_path: Path) -> None:
    text = "model name\t: Some CPU\nflags\t\t: sse2 avx2 avx2\n\nmodel name\t: Other\nflags\t\t: none\n"
    assert processor(machine(tmp_path, {"proc/cpuinfo": text})) == {"model": "Some CPU", "features": ["avx2", "sse2"]}


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10), ("1:00:05", 3605), ("2-00:00:01", 172801), ("UNLIMITED", None), ("", None)]
)
def test_slurm_times_are_read(text: str, seconds: int | None) -> None:
    assert slurm_seconds(text) == seconds


def test_a_process_may_have_any_name() -> None:
    fields = " ".join(["S", "7", *["0"] * 9, "100", "50", "25", "25", *["0"] * 5, "2097152", "3", *["0"] * 20])
    process = parse_stat(f"42 (evil) name (x) {fields}")
    assert (process.pid, process.parent, process.state) == (42, 7, "S")
    assert process.cpu_s == 200 / os.sysconf("SC_CLK_TCK")


def test_an_offer_is_what_running_jobs_leave() -> None:
    whole = Allocation(cores=4, ram_mb=1000, scratch_mb=100, slots=2)
    node = Node("h", "m", ("avx2",), ("os:el9",), 11.0, whole)
    offer = node.offer([work(cores=3, ram_mb=900, scratch_mb=200)], 100.9)
    assert (offer["cpu"]["num_cores"], offer["cpu"]["ram_mb"], offer["io"]["scratch_mb"]) == (1, 100, 0)
    assert (offer["wall_time"], offer["gpu"]) == (100, {"count": 0})
    assert whole.without([work(), work()]).is_full


# -- talking ----------------------------------------------------------------------------------------------------


def test_trouble_is_retried_with_longer_pauses_and_refusals_are_not() -> None:
    pauses: list[float] = []
    answers = iter([OSError("cut"), Answer(503, b"", {"retry-after": "7"}), Answer(500, b""), Answer(200, b"{}")])

    def attempt() -> Answer:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert persist(attempt, patience_s=100, sleep=pauses.append).status == 200
    assert len(pauses) == 3
    assert pauses[1] == 7
    assert pauses[0] < pauses[2]
    with pytest.raises(Refused, match="nope"):
        persist(lambda: Answer(403, b'{"detail": "nope"}'), patience_s=100, sleep=pauses.append)
    with pytest.raises(Unreachable, match="500"):
        persist(lambda: Answer(500, b""), patience_s=0, sleep=pauses.append)
    assert len(pauses) == 3


def test_secrets_are_masked_by_value_and_by_look() -> None:
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
    text = f"a {token} b weylp_p1_{'x' * 43} c my-own-secret d https://s3/x?X-Amz-Signature=abc123&y=1"
    assert mask(text, ["my-own-secret"]) == "a *** b *** c *** d https://s3/x?X-Amz-Signature=***&y=1"


def test_pieces_of_the_log_are_repeated_as_they_were_until_they_are_taken() -> None:
    sent: list[tuple[int, bytes]] = []
    troubles = [OSError("cut"), None, Refused(413, "too large"), None]

    def send(number: int, piece: bytes) -> None:
        sent.append((number, piece))
        trouble = troubles.pop(0)
        if trouble is not None:
            raise trouble

    shipper = Shipper(send)
    record = logging.LogRecord("weyl_pilot", logging.INFO, "", 0, "one", None, None)
    shipper.emit(record)
    shipper.flush_now()
    shipper.emit(record)
    shipper.flush_now()
    shipper.emit(record)
    shipper.flush_now()
    assert [number for number, _ in sent] == [0, 0, 1, 2]
    assert sent[0] == sent[1]


def test_arguments_and_environment_become_settings() -> None:
    given = ["--url", "http://x/", "--secret-file", "s", "--software", "/a", "--software", "/b", "--hide", "/c"]
    settings = parse_arguments(given, {"WEYL_PILOT_STAMP": "abc", "WEYL_PILOT_HIDE": "/d:/e"})
    assert (settings.url, settings.stamp, settings.software) == ("http://x", "abc", ("/a", "/b"))
    assert settings.hide == ("/c", "/d", "/e")
    assert parse_arguments([*given, "--stamp", "mine"], {}).stamp == "mine"
