"""Every operation answers what the API's own document says it answers, whatever is sent and whoever sends it.

schemathesis writes the requests: half of them as the document wants them, half of them not; 25 per operation, 100 in
`make test-long`, 2,000 with the profile `thorough` there (see `docs/developer/testing.md`).
"""

import asyncio
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks
from structlog.testing import capture_logs
from tests.infra.app import URL, Application
from tests.infra.household import Household, settle
from tests.infra.routes import operations
from tests.infra.samples import GOOD_QUERY, PATH_NAMES, STAMP, samples
from tests.infra.selection import Share

from weyl.app import create_app
from weyl.kit.db import Database
from weyl.settings import Settings

# Of the client that asks.
MAX_URL_LENGTH = 65_536

APP = create_app(Settings())
OPERATIONS = operations(APP)
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
PROBLEMS_MAX = 20
# Those who make requests by hand; pilots, payloads and services are asked with every so manieth example.
PEOPLE = {"nobody", "user", "admin"}
PROGRAMS_EVERY = 5
# What the fields of bodies and of logins must say to come further than the first look at them.
FIELDS = {"vo": "voa", "site": "LCG.Alpha.org", "client_id": "myDIRACClientID", "grant_type": "refresh_token"}
FIELDS |= {"scope": "vo:voa", "pilot_stamp": STAMP, "wait_s": 0}
FLOWS = {"/api/auth/device", "/api/auth/token"}


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with what stands for 422 as that: a default would allow every status."""
    strict = copy.deepcopy(document)
    for methods in strict["paths"].values():
        for operation in methods.values():
            if "default" in operation["responses"]:
                operation["responses"]["422"] = operation["responses"].pop("default")
    return strict


SCHEMA = schemathesis.openapi.from_dict(strict(APP.openapi()))


@dataclass
class Inspection:
    """One operation of a running application, asked by everybody; what was wrong with the answers."""

    operation: str
    application: Application
    household: Household
    loop: asyncio.AbstractEventLoop
    examples: int = 0
    problems: dict[str, None] = field(default_factory=dict)
    judged: set[tuple[object, ...]] = field(default_factory=set)

    def ask(self, case: Case) -> None:
        """Send one request and judge the answers: each as people, some as programs of ours too."""
        self.examples += 1
        request = requests.Request(**_arguments(case)).prepare()
        if len(request.url or "") > MAX_URL_LENGTH:  # our client sends none so long, and no server takes it
            return
        for who, headers in self.household.tokens.items():
            if who not in PEOPLE and self.examples % PROGRAMS_EVERY != 1:
                continue
            future = asyncio.run_coroutine_threadsafe(self._send(request, headers), self.loop)
            self._judge(who, case, request, future.result())

    async def _send(self, request: requests.PreparedRequest, headers: dict[str, str]) -> httpx2.Response:
        sent = {**request.headers, **headers}
        return await self.application.client.request(request.method, request.url, content=request.body, headers=sent)

    def _judge(self, who: str, case: Case, request: requests.PreparedRequest, answer: httpx2.Response) -> None:
        # Which answers an operation may give does not hang on the request: most say the same as one before.
        said = (answer.status_code, answer.headers.get("content-type"), frozenset(answer.headers), answer.content)
        if said in self.judged:
            return
        self.judged.add(said)
        found = [f"status {answer.status_code}"] if answer.status_code >= 500 else []
        headers = {name: answer.headers.get_list(name) for name in answer.headers}
        response = Response(answer.status_code, headers, answer.content, request, elapsed=0, verify=False)
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            found += [f"{failure.title}: {failure.message}" for failure in group.exceptions]
        for problem in found:
            sent = f"{request.url} {request.body!r}"[:500]
            self.problems.setdefault(f"{who}: {problem}\n  sent {sent}\n  got {answer.text[:500]}")


def _arguments(case: Case) -> dict[str, Any]:
    arguments = case.as_transport_kwargs(base_url=URL)
    return {name: value for name, value in arguments.items() if value is not None}


def known(case: Case, household: Household) -> Case:
    """Return the request about things that exist, where it names any."""
    names = {**PATH_NAMES, "job_id": str(household.job_id), "letter_id": "1"}
    case.path_parameters = {name: names.get(name, value) for name, value in case.path_parameters.items()}
    fields = {**FIELDS, "job_ids": [household.job_id]}
    if case.path in FLOWS:
        case.query = {name: FIELDS.get(name, value) for name, value in case.query.items()}
    body = case.body
    if isinstance(body, dict) and not fields.keys().isdisjoint(body):
        case.body = {name: fields.get(name, value) for name, value in body.items()}
    sample = samples(household.job_id).get(f"{case.method} {case.path}")
    if isinstance(body, dict) and body and isinstance(sample, dict) and set(sample) <= {str(household.job_id), STAMP}:
        case.body = {**body, next(iter(sample)): next(iter(body.values()))}
    return case


def good(operation: Any, household: Household) -> Case:
    """Return the request that an operation is made for."""
    names = {**PATH_NAMES, "job_id": str(household.job_id), "letter_id": "1"}
    sample = samples(household.job_id).get(operation.label)
    return operation.Case(
        path_parameters={parameter.name: names[parameter.name] for parameter in operation.path_parameters},
        query={each.name: GOOD_QUERY[each.name] for each in operation.query if each.name in GOOD_QUERY},
        **({} if sample is None else {"body": sample, "media_type": "application/json"}),
    )


def run(strategy: st.SearchStrategy[Any], ask: Callable[[Any], None], examples: int) -> None:
    """Ask so many examples, the same ones each time unless the profile says otherwise."""

    @settings(max_examples=examples, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def each(example: Any) -> None:
        ask(example)

    each()


def inspect(inspection: Inspection, wanted: int) -> None:
    """Send the examples; an operation that nothing can be wrong with gets only good ones."""
    method, path = inspection.operation.split(" ")
    operation = SCHEMA[path][method]
    household = inspection.household
    inspection.ask(good(operation, household))

    def ask(example: tuple[Case, bool]) -> None:
        case, is_known = example
        inspection.ask(known(case, household) if is_known else case)

    for mode in (GenerationMode.NEGATIVE, GenerationMode.POSITIVE):
        strategy = st.tuples(operation.as_strategy(generation_mode=mode), st.booleans())
        left = wanted - inspection.examples
        try:
            run(strategy, ask, left // 2 if mode == GenerationMode.NEGATIVE else left)
        except Unsatisfiable:
            assert mode == GenerationMode.NEGATIVE, inspection.operation


@pytest.fixture
def quiet() -> Iterator[None]:
    """Keep what is logged: drawing it takes longer than answering."""
    with capture_logs():
        yield


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_operation_answers_as_its_document_says(
    operation: str, start_application: Any, db: Database, quiet: None, take_part: Callable[[int], Share]
) -> None:
    application = await start_application(logins_per_minute=1_000_000)
    household = await settle(application, db)
    inspection = Inspection(operation, application, household, asyncio.get_running_loop())
    examples = settings().max_examples // take_part(4).one_of
    await asyncio.to_thread(inspect, inspection, examples)
    problems = list(inspection.problems)
    assert not problems, "\n\n".join([f"{len(problems)} problems", *problems[:PROBLEMS_MAX]])
