"""Names of sandboxes that pretend: to be somebody else's, elsewhere, or something else."""

import httpx2
import pytest
from tests.infra.app import Application
from tests.sandboxes.conftest import Archive, upload

from weyl.kit.s3 import ObjectStore


async def announced(application: Application, archive: Archive, headers: dict[str, str]) -> str:
    """Store an archive and return its name without prefix."""
    answer = await application.client.post("/api/jobs/sandbox", headers=headers, json=archive.info())
    assert answer.status_code == 200, answer.text
    assert await upload(answer.json(), archive.content) < 300
    return str(answer.json()["pfn"]).partition("|")[2]


async def read(client: httpx2.AsyncClient, pfn: str, headers: dict[str, str]) -> httpx2.Response:
    """Ask where a sandbox can be read."""
    return await client.get("/api/jobs/sandbox", params={"pfn": pfn}, headers=headers)


async def test_no_spelling_of_a_name_opens_what_is_anothers(
    application: Application, archive: Archive, store: ObjectStore
) -> None:
    client = application.client
    pfn = await announced(application, archive, application.login())
    area, name = f"/S3/{store.bucket}/voa/user", pfn.rpartition("/")[2]
    spellings = [
        pfn,
        f"SB:SandboxSE|{pfn}",
        f"SB:OtherSE|{pfn}",
        f":SB:SandboxSE|{pfn}",
        f"{area}/bob/../alice/{name}",
        f"{area}/bob/..%2Falice/{name}",
        f"{area}/bob%2F..%2Falice/{name}",
        f"{area}/ALICE/{name}",
        f"{area}/alice /{name}",
        f"{area}/alice%00/{name}",
        f"{area}//alice/{name}",
        f"/S3/{store.bucket}/voa/admin/alice/{name}",
        f"/S3/{store.bucket}/vob/user/alice/{name}",
        f"/S3/{store.bucket.upper()}/voa/user/alice/{name}",
        f"/S3/other-bucket/voa/user/alice/{name}",
        f"/S3/../{store.bucket}/voa/user/alice/{name}",
        f"{pfn}\n",
        f"{pfn}\x00",
        f"{pfn}?versionId=1",
        pfn.replace("sha256", "SHA256"),
        f"{area}/alice/{name.upper()}",
        f"/S3/{store.bucket}/repacked/voa/user/alice/{name}",
        f"x{pfn}",
        "SB:SandboxSE|",
        f"SB:SandboxSE|/S3/x|{pfn}",
    ]
    strangers = {
        "bob": application.login("bob"),
        "the other VO": application.login(vo="vob"),
        "its administrator": application.login(vo="vob", group="admin"),
        "a payload of another job": application.payload(1, stamp="a" * 32),
        "a payload of bob": application.payload(1, stamp="a" * 32, owner="bob"),
        "a pilot": application.pilot("a" * 32),
    }
    for who, headers in strangers.items():
        for spelling in spellings:
            answer = await read(client, spelling, headers)
            # An administrator may know what there is not in the own VO.
            assert answer.status_code in (403, 404, 422), (who, spelling, answer.text)
            if answer.status_code == 422:
                continue
            job = await client.post(
                "/api/jobs/jdl",
                headers=headers,
                json=[f'Executable = "x"; InputSandbox = {{"SB:SandboxSE|{spelling}"}};'],
            )
            assert job.status_code in (400, 403), (who, spelling, job.text)
    # Alice herself gets hers under its two names, and what else is let through names no other object.
    for spelling in spellings:
        answer = await read(client, spelling, application.login())
        if answer.status_code == 200:
            assert f"/{store.bucket}/voa/user/alice/" in answer.json()["url"].replace("%3A", ":"), spelling
        else:
            assert answer.status_code in (403, 404, 422), spelling


@pytest.mark.parametrize("username", ["alice", "admin"])
async def test_the_area_of_a_sandbox_is_that_of_the_token(
    application: Application, archive: Archive, username: str
) -> None:
    body = {**archive.info(), "vo": "vob", "owner": username, "pfn": "/S3/x", "bucket": "x", "key": "x"}
    answer = await application.client.post("/api/jobs/sandbox", headers=application.login("bob"), json=body)
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        assert "/voa/user/bob/" in answer.json()["pfn"]
