"""The development identity provider: what it refuses, the whole flow through its forms, and where it may listen."""

import json
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.infra.directories import PASSWORDS, write_passwords
from tests.infra.login import browse

from weyl.demo.idp import USERS, DevProvider, NotLoopback, make_passwords, open_socket, running_provider

REDIRECT = "http://127.0.0.1:9/api/auth/device/complete"
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
async def provider() -> AsyncIterator[DevProvider]:
    async with running_provider(open_socket(), redirects=[REDIRECT], passwords=PASSWORDS) as running:
        yield running


def address(provider: DevProvider, **changes: str | None) -> str:
    parameters = {
        "response_type": "code",
        "client_id": "weyl",
        "redirect_uri": REDIRECT,
        "scope": "openid profile",
        "state": "a state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return f"{provider.issuer}/authorize?{urlencode({key: it for key, it in parameters.items() if it is not None})}"


async def code_for(provider: DevProvider, user: str = "alice", **changes: str) -> str:
    page = await browse(address(provider, **changes), user, stop_at=REDIRECT)
    (code,) = parse_qs(urlsplit(page.url).query)["code"]
    return code


async def redeem(provider: DevProvider, good_code: str, **changes: str) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": "weyl",
        "code": good_code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        **changes,
    }
    async with httpx2.AsyncClient() as http:
        return await http.post(f"{provider.issuer}/token", data=form)


@pytest.mark.parametrize("changes", [{"client_id": "other"}, {"redirect_uri": REDIRECT + "/"}, {"redirect_uri": None}])
async def test_a_client_or_redirect_that_is_not_registered_is_told_and_not_redirected(
    provider: DevProvider, changes: dict[str, str | None]
) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(address(provider, **changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
    ],
)
async def test_a_request_without_pkce_or_openid_goes_back_with_an_error(
    provider: DevProvider, changes: dict[str, str | None], error: str
) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(address(provider, **changes))
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {"error": [error], "state": ["a state"]}


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("mallory", "mallory"), ("alice", "")])
async def test_a_wrong_password_shows_the_form_again(provider: DevProvider, user: str, password: str) -> None:
    page = await browse(address(provider), user, password=password, stop_at=REDIRECT)
    assert page.status == 401
    assert "wrong password" in page.text


async def test_consent_before_login_is_refused(provider: DevProvider) -> None:
    async with httpx2.AsyncClient() as http:
        form = (await http.get(address(provider))).text
        identifier = form.split('action="/login/')[1].split('"')[0]
        answer = await http.post(f"{provider.issuer}/consent/{identifier}", data={"decision": "allow"})
    assert answer.status_code == 400


async def test_who_denies_consent_goes_back_with_access_denied(provider: DevProvider) -> None:
    page = await browse(address(provider), "alice", decision="deny", stop_at=REDIRECT)
    assert parse_qs(urlsplit(page.url).query)["error"] == ["access_denied"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"redirect_uri": REDIRECT + "x"}, "invalid_grant"),
        ({"client_id": "other"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "unknown"}, "invalid_grant"),
    ],
)
async def test_a_code_with_a_wrong_proof_is_refused(provider: DevProvider, changes: dict[str, str], error: str) -> None:
    answer = await redeem(provider, await code_for(provider), **changes)
    assert answer.json() == {"error": error}


async def test_a_code_is_good_once(provider: DevProvider) -> None:
    code = await code_for(provider)
    assert (await redeem(provider, code)).status_code == 200
    assert (await redeem(provider, code)).json() == {"error": "invalid_grant"}


async def test_userinfo_without_a_token_is_refused(provider: DevProvider) -> None:
    async with httpx2.AsyncClient() as http:
        assert (await http.get(f"{provider.issuer}/userinfo")).status_code == 401


@pytest.mark.parametrize("user", [user.name for user in USERS])
async def test_the_whole_flow_ends_with_a_signed_identity(provider: DevProvider, user: str) -> None:
    expected = next(each for each in USERS if each.name == user)
    tokens = (await redeem(provider, await code_for(provider, user, nonce="n1"))).json()
    async with httpx2.AsyncClient() as http:
        discovery = (await http.get(f"{provider.issuer}/.well-known/openid-configuration")).json()
        keys = KeySet.import_key_set((await http.get(discovery["jwks_uri"])).json())
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        userinfo = (await http.get(discovery["userinfo_endpoint"], headers=headers)).json()
    claims = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
    assert discovery["issuer"] == claims["iss"] == provider.issuer
    assert (claims["aud"], claims["nonce"]) == ("weyl", "n1")
    assert claims["iat"] <= time.time() < claims["exp"]
    assert claims["sub"] == userinfo["sub"] == expected.subject
    assert userinfo["preferred_username"] == user


def test_the_password_of_a_user_is_made_anew_for_every_installation() -> None:
    first, second = make_passwords(), make_passwords()
    assert set(first) == {user.name for user in USERS}
    assert not set(first.values()) & (set(second.values()) | set(first))
    assert all(len(password) == 14 for password in first.values())


def test_there_are_a_user_an_admin_and_a_production_manager_with_subjects_that_stay() -> None:
    assert {group for user in USERS for group in user.groups} == {"user", "admin", "production"}
    assert USERS[0].subject == "889b1cad-7b2e-5e17-b195-c340046235b8"
    assert len({user.subject for user in USERS}) == len(USERS)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(NotLoopback):
        open_socket(host)


def test_a_socket_that_others_could_reach_is_not_taken_over() -> None:
    with socket.create_server(("0.0.0.0", 0)) as bound, pytest.raises(NotLoopback):
        open_socket(fd=bound.fileno())


@contextmanager
def program(*options: str) -> Iterator[dict[str, Any]]:
    """Run the provider as a program of its own; what it says when it listens."""
    code = "import sys, typer; from weyl.demo.cli import dev_idp; typer.run(dev_idp)"
    with socket.create_server(("127.0.0.1", 0)) as bound:
        command = [sys.executable, "-c", code, "--redirect-uri", REDIRECT, "--fd", str(bound.fileno()), *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[bound.fileno()]) as process:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            assert said["issuer"] == f"http://127.0.0.1:{bound.getsockname()[1]}"
            yield said
            process.terminate()
            assert process.wait(timeout=20) == 0


def test_the_program_takes_over_a_socket_says_where_it_is_and_ends_on_sigterm() -> None:
    with program() as said:
        answer = httpx2.get(f"{said['issuer']}/.well-known/openid-configuration")
        assert answer.json()["issuer"] == said["issuer"]
        assert set(said["passwords"]) == set(said["users"])


def test_the_program_takes_passwords_from_a_file_and_does_not_print_them(tmp_path: Path) -> None:
    with program("--passwords", str(write_passwords(tmp_path / "passwords.json"))) as said:
        assert set(said) == {"issuer", "pid", "users"}


@pytest.mark.parametrize("content", [None, "not JSON"])
def test_the_program_names_a_file_of_passwords_that_it_cannot_read(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "passwords.json"
    if content is not None:
        file.write_text(content)
    command = [sys.executable, "-m", "weyl", "dev-idp", "--redirect-uri", REDIRECT, "--passwords", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "weyl dev-idp: " in done.stderr
