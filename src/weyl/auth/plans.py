"""Tokens that bind a confirmation to what was shown: who asked, for exactly what, and how far it may reach."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weyl.auth.errors import InvalidToken, PlanRefused
from weyl.auth.keys import KeySet
from weyl.kit import json
from weyl.kit.http import User

AUDIENCE_PLAN = "weyl-plan"
LIFETIME_S = 600


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody was shown before confirming it."""

    operation_id: UUID
    """The operation that it becomes: confirmed twice, it is still one."""
    digest: str
    """Of the whole request; see `digest_of`."""
    bound: int
    """The highest id that existed: what is created later is not meant."""
    total: int


def digest_of(request: object) -> str:
    """Return a digest of a request: the same for the same request only."""
    return hashlib.sha256(json.dumps(request)).hexdigest()


def seal(keys: KeySet, user: User, plan: Plan, *, now: float) -> str:
    """Return the token that confirms a plan, good for ten minutes and for this user in this group."""
    return keys.sign(
        {
            "aud": AUDIENCE_PLAN,
            "jti": str(plan.operation_id),
            "exp": int(now) + LIFETIME_S,
            "digest": plan.digest,
            "bound": plan.bound,
            "total": plan.total,
            **_caller(user),
        }
    )


def open_plan(keys: KeySet, user: User, token: str, *, digest: str) -> Plan:
    """Return the plan of a token; raises `PlanRefused` unless this user made it, for this request, not long ago."""
    try:
        claims = keys.decode(token)
    except InvalidToken as error:
        raise PlanRefused("The plan token is not one of ours, or older than ten minutes: plan again") from error
    if claims.get("aud") != AUDIENCE_PLAN:
        raise PlanRefused("This is no plan token: it comes from the same call without one")
    if any(claims.get(name) != value for name, value in _caller(user).items()):
        raise PlanRefused("The plan was made by somebody else, or in another group: plan again")
    if claims["digest"] != digest:
        raise PlanRefused("The plan was made for another request: send the same one, or plan again")
    return Plan(UUID(claims["jti"]), digest, claims["bound"], claims["total"])


def _caller(user: User) -> Mapping[str, Any]:
    return {"sub": user.subject, "vo": user.vo, "group": user.group}
