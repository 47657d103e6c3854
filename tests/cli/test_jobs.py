"""`weyl jobs` against a real server: what users type, what scripts read, and who may not."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable

from tests.cli.conftest import Program, Server
from tests.cli.steps import JDL, move, rows, submit

from weyl.cli.main import with_values
from weyl.jobs.calls.reports import heartbeat
from weyl.jobs.models.heartbeat import HeartbeatData
from weyl.kit.call import Call


def test_who_is_not_logged_in_gets_exit_4(weyl_as: Callable[..., Program]) -> None:
    anonymous = weyl_as(None)
    anonymous.file("job.jdl", 'Executable = "/bin/true";')
    for words in (["submit", "job.jdl"], ["search"], ["show", "1"], ["kill", "1", "--yes"], ["output", "1"]):
        result = anonymous("jobs", *words)
        assert result.returncode == 4, (words, result.stderr)
        assert "weyl login" in result.stderr


def test_who_may_not_submit_gets_exit_5(weyl_as: Callable[..., Program]) -> None:
    pilot = weyl_as("alice", group="service")
    pilot.file("job.jdl", 'Executable = "/bin/true";')
    result = pilot("jobs", "submit", "job.jdl")
    assert result.returncode == 5, result.stderr


def test_jobs_of_another_vo_do_not_exist(weyl: Program, weyl_as: Callable[..., Program], group: str) -> None:
    [job_id] = submit(weyl, group)
    other = weyl_as("alice", vo="vob", group="admin")
    for words in (
        ["show", str(job_id)],
        ["status", str(job_id)],
        ["kill", str(job_id), "--yes"],
        ["output", str(job_id)],
    ):
        assert other("jobs", *words).returncode == 3, words


def test_ids_go_to_stdout_and_the_sentence_to_stderr(weyl: Program, group: str) -> None:
    weyl.file("job.jdl", JDL.format(group=group))
    result = weyl("submit", "job.jdl", "-o", "table")
    assert result.returncode == 0
    assert result.stdout.strip().isdigit()
    assert result.stderr == f"Submitted job {result.stdout.strip()}.\n"


def test_submission_as_json_is_the_answer_of_the_api(weyl: Program, group: str) -> None:
    weyl.file("job.jdl", JDL.format(group=group))
    [job] = rows(weyl, "submit", "job.jdl")
    assert set(job) == {"JobID", "Status", "MinorStatus", "TimeStamp"}


def test_several_files_are_one_request_all_or_nothing(weyl: Program, group: str) -> None:
    weyl.file("good.jdl", JDL.format(group=group))
    weyl.file("bad.jdl", JDL.format(group=group) + 'CPUTime = "much";')
    result = weyl("submit", "good.jdl", "bad.jdl")
    assert result.returncode == 10, result.stderr
    assert "CPUTime" in result.stderr
    assert rows(weyl, "jobs", "search", "--where", f"JobGroup = {group}") == []


def test_a_key_makes_one_set_of_jobs_however_often(weyl: Program, group: str) -> None:
    weyl.file("job.jdl", JDL.format(group=group))
    first = weyl("submit", "job.jdl", "-q", "--key", f"key-{group}")
    again = weyl("submit", "job.jdl", "-q", "--key", f"key-{group}")
    assert first.stdout == again.stdout


def test_a_description_from_stdin_and_options_that_change_it(weyl: Program, group: str) -> None:
    text = JDL.format(group="other")
    result = weyl("submit", "-", "-q", "--job-group", group, "-n", "named", "--param", "seed=1..3", stdin=text)
    assert len(result.stdout.split()) == 3, result.stderr
    found = rows(weyl, "jobs", "search", "--where", f"JobGroup = {group}", "--json", "JobName")
    assert found == [{"JobName": "named"}] * 3


def test_search_has_the_columns_and_the_page_of_the_peer(weyl: Program, group: str) -> None:
    submit(weyl, group, 12)
    found = rows(weyl, "jobs", "search", "--condition", f"JobGroup eq {group}")
    assert len(found) == 10
    assert set(found[0]) == {
        "JobID",
        "Status",
        "MinorStatus",
        "ApplicationStatus",
        "JobGroup",
        "Site",
        "JobName",
        "Owner",
        "LastUpdateTime",
    }
    second = rows(weyl, "jobs", "search", "--condition", f"JobGroup eq {group}", "--page", "2")
    assert len(second) == 2
    table = weyl("jobs", "search", "--condition", f"JobGroup eq {group}", "--page", "2")
    assert table.stderr == "11-12 of 12 jobs, 10 left out. All of them: --limit 0\n"
    beyond = weyl("jobs", "search", "--condition", f"JobGroup eq {group}", "--page", "9")
    assert (beyond.returncode, beyond.stdout) == (0, "")
    assert "there are 12 in all" in beyond.stderr


def test_a_search_in_a_pipe_prints_every_job_the_newest_first(weyl: Program, group: str) -> None:
    ids = submit(weyl, group, 12)[::-1]
    where = ["--where", f"JobGroup = {group}"]
    for words in (["-q"], ["-o", "id"]):
        assert weyl("jobs", "search", *where, *words).stdout.split() == [str(job_id) for job_id in ids]
    lines = weyl("jobs", "search", *where, "-o", "ndjson").stdout.splitlines()
    assert [json.loads(line)["JobID"] for line in lines] == ids
    shown = weyl("jobs", "search", *where, "--no-header")
    assert ([int(line.split()[0]) for line in shown.stdout.splitlines()], shown.stderr) == (ids, "")
    page = weyl("jobs", "search", *where, "-o", "json")
    assert [row["JobID"] for row in json.loads(page.stdout)] == ids[:10]
    assert page.stderr == "1-10 of 12 jobs, 2 left out. All of them: --limit 0\n"
    table = list(
        csv.DictReader(io.StringIO(weyl("jobs", "search", *where, "--columns", "JobID,Status", "-o", "csv").stdout))
    )
    assert [row["JobID"] for row in table] == [str(job_id) for job_id in ids]
    assert rows(weyl, "jobs", "search", *where, "--limit", "0") == rows(weyl, "jobs", "search", *where, "--limit", "99")
    assert len(rows(weyl, "jobs", "search", "--where", f"JobGroup = {group}", "--limit", "5")) == 5


def test_search_sorts_and_filters(weyl: Program, weyl_as: Callable[..., Program], group: str) -> None:
    ids = submit(weyl, group, 3)
    [bob] = submit(weyl_as("bob"), group)
    oldest = rows(weyl, "jobs", "search", "--where", f"JobGroup = {group}", "--sort", "JobID", "--json", "JobID")
    assert [row["JobID"] for row in oldest] == [*ids, bob]
    mine = rows(weyl, "jobs", "search", "--where", f"JobGroup = {group[:5]}*", "--mine", "--last", "1h", "--limit", "0")
    assert [row["JobID"] for row in mine if row["JobGroup"] == group] == ids[::-1]
    none = weyl(
        "jobs",
        "search",
        "--where",
        f"JobGroup = {group} and Status not in (Received, Checking, Waiting)",
        "--fail-empty",
    )
    assert none.returncode == 3


def test_a_column_that_does_not_exist_is_exit_2_with_a_near_match(weyl: Program) -> None:
    result = weyl("jobs", "search", "--columns", "JobId,Status")
    assert result.returncode == 2
    assert "JobID" in result.stderr


def test_a_filter_that_the_server_refuses_is_exit_10(weyl: Program) -> None:
    result = weyl("jobs", "search", "--where", "JobID > many")
    assert result.returncode == 10, result.stderr


def test_summary_counts(weyl: Program, server: Server, group: str) -> None:
    ids = submit(weyl, group, 3)
    move(server, ids[:1], "Failed")
    counted = rows(weyl, "jobs", "summary", "--by", "Status", "--where", f"JobGroup = {group}")
    assert sum(row["count"] for row in counted) == 3
    assert {"Status": "Failed", "count": 1} in counted


def test_show_history_params_and_description(weyl: Program, server: Server, group: str) -> None:
    [job_id] = submit(weyl, group)
    move(server, [job_id], "Running")
    [job] = rows(weyl, "jobs", "show", str(job_id))
    assert (job["JobID"], job["JobName"], job["Owner"]) == (job_id, "greeting", "alice")
    assert "JobName" in weyl("jobs", "show", str(job_id), "-o", "table").stdout
    history = rows(weyl, "jobs", "show", str(job_id), "--history")
    assert history[0]["Status"] == "Received"
    assert history[-1]["Status"] == "Running"
    assert "/bin/echo" in weyl("jobs", "show", str(job_id), "--jdl").stdout
    with server.client("alice", group="admin") as admin:
        admin.send(Call("PATCH", "/api/jobs/metadata", None, body={str(job_id): {"HostName": "node1"}}))
    parameters = rows(weyl, "jobs", "show", str(job_id), "--params")
    assert {"JobID": job_id, "Name": "HostName", "Value": "node1"} in parameters
    assert weyl("jobs", "show", str(job_id), "--params", "--jdl").returncode == 2


def test_status_of_many_and_of_a_missing_one(weyl: Program, group: str) -> None:
    ids = submit(weyl, group, 3)
    found = rows(weyl, "status", f"{ids[0]}..{ids[-1]}")
    assert [row["JobID"] for row in found] == ids
    partly = weyl("status", str(ids[0]), "999999999", "-o", "json")
    assert partly.returncode == 7
    assert [row["JobID"] for row in json.loads(partly.stdout)] == ids[:1]
    assert "999999999" in json.loads(partly.stderr)["error"]["details"]
    missing = weyl("status", "999999999")
    assert (missing.returncode, missing.stdout) == (3, "")
    for words in (["show", str(ids[0]), "999999999"], ["show", "--history", str(ids[0]), "999999999"]):
        assert weyl("jobs", *words).returncode == 7


def test_ids_on_stdin_pass_through_however_many(weyl: Program, group: str) -> None:
    ids = submit(weyl, group, 3)
    # The jobs lie in different batches, between numbers of no job.
    absent = range(10**9, 10**9 + 12_000)
    numbers = [ids[0], *absent[:6_000], ids[1], *absent[6_000:], ids[2], ids[2]]
    stdin = "\n".join(map(str, numbers))
    preview = weyl("jobs", "kill", "-", "--dry-run", "-q", stdin=stdin)
    assert (preview.returncode, preview.stdout.split()) == (7, [str(job_id) for job_id in ids])
    result = weyl("jobs", "kill", "-", "--yes", "-o", "json", stdin=stdin)
    assert result.returncode == 7
    assert json.loads(result.stdout) == [{"JobID": job_id} for job_id in ids]
    error = json.loads(result.stderr.splitlines()[-1])["error"]
    assert (error["code"], len(error["details"])) == ("partly_failed", 12_000)
    assert {row["Status"] for row in rows(weyl, "status", *map(str, ids))} == {"Killed"}


def test_nothing_on_stdin_is_a_mistake_and_a_job_that_is_not_there_is_not_found(weyl: Program) -> None:
    for command in ("kill", "delete", "reschedule"):
        assert weyl("jobs", command, "-", "--yes").returncode == 2
        assert weyl("jobs", command, "999999999", "--yes").returncode == 3


def test_destructive_commands_are_refused_without_yes(weyl: Program, group: str) -> None:
    ids = submit(weyl, group, 2)
    result = weyl("kill", *map(str, ids))
    assert result.returncode == 2
    assert "kill 2" in result.stderr
    preview = rows(weyl, "kill", "--where", f"JobGroup = {group}", "--dry-run")
    assert [row["JobID"] for row in preview] == ids
    killed = rows(weyl, "jobs", "search", "--where", f"JobGroup = {group} and Status = Killed")
    assert killed == []


def test_kill_by_ids_from_a_search(weyl: Program, server: Server, group: str) -> None:
    ids = submit(weyl, group, 3)
    move(server, ids[:1], "Running", "Done")
    found = weyl("jobs", "search", "--where", f"JobGroup = {group}", "--limit", "0", "-q")
    result = weyl("jobs", "kill", "-", "--yes", "-o", "table", stdin=found.stdout)
    assert result.returncode == 7, result.stderr
    assert result.stdout.split() == [str(job_id) for job_id in ids[1:]]
    assert str(ids[0]) in result.stderr
    statuses = {row["JobID"]: row["Status"] for row in rows(weyl, "status", *map(str, ids))}
    assert statuses == {ids[0]: "Done", ids[1]: "Killed", ids[2]: "Killed"}


def test_a_filter_to_kill_by_means_those_that_still_live(weyl: Program, server: Server, group: str) -> None:
    ids = submit(weyl, group, 2)
    move(server, ids[:1], "Running", "Done")
    result = weyl("jobs", "kill", "--where", f"JobGroup = {group}", "--yes", "-o", "table")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(ids[1])]


def test_a_refused_description_is_named_by_its_file(weyl: Program, group: str) -> None:
    good = weyl.file("good.jdl", JDL.format(group=group))
    bad = weyl.file("bad.jdl", JDL.format(group=group) + 'JobType = "Nonsense";')
    result = weyl("jobs", "submit", str(good), str(bad))
    assert result.returncode == 10
    assert result.stderr.startswith(f"Error: {bad}: JobType: 'Nonsense' is not allowed")


def test_delete_kills_first(weyl: Program, server: Server, group: str) -> None:
    ids = submit(weyl, group, 2)
    move(server, ids[:1], "Running")
    result = weyl("jobs", "delete", "--where", f"JobGroup = {group}", "--yes")
    assert result.returncode == 0, result.stderr
    assert {row["Status"] for row in rows(weyl, "status", *map(str, ids))} == {"Deleted"}


def test_nobody_kills_the_jobs_of_another(weyl: Program, weyl_as: Callable[..., Program], group: str) -> None:
    [job_id] = submit(weyl, group)
    result = weyl_as("bob")("kill", str(job_id), "--yes")
    assert result.returncode == 5, result.stderr
    assert rows(weyl, "status", str(job_id))[0]["Status"] != "Killed"


def test_among_jobs_of_others_ones_own_are_killed(weyl: Program, weyl_as: Callable[..., Program], group: str) -> None:
    [mine] = submit(weyl, group)
    [theirs] = submit(weyl_as("bob"), group)
    result = weyl("kill", str(mine), str(theirs), "--yes", "-q")
    assert (result.returncode, result.stdout.split()) == (7, [str(mine)])
    assert f"{theirs} is a job of bob" in result.stderr


def test_reschedule(weyl: Program, server: Server, group: str) -> None:
    [job_id] = submit(weyl, group)
    move(server, [job_id], "Running", "Failed")
    result = weyl("jobs", "reschedule", str(job_id))
    assert result.returncode == 0, result.stderr
    [job] = rows(weyl, "jobs", "show", str(job_id))
    assert job["RescheduleCounter"] == 1


def test_api_calls_any_route(weyl: Program, group: str) -> None:
    submit(weyl, group, 3)
    body = json.dumps({"search": [{"parameter": "JobGroup", "operator": "eq", "value": group}]})
    result = weyl("api", "POST", "/api/jobs/search", "-d", body, "--paginate")
    assert (result.returncode, len(json.loads(result.stdout))) == (0, 3)
    weyl.file("body.json", body)
    assert len(rows(weyl, "api", "POST", "/api/jobs/search?per_page=2", "-d", "@body.json")) == 2
    assert weyl("api", "GET", "/api/nothing").returncode == 3


def test_doctor_checks_what_a_command_needs(weyl: Program, weyl_as: Callable[..., Program]) -> None:
    checks = {row["Check"]: row["State"] for row in rows(weyl, "doctor")}
    assert checks == {
        "version": "ok",
        "address": "ok",
        "server": "ok",
        "release": "ok",
        "encryption": "warning",
        "clock": "ok",
        "login": "ok",
        "rights": "ok",
    }
    result = weyl_as(None)("doctor", "-o", "json")
    assert result.returncode == 4
    lost = {row["Check"]: row for row in json.loads(result.stdout)}
    assert lost["login"]["State"] == "failed"
    assert "weyl login" in lost["login"]["Advice"]
    assert weyl("doctor", "--url", "http://127.0.0.1:9").returncode == 6


def test_doctor_tells_administrators_of_the_installation_and_others_of_their_rights(
    weyl_as: Callable[..., Program],
) -> None:
    admin = {row["Check"]: row for row in rows(weyl_as("alice", group="admin"), "doctor")}
    assert admin["installation"]["State"] == "ok"
    assert "JobAdministrator" in admin["rights"]["Finding"]
    lookers = {row["Check"]: row for row in rows(weyl_as("alice", group="pilot"), "doctor")}
    assert (lookers["rights"]["State"], "installation" in lookers) == ("warning", False)
    assert "--group" in lookers["rights"]["Advice"]


def test_debug_shows_the_requests_and_no_token(weyl: Program) -> None:
    result = weyl("jobs", "search", "--debug")
    assert "POST" in result.stderr
    assert "/api/jobs/search" in result.stderr
    assert "eyJ" not in result.stderr


def test_a_search_costs_little_and_loads_no_server(weyl: Program) -> None:
    code = (
        "import sys\nfrom weyl.cli.main import run\nrun(['jobs', 'search'])\n"
        "print([name for name in ('fastapi', 'sqlalchemy', 'rich', 'yaml') if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=weyl.environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stderr.strip() == "[]"


def test_watch_takes_seconds_or_none() -> None:
    assert with_values(["jobs", "search", "--watch"]) == ["jobs", "search", "--watch=2"]
    assert with_values(["jobs", "--watch", "-q"]) == ["jobs", "--watch=2", "-q"]
    for words in (["jobs", "--watch", "0.5"], ["--watch=3"], ["submit", "cmd", "--", "tool", "--watch"]):
        assert with_values(words) == words


def test_parameters_of_jobs_are_edited(weyl: Program, weyl_as: Callable[..., Program], group: str) -> None:
    [job_id] = submit(weyl, group)
    assert weyl_as("bob")("jobs", "edit", str(job_id), "--set", "checked=no").returncode == 5
    result = weyl("jobs", "edit", str(job_id), "--set", "checked=yes", "--set", "number=3")
    assert result.returncode == 0, result.stderr
    shown = {row["Name"]: row["Value"] for row in rows(weyl, "jobs", "show", str(job_id), "--params")}
    assert (shown["checked"], shown["number"]) == ("yes", 3)
    assert weyl("jobs", "edit", str(job_id), "--set", "checked").returncode == 2
    assert weyl("jobs", "edit", str(job_id), "--set", "Owner=me").returncode == 10


def test_a_peek_shows_what_a_running_job_has_shown(weyl: Program, server: Server, group: str) -> None:
    [job_id] = submit(weyl, group)
    assert weyl("jobs", "peek", str(job_id)).returncode == 3
    with server.client("alice", group="admin") as admin:
        admin.send(heartbeat({job_id: HeartbeatData(StandardOutput="step 7")}))
    assert weyl("jobs", "peek", str(job_id)).stdout == "step 7\n"


def test_sandboxes_are_assigned_looked_into_fetched_and_taken_away(weyl: Program, group: str) -> None:
    [job_id] = submit(weyl, group)
    weyl.file("note.txt", "written by hand\n")
    name = json.loads(weyl("jobs", "sandbox", "assign", str(job_id), "note.txt", "-o", "json").stdout)["PFN"]
    assert weyl("jobs", "sandbox", "assign", str(job_id), "no-such-file").returncode == 2
    [inside] = rows(weyl, "jobs", "sandbox", "peek", str(job_id))
    assert (inside["Type"], inside["File"], inside["Size"]) == ("Output", "note.txt", 16)
    assert weyl("jobs", "sandbox", "peek", name, "note.txt").stdout == "written by hand\n"
    assert weyl("jobs", "sandbox", "peek", str(job_id), "other.txt").returncode == 3
    weyl("jobs", "sandbox", "get", str(job_id), "-d", "here")
    assert (weyl.directory / "here" / str(job_id) / "output" / "note.txt").read_text() == "written by hand\n"
    assert weyl("jobs", "sandbox", "unassign", str(job_id)).returncode == 2
    assert weyl("jobs", "sandbox", "unassign", str(job_id), "--yes").returncode == 0
    assert rows(weyl, "jobs", "sandbox", "list", str(job_id)) == []
