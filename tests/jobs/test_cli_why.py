"""How `weyl jobs why` tells a failure."""

from typing import Any

import pytest

from weyl.jobs.cli.why import _failure

FAILURE: dict[str, Any] = {
    "signature": "989a0d51aa07a41e",
    "text": "exited with status: <n>",
    "elsewhere": {"count": 1, "sites": {"LCG.Alpha.org": 1}, "users": {"alice": 1}},
    "retry": "Program errors are not retried automatically",
}


@pytest.mark.parametrize(
    ("standing", "reason", "words"),
    [
        ("open", None, "is healthy"),
        (None, None, "is healthy"),
        ("no jobs", "five quick failures", "gets no jobs: five quick failures"),
        ("one job at a time", None, "gets one job at a time"),
    ],
)
def test_a_failure_is_told_with_the_health_of_its_host(standing: str | None, reason: str | None, words: str) -> None:
    host = {"host": "wn1", "site": "LCG.Alpha.org", "standing": standing, "reason": reason}
    assert list(_failure({**FAILURE, "host": host})) == [
        "Signature 989a0d51aa07a41e: exited with status: <n>",
        "The same in the last day: 1 time (sites: LCG.Alpha.org 1; users: alice 1).",
        f"Host wn1 at LCG.Alpha.org {words}.",
        "Program errors are not retried automatically.",
    ]
