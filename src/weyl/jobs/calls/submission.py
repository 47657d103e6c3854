"""The client's calls for submitting jobs and for reading back what was submitted."""

from collections.abc import Mapping, Sequence
from typing import Any

from weyl.jobs.models.submission import CheckedJob, InsertedJob, InsertedJSONJob
from weyl.kit.call import Call


def submit_jdl(jdls: Sequence[str], *, idempotency_key: str | None = None) -> Call[list[InsertedJob]]:
    """Submit job descriptions; with a key, a repeated call within a day gets the first answer and makes no new jobs."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return Call("POST", "/api/jobs/jdl", returns=list[InsertedJob], body=list(jdls), headers=headers)


def submit_strictly(jdls: Sequence[str], *, idempotency_key: str | None = None) -> Call[list[InsertedJSONJob]]:
    """Submit job descriptions as `submit_jdl` does; numbers out of bounds are refused, and the answer has warnings."""
    call = submit_jdl(jdls, idempotency_key=idempotency_key)
    return Call(
        "POST", call.path, returns=list[InsertedJSONJob], query={"strict": True}, body=call.body, headers=call.headers
    )


def submit_json(
    documents: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
) -> Call[list[InsertedJSONJob]]:
    """Submit job descriptions in JSON; a key works as with `submit_jdl`."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return Call("POST", "/api/jobs/json", returns=list[InsertedJSONJob], body=list(documents), headers=headers)


def check(jdls: Sequence[str]) -> Call[list[CheckedJob]]:
    """Ask what descriptions would make, and whether something could run it; nothing is stored."""
    return Call("POST", "/api/jobs/check", returns=list[CheckedJob], body={"jdl": list(jdls)}, repeatable=True)


def get_jdl(job_id: int) -> Call[str]:
    """Read the description of a job as it was submitted."""
    return Call("GET", f"/api/jobs/{job_id}/jdl", returns=str)
