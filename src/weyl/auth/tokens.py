"""What stands in a token: claims for users, pilots and jobs, and the way back from claims to a principal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weyl.auth.errors import InvalidToken
from weyl.kit.http import User

AUDIENCE_PILOT = "weyl-pilot"
AUDIENCE_JOB = "weyl-job"

Claims = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """Who a user is, in which VO and group, and with which properties."""

    subject: str
    vo: str
    preferred_username: str
    group: str
    properties: frozenset[str]
    predecessors: frozenset[str] = frozenset()
    """Subjects whose name it takes over if they had it."""


@dataclass(frozen=True)
class PilotIdentity:
    """Which pilot this is and where it runs; a pilot that started by itself may not know its CE."""

    stamp: str
    vo: str
    site: str | None = None
    ce: str | None = None
    queue: str | None = None


@dataclass(frozen=True)
class JobIdentity:
    """Which job a payload belongs to, whose it is, and which pilot runs it; `owner` is the preferred username."""

    job_id: int
    pilot_stamp: str
    vo: str
    group: str
    owner: str


def access_claims(identity: Identity, *, token_id: UUID, now: int, lifetime_s: int) -> Claims:
    """Make the claims of a user's access token; `now` is in unix seconds, the issuer is added when it is signed."""
    return {
        "jti": str(token_id),
        "exp": now + lifetime_s,
        "sub": identity.subject,
        "vo": identity.vo,
        "preferred_username": identity.preferred_username,
        "dirac_group": identity.group,
        "dirac_properties": sorted(identity.properties),
        "dirac_policies": {},
    }


def refresh_claims(token_id: UUID, *, expires_at: int, legacy_exchange: bool = False) -> Claims:
    """Make the claims of a refresh token, which names nobody: who it is for stands in the table."""
    return {"jti": str(token_id), "exp": expires_at, "legacy_exchange": legacy_exchange, "dirac_policies": {}}


def pilot_claims(pilot: PilotIdentity, *, token_id: UUID, now: int, lifetime_s: int) -> Claims:
    """Make the claims of a pilot's access token, bound to its stamp."""
    return {
        "jti": str(token_id),
        "exp": now + lifetime_s,
        "iat": now,
        "aud": AUDIENCE_PILOT,
        "sub": f"pilot:{pilot.stamp}",
        "vo": pilot.vo,
        "site": pilot.site,
        "ce": pilot.ce,
        "queue": pilot.queue,
    }


def job_claims(job: JobIdentity, *, token_id: UUID, now: int, lifetime_s: int) -> Claims:
    """Make the claims of the token that a payload gets: one job, nothing else."""
    return {
        "jti": str(token_id),
        "exp": now + lifetime_s,
        "iat": now,
        "aud": AUDIENCE_JOB,
        "sub": f"job:{job.job_id}",
        "vo": job.vo,
        "preferred_username": job.owner,
        "dirac_group": job.group,
        "stamp": job.pilot_stamp,
    }


def user_from_claims(claims: Mapping[str, Any]) -> User:
    """Turn verified claims into a principal; raises `InvalidToken` when they are meant for another resource."""
    audience = claims.get("aud")
    try:
        if audience is None:
            return _person(claims)
        if audience == AUDIENCE_PILOT:
            return _pilot(claims)
        if audience == AUDIENCE_JOB:
            return _job(claims)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidToken from error
    raise InvalidToken


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that must be text: keys and decisions are made of it."""
    value = claims[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _text_or_none(claims: Mapping[str, Any], name: str) -> str | None:
    return None if claims.get(name) is None else _text(claims, name)


def _properties(claims: Mapping[str, Any]) -> frozenset[str]:
    names = claims["dirac_properties"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("dirac_properties")
    return frozenset(names)


def _policies(claims: Mapping[str, Any]) -> dict[str, Any]:
    policies = claims.get("dirac_policies") or {}
    if not isinstance(policies, dict):
        raise TypeError("dirac_policies")
    return policies


def _person(claims: Mapping[str, Any]) -> User:
    return User(
        kind="user",
        subject=_text(claims, "sub"),
        vo=_text(claims, "vo"),
        preferred_username=_text(claims, "preferred_username"),
        group=_text(claims, "dirac_group"),
        properties=_properties(claims),
        token_id=_text(claims, "jti"),
        expires_at=int(claims["exp"]),
        policies=_policies(claims),
    )


def _pilot(claims: Mapping[str, Any]) -> User:
    stamp = _after(_text(claims, "sub"), "pilot:")
    return User(
        kind="pilot",
        subject=_text(claims, "sub"),
        vo=_text(claims, "vo"),
        preferred_username=stamp,
        group="",
        properties=frozenset(),
        token_id=_text(claims, "jti"),
        expires_at=int(claims["exp"]),
        policies={},
        pilot_stamp=stamp,
        site=_text_or_none(claims, "site"),
        ce=_text_or_none(claims, "ce"),
        queue=_text_or_none(claims, "queue"),
    )


def _job(claims: Mapping[str, Any]) -> User:
    return User(
        kind="job",
        subject=_text(claims, "sub"),
        vo=_text(claims, "vo"),
        preferred_username=_text(claims, "preferred_username"),
        group=_text(claims, "dirac_group"),
        properties=frozenset(),
        token_id=_text(claims, "jti"),
        expires_at=int(claims["exp"]),
        policies={},
        pilot_stamp=_text(claims, "stamp"),
        job_id=int(_after(_text(claims, "sub"), "job:")),
    )


def _after(subject: str, prefix: str) -> str:
    if not subject.startswith(prefix) or subject == prefix:
        raise ValueError(subject)
    return subject[len(prefix) :]
