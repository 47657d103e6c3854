"""The well-known documents: open, cached by revision, and built from the configured public URL."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from tests.auth.conftest import SUBJECTS
from tests.infra.app import URL, Application, Installation, bearer
from tests.infra.login import device_login

from weyl.auth.keys import rotate_keys, write_keys
from weyl.auth.properties import BUILT_IN
from weyl.config.service import CONFIG

DOCUMENTS = ["openid-configuration", "jwks.json", "dirac-metadata", "security.txt"]


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_everybody_may_read_them_also_with_a_bad_token(client: httpx2.AsyncClient, name: str) -> None:
    for headers in ({}, bearer("garbage")):
        assert (await client.get(f"/.well-known/{name}", headers=headers)).status_code == 200


async def test_the_discovery_document_names_our_endpoints_whatever_the_host_header_says(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/.well-known/openid-configuration", headers={"Host": "evil.example.org"})
    document = answer.json()
    assert document["issuer"] == f"{URL}/"
    assert document["token_endpoint"] == f"{URL}/api/auth/token"
    assert document["jwks_uri"] == f"{URL}/.well-known/jwks.json"
    assert document["grant_types_supported"] == [
        "authorization_code",
        "urn:ietf:params:oauth:grant-type:device_code",
    ]
    assert document["response_types_supported"] == ["code"]
    assert document["token_endpoint_auth_methods_supported"] == ["none"]
    assert document["token_endpoint_auth_signing_alg_values_supported"] == ["RS256", "Ed25519"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    scopes = document["scopes_supported"]
    first_property = next(index for index, scope in enumerate(scopes) if scope.startswith("property:"))
    assert scopes[:2] == ["vo:voa", "group:user"]
    assert "group:production" in scopes[: scopes.index("vo:vob")]
    assert set(scopes[first_property:]) == {f"property:{name}" for name in BUILT_IN}
    assert "evil" not in answer.text


async def test_the_metadata_lists_vos_groups_and_support(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/.well-known/dirac-metadata")).json()["virtual_organizations"]
    assert list(document) == ["voa", "vob"]
    assert document["voa"]["default_group"] == "user"
    assert document["voa"]["groups"]["admin"] == {"properties": ["JobAdministrator", "NormalUser", "ProxyManagement"]}
    assert document["voa"]["support"] == {"message": "Ask voa.", "webpage": None, "email": "help@voa.example.org"}
    assert not any(subject in json.dumps(document) for subject in SUBJECTS.values())


@pytest.mark.parametrize("name", ["openid-configuration", "dirac-metadata"])
async def test_a_copy_that_is_still_good_is_304_until_the_configuration_changes(
    client: httpx2.AsyncClient, application: Application, installation: Installation, name: str
) -> None:
    first = await client.get(f"/.well-known/{name}")
    headers = {"If-None-Match": first.headers["etag"]}
    unchanged = await client.get(f"/.well-known/{name}", headers=headers)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    document = (installation.config_directory / "default.yml").read_text()
    installation.commit_config(document.replace("vob", "voc"), "vob is called voc now")
    await application.services[CONFIG].refresh()
    changed = await client.get(f"/.well-known/{name}", headers=headers)
    assert changed.status_code == 200
    assert "voc" in changed.text
    assert "vob" not in changed.text


async def test_security_txt_is_a_json_string_or_plain_text_to_who_accepts_only_that(client: httpx2.AsyncClient) -> None:
    for accept in ("*/*", "application/json", "text/plain, application/json", "text/html"):
        text = (await client.get("/.well-known/security.txt", headers={"Accept": accept})).json()
        assert text.startswith("Contact: mailto:security@example.org\nExpires: ")
    plain = await client.get("/.well-known/security.txt", headers={"Accept": "text/plain"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.text == text


async def test_keys_are_rotated_without_a_restart_and_logins_live_on(
    start_application: Callable[..., Awaitable[Application]], installation: Installation, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, installation.keys)
    one, other = await start_application(keys=str(path)), await start_application(keys=str(path))
    before = await device_login(one.client, "vo:voa")
    write_keys(path, rotate_keys(path.read_text()))
    one.keys._look_at_file(now_at_once=True)
    after = await device_login(one.client, "vo:voa")
    assert after["access_token"].split(".")[0] != before["access_token"].split(".")[0]
    for tokens in (after, before):
        answer = await other.client.get("/api/auth/userinfo", headers=bearer(tokens["access_token"]))
        assert answer.status_code == 200
    form = {"grant_type": "refresh_token", "client_id": "myDIRACClientID", "refresh_token": before["refresh_token"]}
    assert (await other.client.post("/api/auth/token", data=form)).status_code == 200
    published = (await other.client.get("/.well-known/jwks.json")).json()["keys"]
    assert len(published) == 2
    assert all(key.keys().isdisjoint({"d", "k"}) and {"kid", "alg", "kty"} <= key.keys() for key in published)
