"""Sandboxes of jobs: assigned at submission, as output by hand, listed and let go."""

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.sandboxes.conftest import MakeJob, Store

from weyl.kit.db import Database
from weyl.sandboxes import service
from weyl.sandboxes.errors import SandboxUnknown
from weyl.sandboxes.tables import sandbox_jobs, sandboxes

ALICE = ("voa", "alice")


async def test_other_users_and_vos_may_not_see_or_change(
    application: Application, stored: Store, make_job: MakeJob
) -> None:
    pfn, job_id = await stored(), await make_job()
    client = application.client
    for headers, read, status in (
        (application.login("bob"), 403, 403),
        (application.login(vo="vob"), 403, 403),
        (application.login(vo="vob", group="admin"), 200, 404),
    ):
        assert (await client.get(f"/api/jobs/{job_id}/sandbox", headers=headers)).status_code == read
        assert (await client.get(f"/api/jobs/{job_id}/sandbox/input", headers=headers)).status_code == read
        answer = await client.patch(f"/api/jobs/{job_id}/sandbox/output", json=pfn, headers=headers)
        assert answer.status_code == status
        assert (await client.delete(f"/api/jobs/{job_id}/sandbox", headers=headers)).status_code == status
        answer = await client.post("/api/jobs/sandbox/unassign", json={"job_ids": [job_id]}, headers=headers)
        assert answer.status_code == status


async def test_administrators_see_no_sandboxes_of_unknown_jobs_nor_of_those_of_other_vos(
    application: Application, stored: Store, make_job: MakeJob
) -> None:
    pfn, job_id, client = await stored(), await make_job(), application.client
    answer = await client.patch(f"/api/jobs/{job_id}/sandbox/output", json=pfn, headers=application.login())
    assert answer.status_code == 200
    for number, headers in (
        (job_id, application.login(vo="vob", group="admin")),
        (999_999, application.login("bob", group="admin")),
    ):
        answer = await client.get(f"/api/jobs/{number}/sandbox", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"Input": [], "Output": []})
        answer = await client.get(f"/api/jobs/{number}/sandbox/output", headers=headers)
        assert (answer.status_code, answer.json()) == (200, [])
    assert (await client.get("/api/jobs/999999/sandbox", headers=application.login())).status_code == 403


async def test_payloads_do_not_unassign(application: Application, make_job: MakeJob) -> None:
    job_id = await make_job(stamp="5" * 32)
    payload = application.payload(job_id, stamp="5" * 32)
    assert (await application.client.delete(f"/api/jobs/{job_id}/sandbox", headers=payload)).status_code == 403


async def test_output_is_assigned_once_and_listed_without_prefix(
    application: Application, stored: Store, make_job: MakeJob
) -> None:
    pfn, job_id, headers = await stored(), await make_job(), application.login()
    client, path = application.client, f"/api/jobs/{job_id}/sandbox"
    assert (await client.get(path, headers=headers)).json() == {"Input": [], "Output": []}
    answer = await client.patch(f"{path}/output", json=f"SB:SandboxSE|{pfn}", headers=headers)
    assert (answer.status_code, answer.json()) == (200, None)
    answer = await client.patch(f"{path}/output", json=pfn, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Sandbox already assigned"})
    assert (await client.get(path, headers=headers)).json() == {"Input": [], "Output": [pfn]}
    assert (await client.get(f"{path}/output", headers=headers)).json() == [pfn]
    assert (await client.get(f"{path}/input", headers=headers)).json() == []


async def test_unknown_output_is_400(application: Application, make_job: MakeJob) -> None:
    job_id = await make_job()
    pfn = f"/S3/sandboxes/voa/user/alice/sha256:{'b' * 64}.tar.bz2"
    answer = await application.client.patch(f"/api/jobs/{job_id}/sandbox/output", json=pfn, headers=application.login())
    assert (answer.status_code, answer.json()) == (400, {"detail": "Sandbox not found"})
    answer = await application.client.patch(
        f"/api/jobs/{job_id}/sandbox/output", json="nonsense", headers=application.login()
    )
    assert answer.status_code == 422


async def test_output_must_be_in_the_area_of_the_jobs_owner(
    application: Application, stored: Store, make_job: MakeJob
) -> None:
    pfn = await stored(application.login("bob"))
    job_id = await make_job()
    answer = await application.client.patch(
        f"/api/jobs/{job_id}/sandbox/output", json=pfn, headers=application.login("bob", group="admin")
    )
    assert answer.status_code == 400


async def test_inputs_of_a_bulk_are_assigned_in_few_statements(stored: Store, db: Database) -> None:
    pfn = await stored()
    job_ids = range(1, 2001)
    with db.count_statements() as statements:
        async with db.transaction() as tx:
            await service.assign_inputs(tx, [(job_id, f"SB:SandboxSE|{pfn}") for job_id in job_ids], ALICE)
    assert len(statements) < 6
    async with db.read() as tx:
        assert (await service.job_sandboxes(tx, [7, 5000])) == {
            7: {"Input": [pfn], "Output": []},
            5000: {"Input": [], "Output": []},
        }


async def test_unknown_and_foreign_inputs_refuse_the_call(stored: Store, db: Database) -> None:
    pfn = await stored()
    for owner, name in ((ALICE, pfn[:-3] + "zst"), (("voa", "bob"), pfn), (("vob", "alice"), pfn)):
        with pytest.raises(SandboxUnknown):
            async with db.transaction() as tx:
                await service.assign_inputs(tx, [(1, pfn), (1, name)], owner)
    async with db.read() as tx:
        assert (await tx.execute(sa.select(sandbox_jobs))).all() == []


async def test_unassigning_drops_both_kinds_and_dates_the_release(
    application: Application, stored: Store, make_job: MakeJob, db: Database
) -> None:
    pfn, headers = await stored(), application.login()
    job_ids = [await make_job(), await make_job()]
    async with db.transaction() as tx:
        await service.assign_inputs(tx, [(job_id, pfn) for job_id in job_ids], ALICE)
        await service.assign_output(tx, job_ids[0], pfn=pfn, owner=ALICE)
    client = application.client
    answer = await client.delete(f"/api/jobs/{job_ids[0]}/sandbox", headers=headers)
    assert (answer.status_code, answer.json()) == (200, None)
    answer = await client.post("/api/jobs/sandbox/unassign", json={"job_ids": job_ids}, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    async with db.read() as tx:
        assert (await tx.execute(sa.select(sandbox_jobs))).all() == []
        assert (await tx.execute(sa.select(sandboxes.c.released_at))).scalar_one() is not None
