"""The installation's signing keys: sign and verify tokens, remember what verified, rotate without a restart."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import structlog
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, OKPKey, RSAKey
from joserfc.jwk import KeySet as VerifyingKeys

from weyl.auth.errors import InvalidToken
from weyl.auth.seals import Seal, base64url
from weyl.kit import services
from weyl.kit.clock import unix_now

ALGORITHMS = ("RS256", "Ed25519")
VERDICTS_MAX = 50_000
# Refresh tokens are few: one a login, and each is used once.
REFRESH_VERDICTS_MAX = 5_000
LOOK_AT_FILE_EVERY_S = 2.0
KEYS_KEPT = 3
# In the contract's words, which its clients match.
_EXPIRED = "expired_token: The token is expired"
_UNKNOWN_KEY = "No key for kid: this refresh token was signed by another installation or with a retired key"

Claims = dict[str, Any]
Key = OKPKey | RSAKey

log = structlog.get_logger(__name__)


class InvalidKeys(ValueError):
    """A key document that cannot be used, said in a sentence for whoever configures the installation."""


class KeySet:
    """Signs with the first key that may sign, verifies with all, and reads its file again when it changes.

    `source` is a JWKS document with private keys, or the path of a file that holds one. Every server process has its
    own; a token with an unknown `kid` makes it look at the file at once, so that a rotation needs no restart and no
    order among the processes.
    """

    def __init__(self, source: str, *, issuer: str, clock: Callable[[], float] = unix_now) -> None:
        self.issuer = issuer
        self._clock = clock
        self._path = None if source.lstrip().startswith("{") else Path(source.removeprefix("file://"))
        self._verdicts: LRUCache[bytes, Claims] = LRUCache(VERDICTS_MAX)
        # Apart from the others, so that none of them is ever taken for an access token.
        self._refresh_verdicts: LRUCache[bytes, Claims] = LRUCache(REFRESH_VERDICTS_MAX)
        self._seen: tuple[int, int, int] | None = None
        self._looked_at = clock()
        if self._path is None:
            self._use(source)
        else:
            self._seen = _fingerprint(self._path)
            self._use(self._path.read_text())

    def sign(self, claims: Mapping[str, Any], *, issued: bool = True) -> str:
        """Sign `claims`, with this installation as `iss` unless `issued` is false (refresh tokens have none)."""
        self._look_at_file()
        body = {**claims, "iss": self.issuer} if issued else dict(claims)
        token = self._sign(body)
        if not issued:
            # Most come back to the process that signed them: no need to verify our own work.
            self._refresh_verdicts[_digest(token)] = body
        return token

    def seal(self, claims: Mapping[str, Any]) -> str:
        """Write a token that only this installation reads; see `Seal`. `decode` takes it like any other."""
        self._look_at_file()
        return self._seal.token({**claims, "iss": self.issuer})

    def decode(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token that this installation issued and that is still good, else `InvalidToken`.

        The mapping is shared with later calls: do not change it.
        """
        self._look_at_file()
        digest = _digest(token)
        claims = self._verdicts.get(digest)
        if claims is None:
            claims = self._verify(token)
            if claims.get("iss") != self.issuer:
                raise InvalidToken
            self._verdicts[digest] = claims
        if claims["exp"] <= self._clock():
            self._verdicts.pop(digest, None)
            raise InvalidToken
        return claims

    def decode_refresh(self, token: str, *, expired: bool = False) -> Mapping[str, Any]:
        """Return the claims of a refresh token that this installation signed; `expired` ones only when asked for."""
        self._look_at_file()
        try:
            claims = self._refresh_verdicts.get(_digest(token)) or self._verify(token)
        except InvalidToken as error:
            if isinstance(error.__cause__, InvalidKeyIdError):
                raise InvalidToken(_UNKNOWN_KEY) from error
            raise
        if "legacy_exchange" not in claims or not isinstance(claims.get("jti"), str):
            raise InvalidToken
        if claims["exp"] <= self._clock() and not expired:
            raise InvalidToken(_EXPIRED)
        return claims

    def public_jwks(self) -> dict[str, Any]:
        """Return the public halves, for whoever verifies our tokens."""
        self._look_at_file()
        return self._public

    def _verify(self, token: str) -> Claims:
        try:
            claims = self._decode(token)
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidToken from error
        expiry = claims.get("exp")
        if not isinstance(expiry, int | float) or isinstance(expiry, bool):
            raise InvalidToken
        return claims

    def _decode(self, token: str) -> Claims:
        """Read a token; one that nobody here could have made yet may be under a key that was just rotated in."""
        try:
            return self._opened(token)
        except JoseError:
            if not self._look_at_file(now_at_once=True):
                raise
            return self._opened(token)

    def _opened(self, token: str) -> Claims:
        seal = self._seals.get(token.partition(".")[0])
        if seal is not None and (claims := seal.claims(token)) is not None:
            return claims
        return jwt.decode(token, self._verifying, algorithms=[*ALGORITHMS]).claims

    def _look_at_file(self, *, now_at_once: bool = False) -> bool:
        now = self._clock()
        if self._path is None or (not now_at_once and abs(now - self._looked_at) < LOOK_AT_FILE_EVERY_S):
            return False
        self._looked_at = now
        try:
            seen = _fingerprint(self._path)
            if seen == self._seen:
                return False
            self._use(self._path.read_text())
        except (OSError, InvalidKeys) as error:
            # The keys in memory are good: a half-written or missing file must not log everybody out.
            log.error("keys_not_reloaded", path=str(self._path), reason=str(error))
            return False
        self._seen = seen
        return True

    def _use(self, text: str) -> None:
        keys = _parse(text)
        signing = next((key for key in keys if _may_sign(key)), None)
        if signing is None:
            raise InvalidKeys("no key of the set may sign: one needs a private half and `sign` in its key_ops")
        self._signing = signing
        self._seal = _seal_of(signing)
        self._seals = {seal.head: seal for seal in (_seal_of(key) for key in keys if key.is_private)}
        self._verifying = VerifyingKeys([_verifier(key) for key in keys])
        self._public = {"keys": [_public(key) for key in keys]}
        header = {"typ": "JWT", "alg": _algorithm(signing), "kid": signing.kid}
        self._header = header
        self._head = base64url(json.dumps(header, separators=(",", ":")).encode())
        self._verdicts.clear()
        self._refresh_verdicts.clear()

    def _sign(self, body: Claims) -> str:
        """Write the compact form by hand for the usual kind of key: matchers sign a token for every job."""
        key = self._signing
        private = key.private_key if isinstance(key, OKPKey) else None
        if not isinstance(private, Ed25519PrivateKey):
            return jwt.encode(self._header, body, key, algorithms=[*ALGORITHMS])
        signed = self._head + b"." + base64url(_written(body))
        return (signed + b"." + base64url(private.sign(signed))).decode()


def generate_keys(algorithm: str = "Ed25519") -> str:
    """Make a key set document with one new key."""
    return _document([_new_key(algorithm)])


def rotate_keys(text: str, *, algorithm: str = "Ed25519") -> str:
    """Put a new signing key before the others, which verify from now on; the oldest are dropped."""
    demoted = [{**key.as_dict(private=True), "key_ops": ["verify"]} for key in _parse(text)]
    return _document([_new_key(algorithm), *demoted[: KEYS_KEPT - 1]])


def write_keys(path: Path, text: str) -> None:
    """Replace the key file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def _written(body: Claims) -> bytes:
    """Write claims as JSON; numbers and texts that are not for everybody's JSON take the library's slow way."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _new_key(algorithm: str) -> dict[str, Any]:
    if algorithm == "Ed25519":
        key: Key = OKPKey.generate_key("Ed25519", private=True)
    elif algorithm == "RS256":
        key = RSAKey.generate_key(2048, private=True)
    else:
        raise InvalidKeys(f"{algorithm} is not one of {', '.join(ALGORITHMS)}")
    fields = {"kid": key.thumbprint(), "alg": algorithm, "use": "sig", "key_ops": ["sign", "verify"]}
    return {**key.as_dict(private=True), **fields}


def _document(keys: list[dict[str, Any]]) -> str:
    return json.dumps({"keys": keys}, indent=2) + "\n"


def _parse(text: str) -> list[Key]:
    try:
        document = json.loads(text)
        found = document.get("keys", [document])
        keys = [JWKRegistry.import_key({**key, "alg": _announced(key)}) for key in found]
    except (ValueError, TypeError, AttributeError, KeyError, JoseError) as error:
        raise InvalidKeys(f"the key set cannot be read: {error}") from error
    usable: list[Key] = []
    for key in keys:
        if not isinstance(key, OKPKey | RSAKey):
            raise InvalidKeys(f"key {key.kid} is of type {key.key_type}; use Ed25519 or RSA")
        key.ensure_kid()
        if any(key.kid == other.kid for other in usable):
            raise InvalidKeys(f"two keys have the id {key.kid}: a token names its key by that")
        usable.append(key)
    if not usable:
        raise InvalidKeys("the key set is empty")
    return usable


def _announced(key: Mapping[str, Any]) -> str:
    # Older files name the curve's algorithm `EdDSA`, which RFC 9864 replaced by the curve's own name.
    return "RS256" if key.get("kty") == "RSA" else "Ed25519"


def _algorithm(key: Key) -> str:
    return "RS256" if isinstance(key, RSAKey) else "Ed25519"


def _may_sign(key: Key) -> bool:
    operations = key.as_dict(private=False).get("key_ops", ["sign", "verify"])
    return key.is_private and "sign" in operations


def _seal_of(key: Key) -> Seal:
    """Return the seal under a key with a private half."""
    return Seal(str(key.as_dict(private=True)["d"]), key_id=str(key.kid))


def _public(key: Key) -> dict[str, Any]:
    fields = key.as_dict(private=False)
    return {**fields, "kid": key.kid, "alg": _algorithm(key), "use": "sig", "key_ops": ["verify"]}


def _verifier(key: Key) -> Key:
    verifier = JWKRegistry.import_key(_public(key))
    assert isinstance(verifier, OKPKey | RSAKey)
    return verifier


def _fingerprint(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


KEYS: services.Key[KeySet] = services.Key("the signing keys")
