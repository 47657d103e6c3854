"""Tokens for storage elements: what they say, for what they are never given, and how their keys follow each other."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from weyl.config.storage_elements import EndpointAuth
from weyl.storage.errors import NotAllowed
from weyl.storage.token_keys import (
    KEPT_S,
    InvalidTokenKeys,
    TokenKeys,
    generate_token_keys,
    rotate_token_keys,
)
from weyl.storage.tokens import Grant, Right, claims_of, issuer_url, metadata, scope_of

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
AUTH = EndpointAuth(kind="token", audience="https://se.example")


@pytest.mark.parametrize(
    ("right", "profile", "scope"),
    [
        ("read", "wlcg", "storage.read:/voa/a"),
        ("list", "wlcg", "storage.read:/voa/a"),
        ("write", "wlcg", "storage.create:/voa/a"),
        ("remove", "wlcg", "storage.modify:/voa/a"),
        ("read", "scitokens", "read:/voa/a"),
        ("write", "scitokens", "write:/voa/a"),
        ("remove", "scitokens", "write:/voa/a"),
    ],
)
def test_a_scope_is_one_right_on_one_path(right: Right, profile: str, scope: str) -> None:
    auth = AUTH.model_copy(update={"profile": profile})
    assert scope_of(Grant(right, "/grid/voa/a", auth, "/grid")) == scope
    assert scope_of(Grant(right, "/voa/a", auth, "/")) == scope


@pytest.mark.parametrize("path", ["/grid", "/grid/", "/other/a", "/gridlock/a", "/grid/../a", "/grid/a b", "/grid//a"])
def test_no_token_is_given_for_everything_or_for_what_lies_elsewhere(path: str) -> None:
    with pytest.raises(NotAllowed):
        scope_of(Grant("read", path, AUTH, "/grid"))


def test_claims_are_those_of_the_profile() -> None:
    grant = Grant("read", "/grid/voa/a", AUTH, "/grid")
    issuer = issuer_url("https://weyl.example/", "voa")
    claims = claims_of(grant, issuer=issuer, subject="voa:alice", token_id="id", now=NOW, expires_s=3600)
    at = int(NOW.timestamp())
    assert claims == {
        "iss": "https://weyl.example/api/storage/issuer/voa",
        "sub": "voa:alice",
        "jti": "id",
        "aud": "https://se.example",
        "iat": at,
        "nbf": at - 60,
        "exp": at + 1200,
        "scope": "storage.read:/voa/a",
        "wlcg.ver": "1.0",
    }
    other = Grant("read", "/grid/voa/a", AUTH.model_copy(update={"profile": "scitokens"}), "/grid")
    claims = claims_of(other, issuer=issuer, subject="service", token_id="id", now=NOW, expires_s=5)
    assert (claims["ver"], claims["exp"] - at, "wlcg.ver" in claims) == ("scitokens:2.0", 60, False)


def test_the_issuer_of_each_vo_says_where_its_keys_are() -> None:
    found = metadata("https://weyl.example", "vob")
    assert found["issuer"] == "https://weyl.example/api/storage/issuer/vob"
    assert found["jwks_uri"] == "https://weyl.example/api/storage/issuer/vob/jwks.json"


def test_a_key_is_published_before_it_signs_and_as_long_as_its_tokens_live(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", [1_000_000.0]
    path.write_text(generate_token_keys())
    keys = TokenKeys(path, clock=lambda: clock[0])
    first = keys.sign({"n": 1})
    seen = [key["kid"] for key in keys.public_jwks()["keys"]]
    assert len(seen) == 2
    assert not any("d" in key for key in keys.public_jwks()["keys"])

    path.write_text(rotate_token_keys(path.read_text(), now=clock[0]))
    clock[0] += 10
    second = keys.sign({"n": 2})
    published = keys.public_jwks()
    assert [key["kid"] for key in published["keys"]] == [seen[1], published["keys"][1]["kid"], seen[0]]
    assert "retired" not in json.dumps(published)
    for token in (first, second):
        assert jwt.decode(token, KeySet.import_key_set(published), algorithms=["ES256"]).claims["n"] in (1, 2)

    clock[0] += KEPT_S
    path.write_text(rotate_token_keys(path.read_text(), now=clock[0]))
    clock[0] += 10
    assert seen[0] not in [key["kid"] for key in keys.public_jwks()["keys"]]
    for _ in range(5):
        path.write_text(rotate_token_keys(path.read_text(), now=clock[0]))
    clock[0] += 10
    assert len(keys.public_jwks()["keys"]) == 8


def test_without_keys_nothing_is_signed_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", [0.0]
    keys = TokenKeys(path, clock=lambda: clock[0])
    with pytest.raises(NotAllowed, match="generate-storage-keys"):
        keys.sign({})
    assert keys.public_jwks() == {"keys": []}
    path.write_text(generate_token_keys())
    clock[0] += 10
    before = keys.public_jwks()
    path.write_text("{")
    clock[0] += 10
    assert keys.public_jwks() == before
    keys.sign({})


@pytest.mark.parametrize("text", ["", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "eA"}]}', '{"keys": [1]}'])
def test_what_is_no_key_set_is_refused(text: str) -> None:
    with pytest.raises(InvalidTokenKeys):
        rotate_token_keys(text, now=0)
