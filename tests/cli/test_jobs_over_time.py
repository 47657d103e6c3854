"""`weyl jobs` while jobs live and when they have ended: files, logs, wait, watch, follow."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Program, Server
from tests.cli.steps import JDL, finish, move, rows, submit

from weyl.kit.call import Call


def test_local_files_travel_as_one_sandbox(weyl: Program, group: str) -> None:
    weyl.file("work/run.sh", "#!/bin/sh\necho hello\n")
    weyl.file("work/data.txt", "data")
    sandbox = 'Executable = "run.sh"; InputSandbox = {"run.sh", "data.txt"}; '
    weyl.file("work/job.jdl", sandbox + f'JobGroup = "{group}"; Parameters = 2;')
    result = weyl("submit", "work/job.jdl", "-q")
    assert result.returncode == 0, result.stderr
    ids = result.stdout.split()
    listed = rows(weyl, "jobs", "sandbox", "list", *ids)
    assert [row["Type"] for row in listed] == ["Input", "Input"]
    assert len({row["PFN"] for row in listed}) == 1
    fetched = rows(weyl, "jobs", "input", ids[0], "-d", "in")
    assert fetched == [{"JobID": int(ids[0]), "Directory": f"in/{ids[0]}", "Files": ["data.txt", "run.sh"]}]
    assert (weyl.directory / "in" / ids[0] / "data.txt").read_text() == "data"
    by_name = weyl("jobs", "sandbox", "get", listed[0]["PFN"], "-d", "by-name")
    assert by_name.returncode == 0, by_name.stderr
    assert (weyl.directory / "by-name" / "run.sh").exists()


def test_wait_tells_how_jobs_ended(weyl: Program, server: Server, group: str) -> None:
    good, bad, live = submit(weyl, group, 3)
    move(server, [good], "Running", "Done")
    move(server, [bad], "Running", "Failed")
    assert weyl("jobs", "wait", str(good)).returncode == 0
    failed = weyl("jobs", "wait", str(good), str(bad))
    assert failed.returncode == 9
    assert failed.stderr.splitlines()[-1] == f"See why: weyl jobs why {bad}"
    told = weyl("jobs", "why", str(bad)).stdout
    assert told.startswith(f"Job {bad} (Failed, for ")
    assert "class" not in told
    assert not set("{}[]") & set(told)
    assert weyl("jobs", "wait", str(bad), "--for", "Failed").returncode == 0
    assert weyl("jobs", "wait", str(live), "--timeout", "1s").returncode == 8
    assert weyl("jobs", "wait", str(live), str(good), "--any").returncode == 0
    assert weyl("jobs", "wait", str(live), "--for", "Dome").returncode == 2


def test_watch_prints_a_line_a_change_and_ends(weyl: Program, server: Server, group: str) -> None:
    ids = submit(weyl, group, 2)
    move(server, ids, "Running", "Done")
    result = weyl("jobs", "watch", "--group", group)
    assert result.returncode == 0, result.stderr
    assert [json.loads(line)["JobID"] for line in result.stdout.splitlines()] == ids


def test_output_and_logs_of_a_finished_job(weyl: Program, server: Server, group: str, tmp_path: Path) -> None:
    done, live = submit(weyl, group, 2)
    finish(server, done, tmp_path)
    assert weyl("logs", str(done)).stdout == "line 1\nline 2\nline 3\n"
    assert weyl("logs", str(done), "--tail", "1").stdout == "line 3\n"
    assert weyl("logs", str(done), "--stderr").stdout == "oops\n"
    assert weyl("logs", str(done), "-f").stdout == "line 1\nline 2\nline 3\n"
    both = weyl("logs", str(done), "999999999")
    assert (both.returncode, both.stdout) == (7, f"==> job {done} <==\nline 1\nline 2\nline 3\n")
    assert "  999999999 There is no job 999999999" in both.stderr
    assert rows(weyl, "output", str(done), "-d", "out")[0]["Files"] == ["std.err", "std.out"]
    partly = weyl("output", str(done), str(live), "-d", "out")
    assert partly.returncode == 7
    assert str(live) in partly.stderr
    assert weyl("output", str(live)).returncode == 3


def test_logs_of_a_job_without_output_say_why(weyl: Program, server: Server, group: str) -> None:
    silent, killed, cut_off, deleted = submit(weyl, group, 4)
    move(server, [silent], "Running", "Done")
    move(server, [killed], "Killed")
    move(server, [cut_off], "Running")
    with server.client("alice") as client:
        client.send(Call("PATCH", "/api/jobs/heartbeat", list, body={str(cut_off): {"StandardOutput": "so far\n"}}))
    move(server, [cut_off], "Killed")
    weyl("jobs", "delete", str(deleted), "--yes")
    for stream, words in (("output", []), ("error", ["--stderr"])):
        result = weyl("logs", str(silent), *words)
        assert (result.returncode, result.stdout) == (0, "")
        assert f"Job {silent} is Done" in result.stderr
        assert f"wrote nothing to its standard {stream}" in result.stderr
    result = weyl("logs", str(killed))
    assert result.returncode == 3
    assert f"Job {killed} is Killed (step 0) and left no output" in result.stderr
    result = weyl("logs", str(cut_off))
    assert (result.returncode, result.stdout) == (0, "so far\n")
    assert "the last lines" in result.stderr
    for command in ("logs", "output"):
        result = weyl(command, str(deleted))
        assert result.returncode == 3
        assert f"Job {deleted} is Deleted" in result.stderr


def test_logs_of_a_running_job(weyl: Program, server: Server, group: str) -> None:
    [job_id] = submit(weyl, group)
    assert weyl("logs", str(job_id)).returncode == 3
    move(server, [job_id], "Running")
    with server.client("alice") as client:
        client.send(Call("PATCH", "/api/jobs/heartbeat", list, body={str(job_id): {"StandardOutput": "so far\n"}}))
    assert weyl("logs", str(job_id)).stdout == "so far\n"


def test_nobody_fetches_the_output_of_another(
    weyl: Program, weyl_as: Callable[..., Program], server: Server, group: str, tmp_path: Path
) -> None:
    [job_id] = submit(weyl, group)
    finish(server, job_id, tmp_path)
    result = weyl_as("bob")("output", str(job_id), "-d", "out")
    assert result.returncode == 5, result.stderr


def test_submit_and_wait(weyl: Program, server: Server, group: str) -> None:
    weyl.file("job.jdl", JDL.format(group=group))
    for status, exit_code in (("Done", 0), ("Failed", 9)):
        with weyl.start("submit", "job.jdl", "--wait", "-o", "table") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            job_id = int(process.stdout.readline())
            move(server, [job_id], "Running", status)
            assert process.wait(60) == exit_code
            last = process.stderr.read().splitlines()[-1]
            assert (last == f"See why: weyl jobs why {job_id}") == (status == "Failed")


def test_submit_and_follow_shows_the_output_and_nothing_else(
    weyl: Program, server: Server, group: str, tmp_path: Path
) -> None:
    weyl.file("job.jdl", JDL.format(group=group))
    with weyl.start("submit", "job.jdl", "--follow") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        [job_id] = re.findall(r"\d+", process.stderr.readline())
        move(server, [int(job_id)], "Running")
        with server.client("alice") as client:
            body = {job_id: {"StandardOutput": "line 1\n"}}
            client.send(Call("PATCH", "/api/jobs/heartbeat", list, body=body))
        assert process.stdout.readline() == "line 1\n"
        finish(server, int(job_id), tmp_path)
        assert process.stdout.read() == "line 2\nline 3\n"
        assert process.wait(60) == 0


def test_follow_is_for_one_job_only(weyl: Program, group: str) -> None:
    weyl.file("job.jdl", JDL.format(group=group) + "Parameters = 2;")
    assert weyl("submit", "job.jdl", "--follow").returncode == 2
    assert rows(weyl, "jobs", "search", "--where", f"JobGroup = {group}") == []


def test_typos_are_told_before_or_while_jobs_are_submitted(weyl: Program, group: str) -> None:
    def said(text: str, *words: str) -> tuple[int, str]:
        weyl.file("typo.jdl", f'Executable = "/bin/echo"; JobGroup = "{group}"; {text}')
        result = weyl("submit", "typo.jdl", *words)
        return result.returncode, result.stderr

    for text, words, code, sentence in (
        ('Arguments = "%(sed)s";', ("--param", "seed=1..2"), 2, "did you mean %(seed)s"),
        ('Arguments = "%(seed)s";', (), 2, "--param NAME=1..20"),
        ("", ("--param", "seed=1-20"), 2, "--param seed=1..20"),
        ("Priority = 50;", (), 10, "typo.jdl: Priority: must be between 0 and 10"),
        ("", ("--time", "900h"), 10, "CPUTime: must be between 100 and 500000 seconds"),
        ('InputSandbox = "typo.jdll";', (), 2, "Did you mean typo.jdl?"),
    ):
        assert said(text, *words)[0] == code, text
        assert sentence in said(text, *words)[1]
    assert json.loads(weyl("jobs", "search", "--where", f"JobGroup = {group}", "-o", "json").stdout) == []
    code, told = said('Arguement = "x"; Executable = "typo.jdl";')
    assert (code, "did you mean Arguments?" in told, "InputSandbox does not name it" in told) == (0, True, True)
    assert weyl("submit", "typo.jd").stderr.endswith("Did you mean typo.jdl?\n")
    refused = weyl("jobs", "search", "--where", "Status = failed")
    assert (refused.returncode, "Did you mean: Failed?" in refused.stderr) == (2, True)


def test_json_is_submitted_and_what_a_dry_run_prints_too(weyl: Program, group: str) -> None:
    weyl.file("run.sh", "#!/bin/sh\n")
    document = {
        "executable": "run.sh",
        "input_sandbox": ["run.sh"],
        "requirements": {"wall_time": 60},
        "job_group": group,
    }
    weyl.file("job.json", json.dumps([document, {**document, "arguments": "2"}]))
    shown = weyl("submit", "job.json", "--dry-run", "-o", "table")
    assert "# job.json[2]: 1 job" in shown.stdout, shown.stderr
    weyl.file("again.jdl", shown.stdout)
    weyl.file("again.json", weyl("submit", "job.json", "--dry-run", "-o", "json").stdout)
    for name in ("job.json", "again.jdl", "again.json"):
        result = weyl("submit", name, "-q")
        assert (result.returncode, len(result.stdout.split())) == (0, 2), result.stderr
    found = rows(weyl, "jobs", "show", "--json", "JobGroup", result.stdout.split()[0])
    assert [row["JobGroup"] for row in found] == [group]


def test_filters_name_jobs_for_every_command(weyl: Program, server: Server, group: str) -> None:
    first, second = submit(weyl, group, 2)
    named = ("--job-group", group)
    listed = weyl("status", "-q", "--limit", "0")
    assert listed.stdout.split()[:2] == [str(second), str(first)]
    assert weyl("jobs", "list", *named, "-q", "--sort", "JobID").stdout.split() == [str(first), str(second)]
    move(server, [first], "Matched", "Running", "Done")
    assert weyl("jobs", "status", *named, "--where", "Status = Done", "-q").stdout.split() == [str(first)]
    assert weyl("jobs", "edit", *named, "--set", "checked=yes", "-q").stdout.split() == [str(second), str(first)]
    assert weyl("jobs", "wait", *named, "--for", "Done,Waiting,Received", "--timeout", "30s").returncode == 0
    for command in ("wait", "watch", "output", "show"):
        nothing = weyl("jobs", command, "--job-group", "nothing-of-that-name")
        assert (nothing.returncode, "No job matches" in nothing.stderr) == (3, True), command
    both = weyl("jobs", "kill", str(first), *named, "--yes")
    assert (both.returncode, "not by both" in both.stderr) == (2, True)
    killed = weyl("jobs", "kill", *named, "--mine", "--last", "1h", "--yes", "-q")
    assert killed.stdout.split() == [str(second)]
