"""The keys that sign tokens for storage elements: a file of their own, rotated with the next key published before."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from weyl.kit.clock import unix_now
from weyl.storage.errors import NotAllowed

ALGORITHM = "ES256"
CURVE = "P-256"
KEPT_S = 24 * 3600 + 6 * 3600
"""How long a key that signs no more is still published: a day, and the longest life of a token."""
LOOK_AT_FILE_EVERY_S = 2.0
_RETIRED = "weyl_retired_at"

log = structlog.get_logger(__name__)


class InvalidTokenKeys(ValueError):
    """A file of keys that cannot be used, said in a sentence for whoever configures the installation."""


class TokenKeys:
    """Signs with the first key of a file and publishes all; reads the file again when it changes."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = unix_now) -> None:
        self._path = path
        self._clock = clock
        self._seen: tuple[int, int, int] | None = None
        self._looked_at = float("-inf")
        self._signing: ECKey | None = None
        self._public: dict[str, Any] = {"keys": []}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token; raises `NotAllowed` where there are no keys."""
        self._look_at_file()
        if self._signing is None:
            raise NotAllowed(
                f"There are no keys for tokens of storage elements in {self._path}: an administrator makes them with"
                " weyl internal generate-storage-keys"
            )
        header = {"typ": "JWT", "alg": ALGORITHM, "kid": self._signing.kid}
        return jwt.encode(header, dict(claims), self._signing, algorithms=[ALGORITHM])

    def public_jwks(self) -> dict[str, Any]:
        """Return the public halves, for storage elements; none where there are no keys."""
        self._look_at_file()
        return self._public

    def _look_at_file(self) -> None:
        now = self._clock()
        if abs(now - self._looked_at) < LOOK_AT_FILE_EVERY_S:
            return
        self._looked_at = now
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen != self._seen:
                self._use(_parsed(self._path.read_text()))
                self._seen = seen
        except FileNotFoundError:
            return
        except (OSError, InvalidTokenKeys) as error:
            # The keys in memory are good.
            log.error("storage.keys_not_reloaded", path=str(self._path), reason=str(error))

    def _use(self, keys: list[dict[str, Any]]) -> None:
        self._signing = ECKey.import_key({name: value for name, value in keys[0].items() if name != _RETIRED})
        self._public = {"keys": [_public(key) for key in keys]}


def generate_token_keys() -> str:
    """Return a file with a key that signs and the next one, which is published already."""
    return _document([_new_key(), _new_key()])


def rotate_token_keys(text: str, *, now: float) -> str:
    """Let the next key sign, publish one more, and drop the keys that have signed nothing for long enough.

    However many rotations follow each other within a day, no key is dropped whose tokens may still be about.
    """
    keys = _parsed(text)
    current = [key for key in keys if _RETIRED not in key]
    retired = [key for key in keys if _RETIRED in key and key[_RETIRED] > now - KEPT_S]
    signing = current[1] if len(current) > 1 else _new_key()
    return _document([signing, _new_key(), {**current[0], _RETIRED: int(now)}, *retired])


def _new_key() -> dict[str, Any]:
    key = ECKey.generate_key(CURVE, private=True)
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": ALGORITHM, "use": "sig"}


def _document(keys: list[dict[str, Any]]) -> str:
    return json.dumps({"keys": keys}, indent=2) + "\n"


def _parsed(text: str) -> list[dict[str, Any]]:
    try:
        keys = json.loads(text)["keys"]
        for key in keys:
            imported = ECKey.import_key({name: value for name, value in key.items() if name != _RETIRED})
            if not imported.is_private or key.get("crv") != CURVE or not isinstance(key.get("kid"), str):
                raise InvalidTokenKeys(f"a key is not private, not on {CURVE}, or has no kid")
            if not isinstance(key.get(_RETIRED, 0), int):
                raise InvalidTokenKeys(f"{_RETIRED} of key {key['kid']} is no time")
    except (ValueError, TypeError, KeyError, AttributeError, JoseError) as error:
        raise InvalidTokenKeys(f"the key set cannot be read: {error}") from error
    if not keys or _RETIRED in keys[0]:
        raise InvalidTokenKeys("the first key of the set must be one that signs")
    return list(keys)


def _public(key: Mapping[str, Any]) -> dict[str, Any]:
    return {name: key[name] for name in ("kty", "crv", "x", "y", "kid", "alg", "use") if name in key}
