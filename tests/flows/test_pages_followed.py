"""What the documentation tells a newcomer to type, typed to the letter on an installation of their own."""

import json
import re
from pathlib import Path

import pytest

from tests.infra.reader import Reader, steps
from weyl.demo.stack import Stack

pytestmark = [pytest.mark.xdist_group("pages-followed"), pytest.mark.timeout(400)]

PAGES = Path(__file__).resolve().parents[2] / "docs" / "user"
PEOPLE = {"": "alice", "production": "max", "admin": "ada"}


@pytest.fixture(scope="module")
def reader(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has just typed `weyl up`."""
    return Reader(stack.url, tmp_path_factory.mktemp("newcomer"), PEOPLE)


def test_the_quick_start_leads_from_the_login_to_a_query(reader: Reader) -> None:
    _, found, rest = (PAGES / "quick-start.md").read_text().partition("\n## Log in\n")
    assert found
    assert sum(1 for _ in steps(rest)) >= 15
    reader.follow(rest)
    said = "".join(reader.said)
    assert "hello" in said
    assert sorted(path.name for path in (reader.directory / "results").glob("*/square-*.txt")) == [
        f"square-{number}.txt" for number in range(1, 6)
    ]
    assert (reader.directory / "copies" / "5.txt").read_text() == "5 squared is 25\n"
    assert "squares/5.txt" in said


def test_the_recipes_lead_where_they_say(reader: Reader) -> None:
    page = (PAGES / "recipes.md").read_text()
    assert sum(1 for _ in steps(page)) >= 15
    del reader.said[:]
    reader.log_in("weyl login hep")
    reader.follow(page)
    said = "".join(reader.said)
    found = {path.read_text() for path in (reader.directory / "scan").glob("*/*.out")}
    assert found == {f"working on {name}\n" for name in ("alpha", "beta", "gamma", "delta")}
    for word in ("512", "no-such-program", "exited with status 4", "4 Done", "offers cores: 512"):
        assert word in said


@pytest.mark.parametrize("jobs", [10, pytest.param(200, marks=pytest.mark.long)])
def test_twelve_everyday_tasks_are_done_as_the_page_says(reader: Reader, jobs: int) -> None:
    page = (PAGES / "everyday.md").read_text()
    assert len(re.findall("^## ", page, re.MULTILINE)) == 12
    assert "seed=1..200" in page
    del reader.said[:]
    reader.follow(page.replace("seed=1..200", f"seed=1..{jobs}"))
    said = "".join(reader.said)
    assert len(list((reader.directory / "counts").glob("*/count-*.txt"))) == jobs
    assert [path.read_text() for path in (reader.directory / "greetings").glob("**/said.txt")] == ["hello 3\n"]
    for word in (
        "seed 1: 2 lines",
        "seed 2: 2 lines",
        "offers cores: 512",
        "exited with status 1",
        "power cut",
        "At most 500",
    ):
        assert word in said


def test_an_installation_is_certified_as_the_page_says(reader: Reader) -> None:
    page = (PAGES.parent / "admin" / "certify.md").read_text()
    del reader.said[:]
    reader.follow(page)
    assert "is certified: all 10 checks passed" in "".join(reader.said)
    rows = json.loads((reader.directory / "certificate.json").read_text())
    assert {row["State"] for row in rows} == {"ok"}
    named = {row["Check"].replace("DEMO-S3", "NAME").replace("DEMO-DISK", "NAME") for row in rows}
    assert named == set(re.findall(r"^\| ([^|]+?) \| (?!what is)[^-]", page, re.MULTILINE))
    assert "DEMO-S3" not in reader.type("weyl data ls -R | grep certify || true")


def test_what_does_not_work_is_not_certified(reader: Reader) -> None:
    reader.log_in("weyl login hep")
    said = reader.type("weyl certify --site LCG.Nowhere.org --timeout 1s -o json; echo exit $?")
    states = dict(re.findall(r'"Check": "([^"]+)", "State": "([^"]+)"', said))
    assert (states["storage element DEMO-S3"], states["job"], states["killed job"]) == ("ok", "failed", "not tried")
    assert "Unknown site LCG.Nowhere.org" in said
    assert said.endswith("exit 9\n")
