"""Storage elements over HTTP: who may, what is told of them, how files are read, and the issuer that storage asks."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from structlog.testing import capture_logs
from tests.infra.app import Application, Installation, config_document
from tests.storage.doors import sha256

from weyl.demo.seaweedfs import RunningStore
from weyl.kit.db import DATABASE
from weyl.kit.metrics import METRICS
from weyl.kit.s3 import ObjectStore
from weyl.storage.token_keys import generate_token_keys

BUCKET = "storage-routes"
CONTENT = b"content of a file"
OPERATOR = {"properties": ["Operator"]}
MANAGER = {"properties": ["FileCatalogManagement"]}

Start = Callable[..., Awaitable[Application]]


def document(store: RunningStore, mounted: Path) -> dict[str, Any]:
    """Return a configuration with a bucket, a directory, a server that is away, and an element of another VO."""
    made: dict[str, Any] = config_document()
    web = {"Name": "web", "Protocol": "https", "URL": "https://127.0.0.1:1", "Path": "/grid"}
    made["Resources"]["StorageElements"] = {
        "S3": {
            "Sites": ["LCG.Alpha.org"],
            "Checksums": ["sha256"],
            "Endpoints": [
                {
                    "Name": "s3",
                    "Protocol": "s3",
                    "URL": store.endpoint_url,
                    "Bucket": BUCKET,
                    "Credentials": "store",
                }
            ],
        },
        "DISK": {"Endpoints": [{"Name": "mount", "Protocol": "file", "Path": str(mounted)}]},
        "AWAY": {"Endpoints": [{**web, "Auth": {"Kind": "token", "Audience": "https://away"}}]},
        "THEIRS": {"VOs": ["vob"], "Endpoints": [{**web, "Path": "/theirs"}]},
    }
    return made


@pytest.fixture
async def application(
    start_application: Start, installation: Installation, object_store: RunningStore, tmp_path: Path
) -> AsyncIterator[Application]:
    """An application whose VO has storage elements."""
    (tmp_path / "mounted").mkdir()
    (tmp_path / "store").mkdir()
    key = tmp_path / "store" / "s3-key"
    key.write_text(json.dumps({"access_key": object_store.access_key, "secret_key": object_store.secret_key}))
    key.chmod(0o600)
    (tmp_path / "keys.json").write_text(generate_token_keys())
    keys = {"access_key": object_store.access_key, "secret_key": object_store.secret_key}
    async with ObjectStore(object_store.endpoint_url, bucket=BUCKET, **keys) as bucket:
        await bucket.ensure_bucket()
        await bucket.put("voa/a", CONTENT)
    installation.commit_config(document(object_store, tmp_path / "mounted"), "Storage")
    try:
        yield await start_application(credentials_directory=str(tmp_path), storage_keys=str(tmp_path / "keys.json"))
    finally:
        installation.commit_config(config_document(), "No storage")


async def ask(application: Application, method: str, path: str, **more: Any) -> httpx2.Response:
    """Send a request as somebody."""
    who = {name: more.pop(name) for name in ("user", "vo", "group", "properties") if name in more}
    return await application.client.request(method, path, headers=application.login(**who), **more)


async def register(
    application: Application, *lfns: str, ses: tuple[str, ...] = ("S3",), content: bytes = CONTENT
) -> None:
    """Tell the catalogue of files that lie there."""
    files = [
        {
            "lfn": lfn,
            "size": len(content),
            "checksums": {"sha256": sha256(content)},
            "replicas": [{"se": se} for se in ses],
        }
        for lfn in lfns
    ]
    answer = await ask(application, "POST", "/api/files/register", json={"files": files}, **MANAGER)
    assert answer.status_code == 200, answer.text
    assert answer.json()["failed"] == {}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/storage", None),
        ("GET", "/api/storage/S3", None),
        ("POST", "/api/storage/access", {"lfns": ["/voa/a"]}),
        ("GET", "/api/storage/access?lfn=/voa/a", None),
        ("POST", "/api/storage/stat", {"se": "S3", "lfns": ["/voa/a"]}),
        ("POST", "/api/storage/probe", {"se": "S3"}),
    ],
)
async def test_only_people_of_the_vo_are_answered(application: Application, method: str, path: str, body: Any) -> None:
    await register(application, "/voa/a")
    client = application.client
    assert (await client.request(method, path, json=body)).status_code == 401
    for headers in (application.pilot("0" * 32), application.payload(1, stamp="0" * 32)):
        assert (await client.request(method, path, json=body, headers=headers)).status_code == 403
    if "stat" in path or "probe" in path:
        for who in ({}, {"group": "admin"}, {"group": "service"}):
            answer = await ask(application, method, path, json=body, **who)
            assert (answer.status_code, "takes the property" in answer.text) == (403, True)
    if "access" in path:
        assert (await ask(application, method, path, json=body, group="service")).status_code == 403
        foreign = await ask(application, method, path, json=body, vo="vob")
        known = await ask(application, method, path.replace("/voa/a", "/voa/none"), json=body, vo="vob")
        assert foreign.status_code in (200, 404, 409)
        assert "not_found" in foreign.text or foreign.status_code == 404
        assert foreign.text.replace("/voa/none", "/voa/a") == known.text.replace("/voa/none", "/voa/a")


async def test_elements_are_told_with_status_space_and_use(application: Application, tmp_path: Path) -> None:
    await register(application, "/voa/a", ses=("S3", "DISK"))
    found = {each["name"]: each for each in (await ask(application, "GET", "/api/storage")).json()}
    assert list(found) == ["S3", "DISK", "AWAY"]
    assert found["S3"]["endpoints"][0]["url"].endswith(f"/{BUCKET}")
    assert found["DISK"]["endpoints"] == [
        {
            "name": "mount",
            "protocol": "file",
            "url": f"file://{tmp_path}/mounted",
            "access": {"read": ["lan", "wan"], "write": ["lan", "wan"], "remove": ["lan", "wan"]},
        }
    ]
    assert 0 < found["DISK"]["free"] <= found["DISK"]["total"]
    assert (found["S3"]["free"], found["S3"]["total"]) == (None, None)
    nothing = {"not_purged": 0, "not_purged_since": None}
    assert found["S3"]["usage"] == {"files": 1, "bytes": len(CONTENT), **nothing}
    assert found["AWAY"]["usage"] is None
    assert found["S3"]["status"]["read"] == {"allowed": True, "reason": None, "until": None}
    assert "Credentials" not in str(found)
    assert (await ask(application, "GET", "/api/storage/S3")).json()["name"] == "S3"
    for name in ("THEIRS", "NONE"):
        answer = await ask(application, "GET", f"/api/storage/{name}")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"voa has no storage element {name}")
    theirs = (await ask(application, "GET", "/api/storage/THEIRS", vo="vob")).json()
    assert (theirs["vos"], theirs["usage"]) == (["vob"], None)


async def test_files_are_read_with_what_is_handed_out(application: Application) -> None:
    await register(application, "/voa/a", ses=("S3", "AWAY"))
    order = {"lfns": ["/voa/a", "/voa/none", "/vob/a", "voa"], "site": "LCG.Alpha.org"}
    answer = (await ask(application, "POST", "/api/storage/access", json=order)).json()
    assert list(answer["success"]) == ["/voa/a"]
    assert {lfn: failed["code"] for lfn, failed in answer["failed"].items()} == {
        "/voa/none": "not_found",
        "/vob/a": "not_found",
        "voa": answer["failed"]["voa"]["code"],
    }
    [near, away] = answer["success"]["/voa/a"]["replicas"]
    assert (near["se"], away["se"], away["request"]["url"]) == ("S3", "AWAY", "https://127.0.0.1:1/grid/voa/a")
    assert answer["success"]["/voa/a"]["checksums"] == {"sha256": sha256(CONTENT)}
    async with httpx2.AsyncClient() as http:
        assert (await http.get(near["request"]["url"])).content == CONTENT
    url = (await ask(application, "GET", "/api/storage/access", params={"lfn": "/voa/a"})).json()["url"]
    async with httpx2.AsyncClient() as http:
        read = await http.get(url)
    assert (read.content, read.headers["content-disposition"]) == (CONTENT, "attachment")


async def test_the_token_of_a_request_is_one_of_the_issuer_of_the_vo(application: Application) -> None:
    await register(application, "/voa/b", ses=("AWAY",))
    with capture_logs() as logged:
        answer = await ask(application, "POST", "/api/storage/access", json={"lfns": ["/voa/b"], "ttl_s": 300})
    request = answer.json()["success"]["/voa/b"]["replicas"][0]["request"]
    token = request["headers"]["Authorization"].removeprefix("Bearer ")
    [note] = [line for line in logged if line["event"] == "storage.token_issued"]
    assert token.rpartition(".")[2] not in str(logged)
    figures = (await application.services[METRICS].text()).decode()
    assert 'weyl_storage_tokens_issued_total{vo="voa"} 1.0' in figures
    issuer = "/api/storage/issuer/voa"
    metadata = (await application.client.get(f"{issuer}/.well-known/openid-configuration")).json()
    assert metadata["issuer"] == f"http://weyl.test{issuer}"
    keys = (await application.client.get(metadata["jwks_uri"].removeprefix("http://weyl.test"))).json()
    claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256"]).claims
    assert (claims["iss"], claims["aud"], claims["scope"]) == (
        metadata["issuer"],
        "https://away",
        "storage.read:/voa/b",
    )
    assert (note["jti"], note["scope"], note["subject"]) == (claims["jti"], claims["scope"], claims["sub"])
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("voa:alice-sub", 300)
    for path in (f"{issuer}x/jwks.json", f"{issuer}x/.well-known/openid-configuration"):
        assert (await application.client.get(path)).status_code == 404
    assert application.keys.public_jwks()["keys"][0]["kid"] not in [key["kid"] for key in keys["keys"]]
    answer = await ask(application, "GET", "/api/storage/access", params={"lfn": "/voa/b"})
    assert (answer.status_code, "nowhere where a browser" in answer.text) == (409, True)


async def test_a_closed_element_is_told_and_left_alone(application: Application) -> None:
    await register(application, "/voa/a", ses=("S3", "DISK"))
    order = {"kind": "storage", "name": "S3", "access": "read", "status": "Banned", "reason": "flood"}
    banned = await ask(application, "PATCH", "/api/rss/status", json=[order], **OPERATOR)
    assert banned.status_code == 200, banned.text
    await application.seen()
    answer = (await ask(application, "POST", "/api/storage/access", json={"lfns": ["/voa/a"]})).json()
    assert answer["failed"]["/voa/a"]["code"] == "busy"
    assert "S3 may not be used for read: flood" in answer["failed"]["/voa/a"]["detail"]
    with_disk = {"lfns": ["/voa/a"], "protocols": ["s3", "file"]}
    answer = (await ask(application, "POST", "/api/storage/access", json=with_disk)).json()
    assert [each["se"] for each in answer["success"]["/voa/a"]["replicas"]] == ["DISK"]
    told = (await ask(application, "GET", "/api/storage/S3")).json()["status"]
    assert (told["read"]["allowed"], told["write"]["allowed"]) == (False, True)
    assert "flood" in told["read"]["reason"]


async def test_a_probe_shows_which_step_fails(application: Application, tmp_path: Path) -> None:
    for se in ("S3", "DISK"):
        steps = (await ask(application, "POST", "/api/storage/probe", json={"se": se}, **OPERATOR)).json()
        assert [(step["step"], step["error"]) for step in steps] == [
            ("write", None),
            ("stat", None),
            ("read", None),
            ("delete", None),
        ]
    assert [path for path in (tmp_path / "mounted").rglob("*") if path.is_file()] == []
    steps = (await ask(application, "POST", "/api/storage/probe", json={"se": "AWAY"}, **OPERATOR)).json()
    assert [step["step"] for step in steps] == ["write", "delete"]
    assert "AWAY (web) did not answer" in steps[0]["error"]
    assert "Bearer" not in str(steps)
    health = (await ask(application, "GET", "/api/storage/AWAY")).json()["health"]
    assert (health["state"], "did not answer" in health["fault"]) == ("failing", True)
    for name in ("THEIRS", "NONE"):
        answer = await ask(application, "POST", "/api/storage/probe", json={"se": name}, **OPERATOR)
        assert (answer.status_code, answer.json()["detail"]) == (404, f"voa has no storage element {name}")


async def test_storage_says_what_lies_there_beside_the_catalogue(application: Application) -> None:
    await register(application, "/voa/a", "/voa/gone")
    await register(application, "/voa/disk", ses=("DISK",))
    order = {"se": "S3", "lfns": ["/voa/a", "/voa/gone", "/voa/disk", "/voa/none"]}
    answer = (await ask(application, "POST", "/api/storage/stat", json=order, **MANAGER)).json()
    told = {"size": len(CONTENT), "checksums": {"sha256": sha256(CONTENT)}}
    assert answer["success"]["/voa/a"] == {"status": "Good", **told, "catalogue": told}
    assert answer["success"]["/voa/gone"] == {"status": "Good", "size": None, "checksums": None, "catalogue": told}
    assert {lfn: failed["code"] for lfn, failed in answer["failed"].items()} == {
        "/voa/disk": "not_found",
        "/voa/none": "not_found",
    }


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"lfns": []},
        {"lfns": ["/voa/a"] * 1_001},
        {"lfns": ["/voa/a"], "ttl_s": 1},
        {"lfns": ["/voa/a"], "ttl_s": 10**9},
        {"lfns": ["/voa/a"], "protocols": []},
        {"lfns": ["/voa/a"], "protocols": ["UPPER"]},
        {"lfns": ["/voa/a"], "site": "x" * 300},
        {"lfns": ["/voa/a"], "sites": "x"},
        {"lfns": ["x" * 5_000]},
    ],
)
async def test_orders_are_bounded(application: Application, order: dict[str, Any]) -> None:
    assert (await ask(application, "POST", "/api/storage/access", json=order)).status_code == 422


async def test_many_files_cost_one_statement(application: Application) -> None:
    lfns = [f"/voa/many/{number}" for number in range(50)]
    await register(application, *lfns, ses=("S3", "AWAY"))
    with application.services[DATABASE].count_statements() as statements:
        answer = await ask(application, "POST", "/api/storage/access", json={"lfns": lfns})
    assert (len(answer.json()["success"]), len(statements)) == (50, 1)
    with application.services[DATABASE].count_statements() as statements:
        await ask(application, "GET", "/api/storage")
    # What is used, and what was to be purged.
    assert len(statements) == 2
