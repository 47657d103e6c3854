"""Readiness is told in time, also when a part does not answer at all."""

import asyncio

import pytest
from tests.infra.app import Application

from weyl.kit import health
from weyl.kit.health import CHECKS


async def test_a_part_that_does_not_answer_is_named(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(health, "ANSWER_S", 0.1)
    application.services[CHECKS]["somebody"] = never
    answer = await application.client.get("/api/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"detail": "somebody: no answer in 0.1 s"})
    assert answer.headers["retry-after"]
    assert (await application.client.get("/api/health/live")).status_code == 200
