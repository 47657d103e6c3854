"""How `weyl jobs why` tells what the server says of a job."""

from typing import Any

from weyl.jobs.cli.why import lines

NOTHING: dict[str, Any] = {
    "job_id": 12,
    "status": "Waiting",
    "verdict": "It waits for its turn",
    "waiting_s": 5400,
    "ahead": None,
    **{name: [] for name in ("before", "pilots", "facts", "steps", "suggestions", "nearest", "limits")},
}


def test_a_waiting_job_is_told_with_everything_before_it() -> None:
    told = NOTHING | {
        "ahead": 1205,
        "before": [
            {"jobs": 5, "or_more": False, "what": "of the same kind"},
            {"jobs": 1200, "or_more": True, "what": "of its owner, older"},
        ],
        "facts": [
            {"condition": "Place", "text": "number 6 of 6 of its kind"},
            {"condition": "Pilots now", "text": "2 running, at A"},
        ],
        "suggestions": [{"text": "Wait for its turn"}],
    }
    assert list(lines(told)) == [
        "Job 12 (Waiting, for 1.5 h): It waits for its turn.",
        "Before it: more than 1,205 jobs.",
        "          5 of the same kind",
        "      1,200 or more of its owner, older",
        "Place:      number 6 of 6 of its kind",
        "Pilots now: 2 running, at A",
        "",
        "What you can do:",
        "  Wait for its turn",
    ]


def test_lengths_of_time_are_short() -> None:
    for seconds, said in ((59, "59 s"), (61, "1 min"), (621, "10 min"), (5400, "1.5 h"), (9_000_000, "104 d")):
        assert f"(Waiting, for {said})" in next(iter(lines(NOTHING | {"waiting_s": seconds})))


def test_findings_are_told_in_their_order_and_nothing_as_json() -> None:
    told = NOTHING | {
        "status": "Failed",
        "verdict": "It failed: Application not found: run.sh not found",
        "steps": [
            {"condition": "Kind of failure", "text": "application not found (989a0d51aa07a41e)", "link": "/failures/x"},
            {"condition": "Retry", "text": "Program errors are not retried automatically"},
        ],
        "failure": {"elsewhere": {"sites": {"A": 1}}},
        "hold": None,
        "class_id": 7,
    }
    text = "\n".join(lines(told))
    assert text.splitlines() == [
        "Job 12 (Failed, for 1.5 h): It failed: Application not found: run.sh not found.",
        "Kind of failure: application not found (989a0d51aa07a41e)",
        "Retry:           Program errors are not retried automatically",
    ]
    assert "class" not in text
    assert "{" not in text
