"""Completion of ids, names and statuses: what earlier commands have shown, without a request."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weyl.cli.words import AGE_MAX_S, WORDS_MAX, Learner, load

URL = "http://127.0.0.1:9"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cache in which commands have seen two jobs, a pilot, a site and two logins."""
    learner = Learner()
    learner.take("jobs", "JobID", {"JobID": 12, "Status": "Done", "JobName": "echo", "JobGroup": "mine"})
    learner.take("jobs", "JobID", {"JobID": 130, "Status": "Failed", "Site": "LCG.Alpha.org", "JobName": None})
    learner.take("pilots", "PilotStamp", {"PilotStamp": "abc123", "Status": "Running"})
    learner.take("sites", "Name", {"Name": "LCG.Beta.org", "Allowed": True})
    learner.save(tmp_path / "weyl" / "words.json", URL)
    for name in ("", "-astro", "-hep"):
        (tmp_path / "weyl" / f"credentials{name}.json").write_text("{}")
    return tmp_path


def complete(home: Path, *words: str, url: str = URL) -> list[str]:
    """Returns what is offered for the last word, each with what is said about it."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("WEYL_", "DIRACX_"))}
    asked = {"_WEYL_COMPLETE": "1", "_WEYL_WORDS": "\n".join(words), "WEYL_URL": url, "XDG_CACHE_HOME": str(home)}
    result = subprocess.run(
        [sys.executable, "-c", "from weyl.cli.main import main; main()"],
        env=environ | asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("jobs", "show", "1"), ["12\tDone echo", "130\tFailed"]),
        (("job", "kill", "12", "13"), ["130\tFailed"]),
        (("logs", "12"), ["12\tDone echo"]),
        (("jobs", "sandbox", "list", "13"), ["130\tFailed"]),
        (("pilots", "logs", ""), ["abc123\tRunning"]),
        (("site", "show", "LCG"), ["LCG.Beta.org", "LCG.Alpha.org"]),
        (("jobs", "submit", "jdl", "--site", "LCG.A"), ["LCG.Alpha.org"]),
        (("jobs", "watch", "--group", ""), ["mine"]),
        (("jobs", "wait", "12", "--for", "Done,Fa"), ["Done,Failed"]),
        (("--profile", "a"), ["astro"]),
        (("jobs", "search", "-o", "nd"), ["ndjson"]),
        (("jobs", "search", "--output-format=ts"), ["--output-format=tsv"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("jobs", "search", "--limit", ""), []),
        (("api", "GET", ""), []),
    ],
)
def test_what_was_shown_may_be_typed_again(home: Path, words: tuple[str, ...], expected: list[str]) -> None:
    assert complete(home, *words) == expected


def test_other_installations_and_who_has_seen_nothing_get_nothing(home: Path, tmp_path: Path) -> None:
    assert complete(home, "jobs", "show", "", url="http://127.0.0.1:10") == []
    assert complete(home, "jobs", "show", "--url", URL, "", url="") == ["12\tDone echo", "130\tFailed"]
    assert complete(tmp_path / "nowhere", "jobs", "show", "") == []
    (home / "weyl" / "words.json").write_text('{"' + URL + '": {"jobs": {"12": 3}}}')
    assert complete(home, "jobs", "show", "") == []


def test_words_are_bounded_newest_first_and_forgotten_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    for first in (0, WORDS_MAX):
        learner = Learner()
        for number in range(first, first + 2 * WORDS_MAX):
            learner.take("jobs", "JobID", {"JobID": number})
        learner.save(path, URL)
    known = list(load(path, URL)["jobs"])
    assert known == [str(number) for number in range(WORDS_MAX, 2 * WORDS_MAX)]
    document = json.loads(path.read_text())
    document[URL]["jobs"] = {"7": [time.time() - AGE_MAX_S - 1, ""]}
    path.write_text(json.dumps(document))
    assert load(path, URL)["jobs"] == {}


def test_a_file_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    learner = Learner()
    learner.take("jobs", "JobID", {"JobID": 1})
    learner.save(tmp_path / "file" / "words.json", URL)
    assert load(tmp_path / "file" / "words.json", URL) == {}
