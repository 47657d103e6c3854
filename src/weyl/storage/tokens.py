"""Tokens for storage elements in the profiles of WLCG and SciTokens: what they say, for whom, and how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from weyl.config.storage_elements import EndpointAuth
from weyl.storage.errors import NotAllowed

Right = Literal["read", "write", "remove", "list"]
SKEW_S = 60
"""A storage element whose clock is late by this takes a token all the same."""
LIFE_S = 1200
VERSIONS = {"wlcg": {"wlcg.ver": "1.0"}, "scitokens": {"ver": "scitokens:2.0"}}
_WORDS: Mapping[str, Mapping[Right, str]] = {
    # `create` never overwrites; to list a directory is to read it.
    "wlcg": {
        "read": "storage.read",
        "list": "storage.read",
        "write": "storage.create",
        "remove": "storage.modify",
    },
    "scitokens": {"read": "read", "list": "read", "write": "write", "remove": "write"},
}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is to be good for: one right on one path, at the door with these settings."""

    right: Right
    path: str
    auth: EndpointAuth
    base_path: str


def scope_of(grant: Grant) -> str:
    """Return the scope of a token; raises `NotAllowed` for all that an issuer has, and for what it does not have."""
    base, path = grant.base_path.rstrip("/"), grant.path.rstrip("/")
    if not path.startswith(f"{base}/"):
        raise NotAllowed(
            "A token is only given for what lies below the base path of its issuer, and never for all of it"
        )
    relative = path[len(base) :]
    if any(part in ("", ".", "..") for part in relative[1:].split("/")) or any(map(str.isspace, relative)):
        raise NotAllowed("No token can be given for this path: scopes are parted by blanks")
    return f"{_WORDS[grant.auth.profile][grant.right]}:{relative}"


def claims_of(
    grant: Grant, *, issuer: str, subject: str, token_id: str, now: datetime, expires_s: int
) -> dict[str, Any]:
    """Return the claims of a token."""
    issued_at = int(now.timestamp())
    return {
        "iss": issuer,
        "sub": subject,
        "jti": token_id,
        "aud": grant.auth.audience,
        "iat": issued_at,
        "nbf": issued_at - SKEW_S,
        "exp": issued_at + life_s(expires_s),
        "scope": scope_of(grant),
        **VERSIONS[grant.auth.profile],
    }


def life_s(expires_s: int) -> int:
    """Return for how long a token is good that is wanted for some time: 60 to 1,200 seconds."""
    return max(60, min(expires_s, LIFE_S))


def expiry_of(now: datetime, expires_s: int) -> datetime:
    """Return when a token ends that is issued now."""
    return now.replace(microsecond=0) + timedelta(seconds=life_s(expires_s))


def issuer_url(public_url: str, vo: str) -> str:
    """Return the name of the issuer of a VO, which is where storage elements find its keys."""
    return f"{public_url.rstrip('/')}/api/storage/issuer/{vo}"


def metadata(public_url: str, vo: str) -> dict[str, Any]:
    """Return the discovery document of the issuer of a VO."""
    issuer = issuer_url(public_url, vo)
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "scopes_supported": sorted({word for words in _WORDS.values() for word in words.values()}),
        "response_types_supported": ["token"],
        "grant_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "jti", "scope", "wlcg.ver", "ver"],
    }
