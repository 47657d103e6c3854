"""Sandboxes at the door: who may not, then announcing, uploading, reading and assigning."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.sandboxes.conftest import Archive, MakeJob, Store, fetch, upload

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.s3 import ObjectStore
from weyl.sandboxes.tables import sandboxes
from weyl.settings import SETTINGS

UNKNOWN_PFN = f"/S3/sandboxes/voa/user/alice/sha256:{'a' * 64}.tar.bz2"
STAMP = "5" * 32


async def test_anonymous_callers_are_refused(application: Application, archive: Archive) -> None:
    client = application.client
    assert (await client.post("/api/jobs/sandbox", json=archive.info())).status_code == 401
    assert (await client.get("/api/jobs/sandbox", params={"pfn": UNKNOWN_PFN})).status_code == 401
    assert (await client.get("/api/jobs/sandbox/rules")).status_code == 401
    assert (await client.get("/api/jobs/1/sandbox")).status_code == 401
    assert (await client.get("/api/jobs/1/sandbox/input")).status_code == 401
    assert (await client.patch("/api/jobs/1/sandbox/output", json=UNKNOWN_PFN)).status_code == 401
    assert (await client.delete("/api/jobs/1/sandbox")).status_code == 401
    assert (await client.post("/api/jobs/sandbox/unassign", json={"job_ids": [1]})).status_code == 401


@pytest.mark.parametrize("group", ["service", "pilot", "cs"])
async def test_other_properties_may_neither_announce_nor_read(
    application: Application, archive: Archive, group: str
) -> None:
    headers = application.login(group=group)
    assert (await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).status_code == 403
    assert (await application.client.get("/api/jobs/sandbox/rules", headers=headers)).status_code == 403
    answer = await application.client.get("/api/jobs/sandbox", params={"pfn": UNKNOWN_PFN}, headers=headers)
    assert answer.status_code == 403


async def test_a_pilot_may_neither_announce_nor_read(application: Application, archive: Archive) -> None:
    headers = application.pilot(STAMP)
    assert (await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).status_code == 403
    assert (await application.client.get("/api/jobs/sandbox/rules", headers=headers)).status_code == 403
    answer = await application.client.get("/api/jobs/sandbox", params={"pfn": UNKNOWN_PFN}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(("vo", "username"), [("voa", "alice"), ("voa", "bob"), ("vob", "alice")])
async def test_the_name_of_a_sandbox_is_known_before_it_is_announced(
    application: Application, archive: Archive, vo: str, username: str
) -> None:
    client, headers = application.client, application.login(username, vo=vo)
    rules = (await client.get("/api/jobs/sandbox/rules", headers=headers)).json()
    assert rules["bytes_max"] == application.settings.sandbox_bytes_max
    announced = (await client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).json()
    assert announced["pfn"] == f"{rules['area']}sha256:{archive.sha256}.{archive.format}"


async def test_others_may_not_read(application: Application, stored: Store) -> None:
    pfn = await stored()
    others = {
        "other user": application.login("bob"),
        "same user of another VO": application.login(vo="vob"),
        "administrator of another VO": application.login("bob", vo="vob", group="admin"),
        "payload of another job": application.payload(77, stamp=STAMP),
    }
    for who, headers in others.items():
        answer = await application.client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=headers)
        assert answer.status_code == 403, who


async def test_an_unknown_sandbox_is_403_for_users_and_404_for_administrators(application: Application) -> None:
    for group, status in (("user", 403), ("admin", 404)):
        headers = application.login(group=group)
        answer = await application.client.get("/api/jobs/sandbox", params={"pfn": UNKNOWN_PFN}, headers=headers)
        assert answer.status_code == status
    headers = application.login(group="admin")
    foreign = UNKNOWN_PFN.replace("/voa/", "/vob/")
    assert (
        await application.client.get("/api/jobs/sandbox", params={"pfn": foreign}, headers=headers)
    ).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"checksum": "z" * 64},
        {"checksum": "a" * 63},
        {"checksum_algorithm": "md5"},
        {"size": 0},
        {"size": -1},
        {"size": None},
        {"format": "zip"},
    ],
)
async def test_malformed_announcements_are_422(
    application: Application, archive: Archive, change: dict[str, object]
) -> None:
    answer = await application.client.post(
        "/api/jobs/sandbox", json=archive.info(**change), headers=application.login()
    )
    assert answer.status_code == 422


async def test_too_large_is_400(application: Application, archive: Archive) -> None:
    info = archive.info(size=100 * 1024 * 1024 + 1)
    answer = await application.client.post("/api/jobs/sandbox", json=info, headers=application.login())
    assert answer.status_code == 400
    assert "104857600 are allowed" in answer.json()["detail"]


@pytest.mark.parametrize(
    "pfn", ["", "nonsense", "LFN:/voa/x", UNKNOWN_PFN + "/", UNKNOWN_PFN.replace("a" * 64, "A" * 64)]
)
async def test_names_of_another_form_are_422(application: Application, pfn: str) -> None:
    answer = await application.client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=application.login())
    assert answer.status_code == 422


async def test_announce_upload_read(application: Application, archive: Archive, store: ObjectStore) -> None:
    headers = application.login()
    answer = (await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).json()
    name = f"/S3/{store.bucket}/voa/user/alice/sha256:{archive.sha256}.tar.bz2"
    assert answer["pfn"] == f"SB:SandboxSE|{name}"
    assert answer["fields"]["key"] == name.removeprefix(f"/S3/{store.bucket}/")
    assert answer["fields"]["x-amz-checksum-algorithm"] == "sha256"
    assert await upload(answer, archive.content) in {200, 201, 204}

    for pfn in (answer["pfn"], name):
        response = await application.client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=headers)
        assert response.status_code == 200
        assert response.json()["expires_in"] == 300
        assert await fetch(response.json()["url"]) == (200, archive.content)


async def test_other_bytes_are_refused_by_the_form(application: Application, archive: Archive) -> None:
    answer = (
        await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    ).json()
    assert await upload(answer, archive.content + b"more") >= 400
    assert await upload(answer, b"x" * len(archive.content)) >= 400


async def test_upper_case_checksums_name_the_same_sandbox(
    application: Application, archive: Archive, stored: Store
) -> None:
    pfn = await stored()
    info = archive.info(checksum=archive.sha256.upper())
    answer = (await application.client.post("/api/jobs/sandbox", json=info, headers=application.login())).json()
    assert answer == {"pfn": f"SB:SandboxSE|{pfn}", "url": None, "fields": {}}


async def test_what_is_stored_is_not_uploaded_again_and_what_is_only_announced_is(
    application: Application, archive: Archive, stored: Store
) -> None:
    headers = application.login()
    first = (await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).json()
    again = (await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).json()
    assert first["url"]
    assert again["url"]
    await stored()
    last = (await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).json()
    assert last == {"pfn": first["pfn"], "url": None, "fields": {}}


async def test_an_object_with_other_content_is_uploaded_again(
    application: Application, archive: Archive, stored: Store
) -> None:
    await stored(content=b"x" * len(archive.content))
    answer = (
        await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    ).json()
    assert answer["url"]


async def test_the_same_content_of_another_user_is_another_sandbox(
    application: Application, archive: Archive, stored: Store
) -> None:
    await stored()
    answer = (
        await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login("bob"))
    ).json()
    assert answer["url"]
    assert "/voa/user/bob/" in answer["pfn"]


async def test_another_group_of_the_same_user_and_the_administrator_may_read(
    application: Application, stored: Store
) -> None:
    pfn = await stored()
    for headers in (application.login(group="admin"), application.login("bob", group="admin")):
        answer = await application.client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=headers)
        assert answer.status_code == 200


async def test_a_name_longer_than_allowed_is_refused(application: Application, archive: Archive) -> None:
    headers = application.login(group="user")
    application.put(SETTINGS, application.settings.model_copy(update={"sandbox_se": "S" * 150}))
    answer = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)
    assert answer.status_code == 400
    assert "256 are allowed" in answer.json()["detail"]


async def test_reading_counts_as_use_once_a_day(application: Application, stored: Store, db: Database) -> None:
    pfn = await stored()
    async with db.transaction() as tx:
        await tx.execute(sa.update(sandboxes).values(last_access=utcnow() - timedelta(days=10)))
    await application.client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=application.login())
    async with db.read() as tx:
        last_access = (await tx.execute(sa.select(sandboxes.c.last_access))).scalar_one()
    assert last_access > utcnow() - timedelta(minutes=1)


async def test_a_payload_stores_for_its_owner_and_reads_what_is_its_own(
    application: Application, stored: Store, make_job: MakeJob
) -> None:
    job_id = await make_job(stamp=STAMP)
    payload = application.payload(job_id, stamp=STAMP)
    pfn = await stored(payload)
    assert re.match(r"^/S3/[^/]+/voa/user/alice/sha256:", pfn)

    client = application.client
    assert (await client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=payload)).status_code == 200
    answer = await client.patch(f"/api/jobs/{job_id}/sandbox/output", json=pfn, headers=payload)
    assert (answer.status_code, answer.json()) == (200, None)
    assert (await client.get(f"/api/jobs/{job_id}/sandbox/output", headers=payload)).json() == [pfn]

    other = await make_job(stamp=STAMP)
    stranger = application.payload(other, stamp=STAMP)
    assert (await client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=stranger)).status_code == 403
    assert (await client.patch(f"/api/jobs/{job_id}/sandbox/output", json=pfn, headers=stranger)).status_code == 403


async def test_a_payload_whose_run_is_over_assigns_nothing(
    application: Application, stored: Store, make_job: MakeJob
) -> None:
    pfn = await stored()
    job_id = await make_job(stamp="6" * 32)
    late = application.payload(job_id, stamp=STAMP)
    answer = await application.client.patch(f"/api/jobs/{job_id}/sandbox/output", json=pfn, headers=late)
    assert answer.status_code == 403
