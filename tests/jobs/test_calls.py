"""The client's calls say what the routes take, and read what they answer."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs

from weyl.jobs.calls import changes, lists, reports
from weyl.jobs.models.heartbeat import HeartbeatData
from weyl.jobs.models.status import JobStatusUpdate
from weyl.jobs.states import JobStatus
from weyl.kit import json
from weyl.kit.call import Call
from weyl.kit.clock import utcnow
from weyl.kit.search import SearchParams, SummaryParams


def _body(value: Any) -> bytes:
    return json.dumps(value.model_dump(mode="json") if hasattr(value, "model_dump") else value)


CALLS: dict[str, Callable[[int], Call[Any]]] = {
    "search": lambda job_id: lists.search(SearchParams()),
    "summary": lambda job_id: lists.summary(SummaryParams(grouping=["Status"])),
    "parameters": lists.parameters,
    "history": lists.history,
    "statuses": lambda job_id: changes.set_statuses(
        {job_id: {utcnow(): JobStatusUpdate(status=JobStatus.RUNNING, source="JobWrapper")}}
    ),
    "reschedule": lambda job_id: changes.reschedule([job_id]),
    "kill": lambda job_id: changes.kill([job_id]),
    "delete": lambda job_id: changes.delete([job_id]),
    "heartbeat": lambda job_id: reports.heartbeat({job_id: HeartbeatData.model_validate({"LoadAverage": 1})}),
    "metadata": lambda job_id: reports.metadata({job_id: {"Site": "LCG.X"}}),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_is_understood_and_so_is_its_answer(
    application: Application, make_jobs: MakeJobs, name: str
) -> None:
    (job_id,) = await make_jobs(status="Matched")
    call = CALLS[name](job_id)
    answer = await application.client.request(
        call.method,
        call.path,
        params={key: str(value).lower() for key, value in call.query.items()},
        content=None if call.body is None else _body(call.body),
        headers=application.login() | {"Content-Type": "application/json"},
    )
    assert answer.status_code in (200, 204), answer.text
    if call.returns is not None:
        TypeAdapter(call.returns).validate_json(answer.content)
