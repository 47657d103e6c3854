"""Offers that lie and questions that are meant to harm: a clear refusal, and nothing is taken from anybody."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import OFFER, Submit

from weyl.kit.db import Database
from weyl.matcher.service.matcher import MATCHER

STAMP = "a" * 32
CPU: dict[str, Any] = OFFER["cpu"]  # type: ignore[assignment]
GPU = {"count": 1, "vendor": "nvidia", "arch": "sm_80", "vram_mb_per_gpu": 16_384, "runtime_version": "12.4"}


async def ask(application: Application, *, stamp: str = STAMP, **body: Any) -> httpx2.Response:
    return await application.client.post(
        "/api/matcher/match", json={"offer": OFFER, **body}, headers=application.pilot(stamp)
    )


async def statuses(db: Database) -> list[str]:
    async with db.read() as tx:
        return list((await tx.execute(text("SELECT status FROM jobs ORDER BY job_id"))).scalars())


def cpu(**changes: Any) -> dict[str, Any]:
    return {"cpu": {**CPU, **changes}}


def with_flags(*flags: Any) -> dict[str, Any]:
    return cpu(architecture={"name": "x86_64", "features": list(flags)})


LIES: list[tuple[dict[str, Any], list[Any]]] = [
    (cpu(num_cores=-8), ["cpu", "num_cores"]),
    (cpu(num_cores=0), ["cpu", "num_cores"]),
    (cpu(num_cores=10**9), ["cpu", "num_cores"]),
    (cpu(num_cores=1.5), ["cpu", "num_cores"]),
    (cpu(num_cores=None), ["cpu", "num_cores"]),
    (cpu(num_nodes=0), ["cpu", "num_nodes"]),
    (cpu(ram_mb=-1), ["cpu", "ram_mb"]),
    (cpu(ram_mb=2**40), ["cpu", "ram_mb"]),
    (cpu(architecture=None), ["cpu", "architecture"]),
    (cpu(architecture={"name": ""}), ["cpu", "architecture", "name"]),
    (cpu(architecture={"name": "x86_64\x00"}), ["cpu", "architecture", "name"]),
    (with_flags("x" * 257), ["cpu", "architecture", "features", 0]),
    (with_flags("avx2", ""), ["cpu", "architecture", "features", 1]),
    (with_flags("avx2", "a\x00b"), ["cpu", "architecture", "features", 1]),
    (with_flags(*(f"f{number}" for number in range(2_049))), ["cpu", "architecture", "features"]),
    (with_flags(7), ["cpu", "architecture", "features", 0]),
    ({"wall_time": -1}, ["wall_time"]),
    ({"wall_time": 2**63}, ["wall_time"]),
    ({"cpu_power_db12": 0}, ["cpu_power_db12"]),
    ({"cpu_power_db12": -3.5}, ["cpu_power_db12"]),
    ({"cpu_power_db12": 1e300}, ["cpu_power_db12"]),
    ({"gpu": {"count": -1}}, ["gpu", "count"]),
    ({"gpu": {"count": 1}}, ["gpu"]),
    ({"gpu": {**GPU, "vram_mb_per_gpu": -1}}, ["gpu", "vram_mb_per_gpu"]),
    ({"gpu": {**GPU, "runtime_version": "twelve"}}, ["gpu", "runtime_version"]),
    ({"gpu": {**GPU, "vendor": "nvidia\x00"}}, ["gpu", "vendor"]),
    ({"io": {"scratch_mb": -1}}, ["io", "scratch_mb"]),
    ({"tags": ["a & b"]}, ["tags", 0]),
    ({"tags": ["x" * 257]}, ["tags", 0]),
    ({"tags": [f"t{number}" for number in range(513)]}, ["tags"]),
    ({"host": "wn1\x00"}, ["host"]),
    ({"host": "x" * 256}, ["host"]),
    ({"system": {"name": "Linux\x00"}}, ["system", "name"]),
    ({"accept": {"owners": ["alice\x00"]}}, ["accept", "owners", 0]),
    ({"accept": {"required_tags": ["("]}}, ["accept", "required_tags", 0]),
]


@pytest.mark.parametrize(("lie", "place"), LIES)
async def test_an_offer_that_cannot_be_true_is_refused_with_the_place_of_the_lie(
    application: Application, db: Database, submit: Submit, *, lie: dict[str, Any], place: list[Any]
) -> None:
    await submit(1)
    refused = await ask(application, offer={**OFFER, **lie})
    assert refused.status_code == 422, refused.text
    assert [problem["loc"] for problem in refused.json()["detail"]] == [["body", "offer", *place]]
    assert await statuses(db) == ["Waiting"]


@pytest.mark.parametrize("request_id", ["", "x" * 65, "a\x00b"])
async def test_an_id_that_cannot_be_kept_is_refused(application: Application, request_id: str) -> None:
    refused = await ask(application, request_id=request_id)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "request_id"]


async def test_flags_that_nobody_knows_make_a_node_no_better(application: Application, submit: Submit) -> None:
    [job_id] = await submit(1)
    absurd = {**OFFER, **with_flags("quantum", "avx9000", "'; DROP TABLE jobs; --", "avx2 avx512f", "\u202e")}
    answer = await ask(application, offer=absurd, wait_s=5)
    assert [job["job_id"] for job in answer.json()["jobs"]] == [job_id]
    await application.services[MATCHER].freshness.queue.seen()  # writes offers down


async def test_a_replay_gets_the_same_job_and_another_pilot_none_of_it(
    application: Application, db: Database, submit: Submit
) -> None:
    first, _ = await submit(2)
    told = await ask(application, request_id="once", wait_s=5)
    assert [job["job_id"] for job in told.json()["jobs"]] == [first]
    replays = await asyncio.gather(*(ask(application, request_id="once") for _ in range(8)))
    assert {job["job_id"] for answer in replays for job in answer.json()["jobs"]} == {first}
    larger = await ask(application, request_id="once", count=1_000)
    assert [job["job_id"] for job in larger.json()["jobs"]] == [first]
    assert await statuses(db) == ["Matched", "Waiting"]
    thief = await ask(application, stamp="b" * 32, request_id="once")
    assert first not in [job["job_id"] for job in thief.json()["jobs"]]


async def test_a_token_is_good_for_its_own_stamp_and_job_only(
    application: Application, db: Database, submit: Submit
) -> None:
    mine, other = await submit(2)
    for stamp in (STAMP, "b" * 32):
        assert (await ask(application, stamp=stamp, wait_s=5)).json()["jobs"]
    client = application.client
    for stamp, job_id in ((STAMP, other), ("b" * 32, mine), ("c" * 32, mine), (STAMP, 10**9), (STAMP, -1)):
        refused = await client.post(f"/api/matcher/jobs/{job_id}/token", headers=application.pilot(stamp))
        assert refused.status_code == 404, (stamp, job_id)
        assert str(job_id) in refused.json()["detail"]
    payload = application.payload(mine, stamp=STAMP)
    assert (await client.post("/api/matcher/match", json={"offer": OFFER}, headers=payload)).status_code == 403
    assert (await client.post(f"/api/matcher/jobs/{mine}/token", headers=payload)).status_code == 403
    news = {other: {"2020-01-01T00:00:00Z": {"Status": "Failed"}}}
    assert (await client.patch("/api/jobs/status", json=news, headers=payload)).status_code in (403, 404)
    assert await statuses(db) == ["Matched", "Matched"]
