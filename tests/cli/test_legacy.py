"""Old names of DIRAC's programs: what they print where scripts read it, and that they fail where they failed."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Program, Server
from tests.cli.steps import finish, move, submit

from weyl.cli.legacy.__main__ import ALIASES
from weyl.cli.legacy.arguments import Alias, Option, help_text, parse
from weyl.cli.legacy.jobs import description_of
from weyl.cli.legacy.others import replacement
from weyl.client.errors import UsageFault
from weyl.descriptions.jdl import parse as parse_jdl

Old = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def old(weyl: Program) -> Old:
    """Runs an old name from the directory that `weyl legacy-aliases` has written."""
    written = weyl("legacy-aliases", "--dir", "bin", "-q")
    assert written.returncode == 0, written.stderr
    assert set(written.stdout.split()) == set(ALIASES)

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [weyl.directory / "bin" / name, *arguments],
            env=weyl.environ,
            cwd=weyl.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_a_job_is_submitted_followed_fetched_and_removed(weyl: Program, old: Old, server: Server, group: str) -> None:
    weyl.file("job.jdl", f'Executable = "/bin/echo"; JobName = "old"; JobGroup = "{group}";')
    submitted = old("dirac-wms-job-submit", "job.jdl", "--File=ids")
    assert re.fullmatch(r"JobID = \d+\n", submitted.stdout), submitted.stderr
    job = submitted.stdout.split()[-1]
    assert f"JobID={job} Status=" in old("dirac-wms-job-status", "-f", "ids").stdout
    assert "Executable" in old("dirac-wms-job-get-jdl", job).stdout
    assert f"'JobID': {job}" in old("dirac-wms-job-attributes", job).stdout
    assert old("dirac-wms-job-logging-info", job).stdout.splitlines()[1].split()[0] == "Received"
    assert old("dirac-wms-job-peek", job).returncode != 0
    finish(server, int(job), weyl.directory)
    assert f"JobID={job} Status=Done; MinorStatus=step 1;" in old("dirac-wms-job-status", job).stdout
    fetched = old("dirac-wms-job-get-output", f"/Dir={weyl.directory}/here", job)
    assert fetched.stdout == f"Job output sandbox retrieved in {weyl.directory}/here/{job}/\n", fetched.stderr
    assert (weyl.directory / "here" / job / "std.out").exists()
    assert old("doutput", "-D", "there", job).returncode == 0
    assert old("dirac-wms-job-get-input", job).returncode != 0
    selected = old("dirac-wms-select-jobs", "--Status=Done", f"--jobgroup={group}")
    assert selected.stdout.splitlines()[-1] == job
    assert old("dirac-wms-job-delete", job).stdout == f"Deleted jobs {job}\n"


def test_jobs_are_killed_and_run_again(weyl: Program, old: Old, server: Server, group: str) -> None:
    ids = submit(weyl, group, 3)
    text = ",".join(str(job_id) for job_id in ids[:2])
    assert old("dirac-wms-job-kill", *map(str, ids[:2])).stdout == f"Killed jobs {text}\n"
    move(server, ids[2:], "Running", "Failed")
    assert old("dirac-wms-job-reschedule", str(ids[2])).stdout == f"Rescheduled job {ids[2]}\n"
    partly = old("dirac-wms-job-status", str(ids[0]), "999999999")
    assert partly.returncode != 0
    assert f"JobID={ids[0]} Status=Killed" in partly.stdout
    assert old("dkill", "-g", group).returncode == 0
    assert "Killed" in old("dlogging", str(ids[2])).stdout


def test_the_short_commands(weyl: Program, old: Old, group: str) -> None:
    job = old("dsub", f"--JobGroup={group}", "--Name=short", "/bin/echo", "-n", "hi").stdout.strip()
    assert job.isdigit()
    assert old("dsub", "--Parametric=1:6:2", "/bin/true").stdout.count("\n") == 3
    assert job in old("dstat", "-g", group).stdout
    assert old("dstat", job).returncode == 0
    old("dkill", job)
    assert job not in old("dstat", "-g", group).stdout
    assert job in old("dstat", "-a", "-g", group).stdout


def test_who_one_is_and_what_may_be_used(old: Old) -> None:
    assert "username     : alice" in old("dirac-proxy-info").stdout
    assert "LCG.Alpha.org" in old("dirac-admin-get-site-mask").stdout.split()
    assert "LCG.Alpha.org" in old("dirac-rss-list-status").stdout
    assert old("dirac-admin-pilot-summary").returncode == 0
    assert old("dirac-admin-ban-site", "LCG.Alpha.org").returncode == 2
    # Bans are for those who look after sites, and alice is none of them.
    assert old("dirac-admin-ban-site", "LCG.Alpha.org", "power", "cut").returncode == 5
    assert old("dirac-admin-site-mask-logging", "LCG.Alpha.org").returncode == 0
    assert old("dirac-admin-get-pilot-info", "nothing").returncode != 0
    # Of administrators, and alice is none.
    assert old("dirac-admin-show-task-queues").returncode == 5
    assert old("dirac-logout").returncode == 0
    assert old("dirac-proxy-info").returncode == 4


def test_files_of_others_are_left_alone_and_ours_are_removed(weyl: Program, tmp_path: Path) -> None:
    (tmp_path / "dsub").write_text("#!/bin/sh\necho somebody else's\n")
    written = weyl("legacy-aliases", "--dir", str(tmp_path), "--family", "short", "-q")
    assert written.returncode == 7
    assert "dsub" in written.stderr
    assert not (tmp_path / "dirac-wms-job-submit").exists()
    assert weyl("legacy-aliases", "--dir", str(tmp_path), "--remove").returncode == 0
    assert [path.name for path in tmp_path.glob("d*")] == ["dsub"]
    assert weyl("legacy-aliases").returncode == 2
    assert "dstat" in weyl("legacy-aliases", "--list", "-q").stdout.split()


@pytest.mark.parametrize(
    ("words", "group", "rest"),
    [
        (["--JobGroup=a", "1"], "a", ["1"]),
        (["--jobgroup", "a", "1"], "a", ["1"]),
        (["/JobGroup=a", "1"], "a", ["1"]),
        (["-g", "a", "1"], "a", ["1"]),
        (["-ga", "1"], "a", ["1"]),
        (["-ddd", "-o", "/DIRAC/Setup=x", "1", "-g", "a"], "a", ["1"]),
        (["/some/file"], "", ["/some/file"]),
        (["--", "-g"], "", ["-g"]),
    ],
)
def test_options_are_read_in_every_old_spelling(words: list[str], group: str, rest: list[str]) -> None:
    alias = Alias("dirac-x", "Does something.", "", lambda given: [], options=(Option("JobGroup", "g"),))
    given = parse(alias, words)
    assert (given.one("JobGroup"), given.words) == (group, rest)
    with pytest.raises(UsageFault):
        parse(alias, ["--Nonsense=1"])
    with pytest.raises(UsageFault):
        parse(alias, ["-g"])


def test_a_command_line_of_dsub_becomes_a_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text("")
    (tmp_path / "base.jdl").write_text('Executable = "/bin/true"; JobName = "base";')
    dsub = ALIASES["dsub"]
    document = parse_jdl(
        description_of(parse(dsub, ["-N", "n", "--InputSandbox=a,b", "--Site=S1,S2", "run.sh", "--flag", "x"]))
    )
    assert (document["Executable"], document["Arguments"], document["JobName"]) == ("run.sh", "--flag x", "n")
    assert document["InputSandbox"] == ["run.sh", "a", "b"]
    assert document["Site"] == ["S1", "S2"]
    changed = parse_jdl(description_of(parse(dsub, ["-J", "base.jdl", "--Priority=3"])))
    assert (changed["Executable"], changed["JobName"], changed["Priority"]) == ("/bin/true", "base", "3")
    for words in ([], ["--Parametric=x", "/bin/true"]):
        with pytest.raises(UsageFault):
            description_of(parse(dsub, words))


def test_what_has_no_alias_names_what_replaces_it() -> None:
    for name in ("dirac-dms-replicate-lfn", "dirac-admin-add-user", "drepl", "dirac-prod-start", "dirac-wms-match"):
        assert (replacement(name) or "").startswith("weyl ")
        assert name not in ALIASES
    assert replacement("dance") is None
    for alias in ALIASES.values():
        assert alias.summary in help_text(alias)
