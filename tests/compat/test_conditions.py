"""Search conditions: the server's answer is what a filter in Python finds among all jobs (flows 11 and 12)."""

import json
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.compat.clients import Person
from tests.compat.installation import jdl, new_group, of_group

pytestmark = pytest.mark.xdist_group("compat")

Row = dict[str, Any]
TIMES = (
    *("2021-12-31T23:59:59.999999Z", "2022-01-01T00:00:00Z", "2022-01-31T12:00:00Z", "2022-02-01T00:00:00Z"),
    *("2022-02-01T09:59:00Z", "2022-02-01T10:00:00Z", "2022-02-01T10:20:59Z", "2022-02-01T10:21:00Z"),
    *("2022-02-01T10:21:30Z", "2022-02-01T10:21:30.25Z", "2022-02-01T10:21:31Z", "2023-06-01T00:00:00Z"),
)
CLI_CONDITIONS = [
    "JobName eq sim-1",
    "JobName neq sim-1",
    "JobName like %-1_",
    "JobName regex ^sim-[0-9]+$",
    'JobName in ["sim-1", "Sim-2", "none"]',
    "UserPriority gt 5",
    "UserPriority lt 5",
    'UserPriority in ["3", "7"]',
    "JobType eq Test",
    "VerifiedFlag eq TRUE",
]
"""Every operator that can be typed; `not like` and `not in` hold a blank, at which the command splits."""
LIBRARY_CONDITIONS: list[tuple[str, str, Any]] = [
    ("JobName", "not like", "sim%"),
    ("JobName", "not in", ["sim-1", "ana-3"]),
    ("JobName", "in", []),
    ("JobName", "not in", []),
    ("JobName", "gt", "sim"),
    ("Status", "neq", "Deleted"),
    ("UserPriority", "neq", "3"),
    ("Owner", "eq", "Alice"),
    ("JobName", "like", "a%"),
]
PERIODS = [
    "2022",
    "2022-02",
    "2022-02-01",
    "2022-02-01T10",
    "2022-02-01 10:21",
    "2022-02-01T10:21:30",
    "2022-02-01T10:21:30.9",
    "2022-02-01T10:21:30.123456Z",
]


@pytest.fixture(scope="module")
def group(alice: Person) -> str:
    """A job group with a job for each time of `TIMES`, of many names and priorities."""
    group = new_group()
    names = ["sim-1", "Sim-2", "sim-11", "ana-3", "ana-12", "x%y", "x_y", "sim-", "sim-1a", "ana", "b", "sim-99"]
    ids = alice.submit(
        *[
            jdl(group, JobName=name, Priority=number % 10, JobType="Test" if number % 3 else "User")
            for number, name in enumerate(names)
        ]
    )
    alice.wait_for(ids, "Waiting")
    # A late report of a wrapper moves nothing but the time of the heartbeat.
    report = {"ApplicationStatus": "step", "Source": "JobWrapper"}
    body = {job_id: {at: report} for job_id, at in zip(ids, TIMES, strict=True)}
    answer = alice.http.patch("/api/jobs/status", json=body)
    assert answer.status_code == 200, answer.text
    return group


@pytest.fixture(scope="module")
def everything(alice: Person, group: str) -> list[Row]:
    return alice.rows(of_group(group))


def like(text: str, pattern: str) -> bool:
    parts = (".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern)
    return re.fullmatch("".join(parts), text) is not None


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "lt": operator.lt,
    "like": like,
    "not like": lambda text, pattern: not like(text, pattern),
    "regex": lambda text, pattern: re.search(pattern, text) is not None,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
}


def as_type_of(column: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [as_type_of(column, item) for item in value]
    if isinstance(column, bool):
        return value.lower() == "true"
    return type(column)(value)


def expected(rows: list[Row], parameter: str, word: str, value: Any) -> list[int]:
    return [row["JobID"] for row in rows if COMPARE[word](row[parameter], as_type_of(row[parameter], value))]


def spec_of(parameter: str, word: str, value: Any) -> Row:
    return {"parameter": parameter, "operator": word, "values" if isinstance(value, list) else "value": value}


@pytest.mark.parametrize("condition", CLI_CONDITIONS)
def test_the_command_finds_what_a_filter_finds(
    alice: Person, group: str, everything: list[Row], condition: str
) -> None:
    found = alice.dirac_json(
        *("jobs", "search", "--condition", f"JobGroup eq {group}", "--condition", condition, "--per-page", "100")
    )
    parameter, word, value = condition.split(" ", 2)
    wanted = expected(everything, parameter, word, json.loads(value) if word == "in" else value)
    assert [row["JobID"] for row in found] == wanted
    assert 0 < len(wanted) < len(everything) or condition.startswith("VerifiedFlag")


def test_the_command_finds_a_job_by_its_id_as_text(alice: Person, everything: list[Row]) -> None:
    job_id = everything[3]["JobID"]
    found = alice.dirac_json("jobs", "search", "--condition", f"JobID eq {job_id}")
    assert [row["JobID"] for row in found] == [job_id]


@pytest.mark.parametrize(("parameter", "word", "value"), LIBRARY_CONDITIONS)
def test_the_library_finds_what_a_filter_finds(
    alice: Person, mode: str, group: str, everything: list[Row], parameter: str, word: str, value: Any
) -> None:
    search = [of_group(group), spec_of(parameter, word, value)]
    rows = alice.call(mode, "jobs.search", parameters=["JobID"], search=search).ok()
    assert [row["JobID"] for row in rows] == expected(everything, parameter, word, value)


def period(text: str) -> tuple[datetime, datetime]:
    """Return the first moment of a period and the first after it."""
    text = text.replace(" ", "T").removesuffix("Z").split(".")[0]
    parts = [int(part) for part in re.split(r"[-T:]", text)]
    first = datetime(*[*parts, 1, 1][: max(3, len(parts))], tzinfo=UTC)  # type: ignore[misc, arg-type]
    match len(parts):
        case 1:
            return first, first.replace(year=first.year + 1)
        case 2:
            return first, (first + timedelta(days=32)).replace(day=1)
        case count:
            unit = ("days", "hours", "minutes", "seconds")[count - 3]
            return first, first + timedelta(**{unit: 1})


def expected_in_time(rows: list[Row], word: str, text: str) -> list[int]:
    first, after = period(text)
    holds: dict[str, Callable[[datetime], bool]] = {
        "eq": lambda at: first <= at < after,
        "neq": lambda at: not first <= at < after,
        "gt": lambda at: at >= after,
        "lt": lambda at: at < first,
        "in": lambda at: first <= at < after,
        "not in": lambda at: not first <= at < after,
    }
    return [row["JobID"] for row in rows if holds[word](datetime.fromisoformat(row["HeartBeatTime"]))]


def test_the_times_were_stored(everything: list[Row]) -> None:
    assert tuple(row["HeartBeatTime"] for row in everything) == (*TIMES[:9], "2022-02-01T10:21:30.250000Z", *TIMES[10:])


@pytest.mark.parametrize("text", ["2022-02", "2022-02-01 10:21", "2022-02-01T10:21:30.9"])
def test_the_command_takes_times_of_any_resolution(alice: Person, group: str, everything: list[Row], text: str) -> None:
    found = alice.dirac_json(
        *("jobs", "search", "--condition", f"JobGroup eq {group}", "--condition", f"HeartBeatTime eq {text}"),
        *("--per-page", "100"),
    )
    assert [row["JobID"] for row in found] == expected_in_time(everything, "eq", text)


@pytest.mark.parametrize("word", ["eq", "neq", "gt", "lt", "in", "not in"])
@pytest.mark.parametrize("text", PERIODS)
def test_a_time_names_a_period_of_its_resolution(
    alice: Person, group: str, everything: list[Row], text: str, word: str
) -> None:
    value = [text] if "in" in word else text
    search = [of_group(group), spec_of("HeartBeatTime", word, value)]
    for mode in ("sync", "async"):
        rows = alice.call(mode, "jobs.search", parameters=["JobID"], search=search).ok()
        assert [row["JobID"] for row in rows] == expected_in_time(everything, word, text)


@pytest.mark.parametrize(
    ("parameter", "word", "value"),
    [
        ("HeartBeatTime", "in", ["2022", "2022-01"]),
        ("HeartBeatTime", "like", "2022%"),
        ("HeartBeatTime", "regex", "2022"),
        ("HeartBeatTime", "eq", "2022-13"),
        ("HeartBeatTime", "eq", "yesterday"),
        ("JobName", "regex", "("),
        ("JobID", "gt", "many"),
        ("VerifiedFlag", "eq", "perhaps"),
        ("NoSuchColumn", "eq", "1"),
    ],
)
def test_what_makes_no_sense_is_400(alice: Person, mode: str, parameter: str, word: str, value: Any) -> None:
    answer = alice.call(mode, "jobs.search", search=[spec_of(parameter, word, value)])
    answer.refused(400)
