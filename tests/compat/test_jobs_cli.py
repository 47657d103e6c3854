"""Submitting and searching jobs with `dirac jobs` (flows 6, 8 to 10 and 13)."""

import re
from pathlib import Path

import pytest

from tests.compat.clients import Person
from tests.compat.installation import jdl, new_group, of_group

pytestmark = pytest.mark.xdist_group("compat")

DEFAULT_COLUMNS = [
    "JobID",
    "JobGroup",
    "Site",
    "JobName",
    "Owner",
    "LastUpdateTime",
    "Status",
    "MinorStatus",
    "ApplicationStatus",
]
"""In the order of the table, which is not the order in which the command asks for them."""
ALL_COLUMNS = [
    *("JobID", "JobType", "JobGroup", "Site", "JobName", "Owner", "OwnerGroup", "VO", "SubmissionTime"),
    *("RescheduleTime", "LastUpdateTime", "StartExecTime", "HeartBeatTime", "EndExecTime", "Status", "MinorStatus"),
    *("ApplicationStatus", "UserPriority", "RescheduleCounter", "VerifiedFlag", "AccountedFlag"),
]


@pytest.fixture(scope="module")
def group_of_25(alice: Person) -> str:
    """A job group with 25 jobs."""
    group = new_group()
    alice.submit(*[jdl(group, JobName=f"job-{number:02}") for number in range(25)])
    return group


def searching(group: str, *arguments: str) -> list[str]:
    return ["jobs", "search", "--condition", f"JobGroup eq {group}", *arguments]


def test_two_files_become_two_jobs(alice: Person, tmp_path: Path) -> None:
    group = new_group()
    files = [tmp_path / "a.jdl", tmp_path / "b.jdl"]
    for file in files:
        file.write_text(jdl(group, JobName=file.stem))
    done = alice.dirac("jobs", "submit", *map(str, files))
    found = re.fullmatch(r"Inserted 2 jobs with ids: (\d+),(\d+)\n", done.stdout)
    assert found is not None, done
    first, second = int(found[1]), int(found[2])
    assert first < second
    rows = alice.dirac_json(*searching(group))
    assert [(row["JobID"], row["JobName"]) for row in rows] == [(first, "a"), (second, "b")]


def test_one_broken_jdl_among_ten_inserts_none_and_is_named(alice: Person, tmp_path: Path) -> None:
    group = new_group()
    files = []
    for number in range(10):
        files.append(tmp_path / f"{number}.jdl")
        files[-1].write_text(jdl(group) if number != 7 else '[ Executable = "/bin/true"; CPUTime = "soon"; ]')
    done = alice.dirac("jobs", "submit", *map(str, files))
    assert done.returncode != 0
    assert "Inserted" not in done.stdout
    assert alice.rows(of_group(group)) == []
    answer = alice.http.post("/api/jobs/jdl", json=[file.read_text() for file in files])
    assert answer.status_code == 400
    assert "7" in answer.json()["detail"]
    assert "CPUTime" in answer.json()["detail"]


def test_the_default_page_has_ten_rows_of_nine_columns(alice: Person, group_of_25: str) -> None:
    rows = alice.dirac_json(*searching(group_of_25))
    assert [row["JobName"] for row in rows] == [f"job-{number:02}" for number in range(10)]
    assert list(rows[0]) == DEFAULT_COLUMNS


def test_the_table_says_which_part_it_shows(alice: Person, group_of_25: str) -> None:
    shown = alice.dirac(*searching(group_of_25), DIRACX_OUTPUT_FORMAT="RICH")
    assert "Showing 0-9 of 25 jobs" in shown.stdout
    whole = alice.dirac(*searching(group_of_25, "--per-page", "25"), DIRACX_OUTPUT_FORMAT="RICH")
    assert "Showing all jobs" in whole.stdout


@pytest.mark.parametrize(("page", "first", "number"), [(2, 10, 10), (3, 20, 5)])
def test_the_next_pages_follow(alice: Person, group_of_25: str, page: int, first: int, number: int) -> None:
    rows = alice.dirac_json(*searching(group_of_25, "--page", str(page)))
    assert [row["JobName"] for row in rows] == [f"job-{first + offset:02}" for offset in range(number)]


def test_all_shows_every_column_in_the_order_of_the_table(alice: Person, group_of_25: str) -> None:
    rows = alice.dirac_json(*searching(group_of_25, "--all", "--per-page", "1"))
    assert list(rows[0]) == ALL_COLUMNS


def test_columns_come_in_the_order_of_the_table_whatever_was_asked(alice: Person, group_of_25: str) -> None:
    asked = [word for name in ("Status", "VO", "JobID", "Owner") for word in ("--parameter", name)]
    rows = alice.dirac_json(*searching(group_of_25, *asked, "--per-page", "1"))
    assert list(rows[0]) == ["JobID", "Owner", "VO", "Status"]


def test_a_page_beyond_the_end_is_416_with_an_empty_list_which_the_command_quotes(
    alice: Person, group_of_25: str
) -> None:
    done = alice.dirac(*searching(group_of_25, "--page", "9"))
    # The generated client of 0.7.0 takes every status but 200 and 206 for an error, against its own server too.
    assert "Range Not Satisfiable" in done.stderr
    assert "Content: []" in done.stderr
    assert done.stdout == ""
    answer = alice.call("sync", "jobs.search", search=[of_group(group_of_25)], page=9, per_page=10)
    assert answer.status == 416
    assert answer.headers["content-range"] == "jobs */25"
    raw = alice.http.post(
        "/api/jobs/search", params={"page": 9, "per_page": 10}, json={"search": [of_group(group_of_25)]}
    )
    assert (raw.status_code, raw.json()) == (416, [])


def test_no_job_at_all_is_an_empty_list(alice: Person) -> None:
    assert alice.dirac_json(*searching(new_group())) == []
    assert "No jobs found" in alice.dirac(*searching(new_group()), DIRACX_OUTPUT_FORMAT="RICH").stdout
