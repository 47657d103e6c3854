"""Pilot secrets and refresh tokens: how they are made and how they prove themselves; pure but for the randomness."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from weyl.kit.ids import new_secret
from weyl.pilots.errors import NoPeppers

_SECRET = re.compile(r"weylp_([A-Za-z0-9-]{1,32})_([A-Za-z0-9_-]{20,128})", re.ASCII)
_REFRESH = re.compile(r"weylr_([A-Za-z0-9-]{1,32})_([0-9a-f]{32})_(\d{1,9})_([A-Za-z0-9_-]{43})", re.ASCII)
_PEPPER = re.compile(r"([A-Za-z0-9-]{1,32}):([A-Za-z0-9_-]+={0,2})", re.ASCII)
PEPPER_BYTES_MIN = 16


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token that we made: of which session, and which in its line."""

    session_id: UUID
    generation: int


class PepperRing:
    """The keys under which secrets are hashed: the first makes new ones, all of them recognise old ones.

    A secret has 256 random bits, so one fast keyed hash protects it: whoever reads the database learns nothing.
    """

    def __init__(self, text: str) -> None:
        self._peppers: dict[str, bytes] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            match = _PEPPER.fullmatch(part)
            if match is None:
                raise ValueError("pilot peppers are written as `id:base64url,id:base64url`")
            self._peppers[match[1]] = _decoded(match[1], match[2])

    def mint(self) -> tuple[str, bytes]:
        """Return a new secret and the hash to keep of it."""
        name, pepper = self._newest()
        secret = f"weylp_{name}_{new_secret(32)}"
        return secret, _mac(pepper, "secret", secret)

    def mac_of(self, secret: str) -> bytes | None:
        """Return the hash under which a secret is kept; None if it cannot be one of ours."""
        match = _SECRET.fullmatch(secret)
        pepper = self._peppers.get(match[1]) if match else None
        return _mac(pepper, "secret", secret) if pepper is not None else None

    def refresh_token(self, refresh: Refresh) -> str:
        """Return the token of one generation of a session."""
        name, pepper = self._newest()
        return f"weylr_{name}_{refresh.session_id.hex}_{refresh.generation}_{_proof(pepper, refresh)}"

    def refresh_of(self, token: str) -> Refresh | None:
        """Return what a refresh token stands for; None if we did not make it."""
        match = _REFRESH.fullmatch(token)
        pepper = self._peppers.get(match[1]) if match else None
        if match is None or pepper is None:
            return None
        refresh = Refresh(UUID(match[2]), int(match[3]))
        return refresh if hmac.compare_digest(match[4], _proof(pepper, refresh)) else None

    def _newest(self) -> tuple[str, bytes]:
        for name, pepper in self._peppers.items():
            return name, pepper
        raise NoPeppers("Pilots cannot be trusted yet: set WEYL_PILOT_PEPPERS", retry_after_s=None)


def _decoded(name: str, text: str) -> bytes:
    try:
        pepper = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(f"pilot pepper {name} is not base64url") from error
    if len(pepper) < PEPPER_BYTES_MIN:
        raise ValueError(f"pilot pepper {name} has less than {PEPPER_BYTES_MIN} bytes")
    return pepper


def _mac(pepper: bytes, purpose: str, text: str) -> bytes:
    return hmac.new(pepper, f"{purpose}\n{text}".encode(), hashlib.sha256).digest()


def _proof(pepper: bytes, refresh: Refresh) -> str:
    proof = _mac(pepper, "refresh", f"{refresh.session_id.hex}.{refresh.generation}")
    return base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
