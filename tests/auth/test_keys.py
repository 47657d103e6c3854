"""Keys: what is refused, what is signed, and how a rotation reaches a running process."""

import base64
import hmac
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey, RSAKey

from weyl.auth.errors import InvalidToken
from weyl.auth.keys import InvalidKeys, KeySet, generate_keys, rotate_keys, write_keys

ISSUER = "https://weyl.example.org/"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def segment(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


DOCUMENT = generate_keys()
CLAIMS = {"sub": "voa:alice", "exp": 1_000_100}


def keys(document: str = DOCUMENT, clock: Clock | None = None) -> KeySet:
    return KeySet(document, issuer=ISSUER, clock=clock or Clock())


def test_a_token_signed_by_another_installation_is_refused() -> None:
    with pytest.raises(InvalidToken):
        keys().decode(keys(generate_keys()).sign(CLAIMS))


def test_a_token_of_another_issuer_is_refused_also_under_our_key() -> None:
    other = KeySet(DOCUMENT, issuer="https://elsewhere.example.org/", clock=Clock())
    with pytest.raises(InvalidToken):
        keys().decode(other.sign(CLAIMS))


def test_a_token_without_issuer_or_expiry_is_refused() -> None:
    with pytest.raises(InvalidToken):
        keys().decode(keys().sign(CLAIMS, issued=False))
    with pytest.raises(InvalidToken):
        keys().decode(keys().sign({"sub": "x"}))
    for expiry in ("1000100", True, None, [1]):
        with pytest.raises(InvalidToken):
            keys().decode(keys().sign({"sub": "x", "exp": expiry}))


def test_an_unsigned_token_is_refused() -> None:
    body = segment({**CLAIMS, "iss": ISSUER})
    for algorithm in ("none", "None", "HS256", "EdDSA"):
        with pytest.raises(InvalidToken):
            keys().decode(f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{body}.")


def test_the_public_key_as_a_shared_secret_is_refused() -> None:
    (public,) = keys().public_jwks()["keys"]
    secret = OctKey.import_key(public["x"].encode())
    forged = jwt.encode({"alg": "HS256", "kid": public["kid"]}, {**CLAIMS, "iss": ISSUER}, secret, algorithms=["HS256"])
    with pytest.raises(InvalidToken):
        keys().decode(forged)


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    own = OKPKey.generate_key("Ed25519", private=True)
    header = {"alg": "Ed25519", "jwk": own.as_dict(private=False), "kid": keys().public_jwks()["keys"][0]["kid"]}
    forged = jwt.encode(header, {**CLAIMS, "iss": ISSUER}, own, algorithms=["Ed25519"])
    with pytest.raises(InvalidToken):
        keys().decode(forged)


@given(st.text(max_size=80))
def test_garbage_is_refused_and_never_crashes(text: str) -> None:
    with pytest.raises(InvalidToken):
        keys().decode(text)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "crit", "typ", "b64"]), st.none() | st.integers() | st.text()))
def test_odd_headers_are_refused_and_never_crash(header: dict[str, object]) -> None:
    _, body, signature = keys().sign(CLAIMS).split(".")
    with pytest.raises(InvalidToken):
        keys().decode(f"{segment(header)}.{body}.{signature}")


def test_claims_come_back_with_the_issuer() -> None:
    assert keys().decode(keys().sign(CLAIMS)) == {**CLAIMS, "iss": ISSUER}


def test_the_header_names_type_algorithm_and_key() -> None:
    header = json.loads(base64.urlsafe_b64decode(keys().sign(CLAIMS).split(".")[0] + "=="))
    assert header == {"typ": "JWT", "alg": "Ed25519", "kid": json.loads(DOCUMENT)["keys"][0]["kid"]}


def test_rsa_keys_serve_too() -> None:
    document = generate_keys("RS256")
    assert keys(document).decode(keys(document).sign(CLAIMS))["sub"] == "voa:alice"


def test_an_older_file_that_says_eddsa_is_read() -> None:
    document = json.loads(DOCUMENT)
    document["keys"][0]["alg"] = "EdDSA"
    assert keys().decode(keys(json.dumps(document)).sign(CLAIMS))


def test_a_remembered_token_still_expires() -> None:
    clock = Clock()
    known = keys(clock=clock)
    token = known.sign(CLAIMS)
    known.decode(token)
    clock.now = CLAIMS["exp"] - 0.1
    known.decode(token)
    clock.now = CLAIMS["exp"]
    with pytest.raises(InvalidToken):
        known.decode(token)


def test_a_refresh_token_is_no_bearer_token_and_the_other_way_round() -> None:
    refresh = keys().sign({"jti": "x", "exp": 1_000_100, "legacy_exchange": False}, issued=False)
    assert keys().decode_refresh(refresh)["jti"] == "x"
    with pytest.raises(InvalidToken):
        keys().decode(refresh)
    with pytest.raises(InvalidToken):
        keys().decode_refresh(keys().sign({**CLAIMS, "jti": "x"}))


def test_an_expired_refresh_token_is_read_only_when_asked_for() -> None:
    refresh = keys().sign({"jti": "x", "exp": 999_999, "legacy_exchange": False}, issued=False)
    with pytest.raises(InvalidToken):
        keys().decode_refresh(refresh)
    assert keys().decode_refresh(refresh, expired=True)["jti"] == "x"


def test_only_public_halves_are_published() -> None:
    for document in (DOCUMENT, generate_keys("RS256")):
        for key in keys(rotate_keys(document)).public_jwks()["keys"]:
            assert not {"d", "p", "q", "dp", "dq", "qi"} & key.keys()
            assert {"kid", "alg", "kty"} <= key.keys()


def test_rotation_signs_with_the_new_key_and_verifies_with_both() -> None:
    old = keys()
    new = keys(rotate_keys(DOCUMENT))
    assert new.decode(old.sign(CLAIMS))
    with pytest.raises(InvalidToken):
        old.decode(new.sign(CLAIMS))


def test_rotation_drops_the_oldest_keys() -> None:
    document = DOCUMENT
    for _ in range(5):
        document = rotate_keys(document)
    operations = [key["key_ops"] for key in json.loads(document)["keys"]]
    assert operations == [["sign", "verify"], ["verify"], ["verify"]]


def test_the_first_key_that_may_sign_signs() -> None:
    first, second = (json.loads(generate_keys())["keys"][0] for _ in range(2))
    first["key_ops"] = ["verify"]
    header = json.loads(
        base64.urlsafe_b64decode(keys(json.dumps({"keys": [first, second]})).sign(CLAIMS).split(".")[0] + "==")
    )
    assert header["kid"] == second["kid"]


def test_a_running_process_takes_up_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, DOCUMENT)
    clock = Clock()
    one = KeySet(str(path), issuer=ISSUER, clock=clock)
    other = KeySet(str(path), issuer=ISSUER, clock=clock)
    before = one.sign(CLAIMS)
    one.decode(before)
    write_keys(path, rotate_keys(path.read_text()))
    clock.now += 3
    after = one.sign(CLAIMS)
    assert after.split(".")[0] != before.split(".")[0]
    # the other process sees an unknown key and looks at once
    clock.now -= 3
    assert other.decode(after) == other.decode(before)


def test_a_retired_key_is_forgotten_with_its_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, DOCUMENT)
    clock = Clock()
    known = KeySet(str(path), issuer=ISSUER, clock=clock)
    token = known.sign(CLAIMS)
    known.decode(token)
    write_keys(path, generate_keys())
    clock.now += 3
    with pytest.raises(InvalidToken):
        known.decode(token)


def test_a_broken_file_leaves_the_old_keys_in_place(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_keys(path, DOCUMENT)
    clock = Clock()
    known = KeySet(str(path), issuer=ISSUER, clock=clock)
    token = known.sign(CLAIMS)
    path.write_text("{")
    clock.now += 3
    assert known.decode(token)
    path.unlink()
    clock.now += 3
    assert known.decode(token)


def test_the_key_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    write_keys(path, DOCUMENT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "document",
    ["{", "{}", '{"keys": []}', '{"keys": [1]}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}'],
)
def test_a_key_document_that_cannot_work_is_refused_at_the_start(document: str) -> None:
    with pytest.raises(InvalidKeys):
        keys(document)


def test_a_key_set_of_public_halves_is_refused_at_the_start() -> None:
    public = RSAKey.generate_key(2048, private=True).as_dict(private=False)
    with pytest.raises(InvalidKeys, match="sign"):
        keys(json.dumps({"keys": [public]}))


def test_two_keys_of_one_name_are_refused_at_the_start() -> None:
    """Of two such, tokens would be signed with one and looked at with the other."""
    pair = [json.loads(generate_keys(algorithm))["keys"][0] | {"kid": "1"} for algorithm in ("Ed25519", "RS256")]
    with pytest.raises(InvalidKeys, match="two keys have the id 1"):
        keys(json.dumps({"keys": pair}))


def test_a_sealed_token_is_read_by_every_server_and_by_nobody_else() -> None:
    token = keys().seal(CLAIMS)
    assert keys().decode(token) == {**CLAIMS, "iss": ISSUER}
    assert json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))["alg"] == "HS256"
    for others in (keys(generate_keys()), KeySet(DOCUMENT, issuer="https://elsewhere.example.org/", clock=Clock())):
        with pytest.raises(InvalidToken):
            others.decode(token)


@pytest.mark.parametrize("part", range(3))
def test_a_sealed_token_with_one_thing_changed_is_refused(part: int) -> None:
    parts = keys().seal(CLAIMS).split(".")
    for place in range(0, len(parts[part]), 7):
        other = "A" if parts[part][place] != "A" else "B"
        changed = [*parts[:part], parts[part][:place] + other + parts[part][place + 1 :], *parts[part + 1 :]]
        with pytest.raises(InvalidToken):
            keys().decode(".".join(changed))


def test_what_is_public_of_a_key_seals_nothing() -> None:
    head, body, _ = keys().seal(CLAIMS).split(".")
    [public] = keys().public_jwks()["keys"]
    for secret in (public["x"], base64.urlsafe_b64decode(public["x"] + "="), public["kid"]):
        raw = secret if isinstance(secret, bytes) else secret.encode()
        mac = hmac.digest(raw, f"{head}.{body}".encode(), "sha256")
        forged = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        with pytest.raises(InvalidToken):
            keys().decode(f"{head}.{body}.{forged}")


@pytest.mark.parametrize("algorithm", ["RS256", "Ed25519"])
def test_what_was_sealed_before_a_rotation_is_read_after_it(tmp_path: Path, algorithm: str) -> None:
    path, before = tmp_path / "keys.json", generate_keys(algorithm)
    write_keys(path, before)
    slow, quick = keys(str(path)), keys(str(path))
    old = quick.seal(CLAIMS)
    write_keys(path, rotate_keys(before))
    assert keys(str(path)).decode(old)["sub"] == CLAIMS["sub"]
    # A server that has not looked at the file since is told by the token.
    assert slow.decode(keys(str(path)).seal(CLAIMS))["sub"] == CLAIMS["sub"]


def test_a_sealed_token_expires() -> None:
    clock = Clock()
    ours = keys(clock=clock)
    token = ours.seal(CLAIMS)
    assert ours.decode(token)
    clock.now = CLAIMS["exp"] + 1.0
    with pytest.raises(InvalidToken):
        ours.decode(token)
