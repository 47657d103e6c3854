"""What nothing can satisfy is refused at submission, with its place; what nothing has satisfied yet gets a warning."""

from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application

from weyl.kit.db import Database

TIME = {"wall_time": 60}
GPU = {"vendor": "nvidia", "arch": "sm_80"}

IMPOSSIBLE: list[tuple[dict[str, Any], str, str]] = [
    ({"cpu": {"num_cores": {"min": 8, "max": 4}}}, "/cpu/num_cores", "min 8 is above max 4"),
    ({"cpu": {"num_cores": {"min": -1, "max": 4}}}, "/cpu/num_cores/min", "must be an integer from 1 to 65535"),
    ({"cpu": {"num_cores": {"min": 10**9}}}, "/cpu/num_cores/min", "must be an integer from 1 to 65535"),
    ({"wall_time": 10**9}, "/wall_time", "must be an integer from 1 to 31536000"),
    ({"io": {"scratch_mb": -1}}, "/io/scratch_mb", "must be an integer from 0 to"),
    (
        {"cpu": {"ram_mb": {"request": {"overhead": 2_000}, "limit": {"overhead": 1_000}}}},
        "/cpu/ram_mb/limit/overhead",
        "is below the request of 2000 MB",
    ),
    (
        {"cpu": {"architecture": {"name": "x86_64", "required_features": ["avx9"]}}},
        "/cpu/architecture/required_features/0",
        "'avx9' is not a known feature of x86_64",
    ),
    (
        {"cpu": {"architecture": {"name": "aarch64", "level": "x86-64-v3"}}},
        "/cpu/architecture/level",
        "is for x86_64 only",
    ),
    ({"gpu": {**GPU, "count": {"min": 4, "max": 1}}}, "/gpu/count", "min 4 is above max 1"),
    ({"gpu": {**GPU, "count": {"min": 0, "max": 1}}}, "/gpu/count/min", "0 is allowed only if the tags require"),
    ({"tags": "a & ~a"}, "/tags", "it asks for a tag that it also excludes"),
    ({"tags": "(a | b) & ~a & ~b"}, "/tags", "it asks for a tag that it also excludes"),
    ({"tags": "os:el99"}, "/tags", "'os:el99' is not a known os: tag"),
    ({"tags": "site:LCG.Alpha.org"}, "/tags", "use sites or banned_sites"),
    ({"tags": "platform:x86_64-el9"}, "/tags", "platform: tags are made by the server"),
    ({"tags": " & ".join(f"t{number}" for number in range(17))}, "/tags", "names at most 16 tags, this one names 17"),
    ({"tags": "x" * 1_025}, "/tags", "has at most 1024 characters"),
    ({"tags": "a && b"}, "/tags", "expected a tag, found '&'"),
]


@pytest.mark.parametrize(("requirements", "pointer", "sentence"), IMPOSSIBLE)
async def test_requirements_that_nothing_can_satisfy_are_refused(
    application: Application, db: Database, *, requirements: dict[str, Any], pointer: str, sentence: str
) -> None:
    good, bad = ({"executable": "a", "requirements": {**TIME, **each}} for each in ({}, requirements))
    answer = await application.client.post("/api/jobs/json", json=[good, bad], headers=application.login())
    assert answer.status_code == 400, answer.text
    assert answer.json()["index"] == 1
    [problem] = answer.json()["problems"]
    assert problem["pointer"] == f"/requirements{pointer}"
    assert sentence in problem["detail"]
    async with db.read() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM jobs"))).scalar_one() == 0


async def test_each_alternative_is_looked_at(application: Application) -> None:
    job = {"executable": "a", "requirements": [{**TIME, "tags": "a"}, {**TIME, "tags": "a & ~a"}]}
    answer = await application.client.post("/api/jobs/json", json=[job], headers=application.login())
    assert [problem["pointer"] for problem in answer.json()["problems"]] == ["/requirements/1/tags"]
