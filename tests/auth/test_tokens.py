"""Claims: what stands in the tokens of users, pilots and jobs, and who may pass for whom."""

from typing import Any

import pytest

from weyl.auth.errors import InvalidToken
from weyl.auth.tokens import (
    Identity,
    JobIdentity,
    PilotIdentity,
    access_claims,
    job_claims,
    pilot_claims,
    refresh_claims,
    user_from_claims,
)
from weyl.kit.ids import uuid7

ALICE = Identity("voa:a1", "voa", "alice", "user", frozenset({"NormalUser", "JobSharing"}))
ID = uuid7()


def alice(**changes: Any) -> dict[str, Any]:
    return {**access_claims(ALICE, token_id=ID, now=1000, lifetime_s=1200), **changes}


@pytest.mark.parametrize("audience", ["https://weyl.example.org/mcp", "", [], ["weyl-pilot"], 0, "weyl-pilot "])
def test_a_token_for_another_resource_is_refused(audience: object) -> None:
    with pytest.raises(InvalidToken):
        user_from_claims(alice(aud=audience))


def test_a_user_token_does_not_become_a_pilot_or_job_token() -> None:
    for audience in ("weyl-pilot", "weyl-job"):
        with pytest.raises(InvalidToken):
            user_from_claims(alice(aud=audience))


@pytest.mark.parametrize("missing", ["sub", "vo", "preferred_username", "dirac_group", "dirac_properties", "jti"])
def test_a_token_that_lacks_a_claim_is_refused(missing: str) -> None:
    claims = alice()
    del claims[missing]
    with pytest.raises(InvalidToken):
        user_from_claims(claims)


def test_the_claims_of_an_access_token_are_those_of_the_contract() -> None:
    assert alice() == {
        "jti": str(ID),
        "exp": 2200,
        "sub": "voa:a1",
        "vo": "voa",
        "preferred_username": "alice",
        "dirac_group": "user",
        "dirac_properties": ["JobSharing", "NormalUser"],
        "dirac_policies": {},
    }


def test_a_refresh_token_names_nobody() -> None:
    claims = refresh_claims(ID, expires_at=5000)
    assert claims == {"jti": str(ID), "exp": 5000, "legacy_exchange": False, "dirac_policies": {}}


def test_a_user_comes_back() -> None:
    user = user_from_claims(alice())
    assert (user.kind, user.subject, user.vo, user.group) == ("user", "voa:a1", "voa", "user")
    assert user.has("NormalUser")
    assert not user.has("JobAdministrator")


def test_a_pilot_comes_back_bound_to_its_stamp_and_without_properties() -> None:
    pilot = PilotIdentity("ab" * 16, "voa", site="LCG.A.org", ce="ce", queue="q")
    user = user_from_claims(pilot_claims(pilot, token_id=ID, now=1000, lifetime_s=1200))
    assert (user.kind, user.pilot_stamp, user.site, user.ce, user.queue) == ("pilot", "ab" * 16, "LCG.A.org", "ce", "q")
    assert not user.properties


def test_a_job_comes_back_with_its_owner_and_its_pilot() -> None:
    job = JobIdentity(7, "ab" * 16, vo="voa", group="user", owner="alice")
    user = user_from_claims(job_claims(job, token_id=ID, now=1000, lifetime_s=1200))
    assert (user.kind, user.job_id, user.pilot_stamp) == ("job", 7, "ab" * 16)
    assert (user.preferred_username, user.group, user.vo) == ("alice", "user", "voa")
    assert not user.properties
