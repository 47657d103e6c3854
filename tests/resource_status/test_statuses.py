"""What each VO is told of the elements of the grid, and how the documents are named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from weyl.config.models import Config
from weyl.config.status import StatusWord
from weyl.resource_status.claims import NO_CLAIMS, Claim, Claims, Element
from weyl.resource_status.models import Kind
from weyl.resource_status.statuses import Usable, View, answer, state_of, usable, usable_storage
from weyl.resource_status.statuses import view as view_of

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CE = {"Driver": "local"}


def config_of(**resources: object) -> Config:
    operations = resources.pop("Operations", {})
    vo = {"IdP": {"URL": "x", "ClientID": "y"}, "DefaultGroup": "user"}
    document = {"DIRAC": {}, "Registry": {"voa": vo, "vob": vo}, "Operations": operations, "Resources": resources}
    return Config.model_validate(document)


def view(config: Config, vo: str, kind: Kind, claims: Claims = NO_CLAIMS) -> View:
    return view_of(config, claims, vo, kind, now=NOW)


def reason_against(config: Config, vo: str, *, site: str, ce: str | None = None) -> str | None:
    return usable(config, NO_CLAIMS, vo, site=site, ce=ce, now=NOW).reason


def a_claim(name: str = "A", kind: Kind = Kind.SITE, **changes: Any) -> Claim:
    plain = {"vo": "voa", "source": "manual", "status": StatusWord.BANNED, "reason": "r", "author": "x", "set_at": NOW}
    access = changes.pop("access", "all")
    return Claim(Element(kind, name, access), **{**plain, **changes})


@pytest.mark.parametrize(
    ("word", "reason", "expected"),
    [
        ("Active", "no status set", {"allowed": True, "warnings": None}),
        ("Degraded", None, {"allowed": True, "warnings": "Degraded"}),
        ("Degraded", "slow", {"allowed": True, "warnings": "slow"}),
        ("Banned", None, {"allowed": False, "reason": "Banned"}),
        ("Probing", "coming back", {"allowed": False, "reason": "coming back"}),
        ("Error", None, {"allowed": False, "reason": "Error"}),
        ("Unknown", None, {"allowed": False, "reason": "Unknown"}),
        ("Closed", "x", {"allowed": False, "reason": "Unknown status: Closed"}),
    ],
)
def test_a_status_is_told_as_usable_or_not(word: str, reason: str | None, expected: dict[str, object]) -> None:
    assert answer(word, reason) == expected


def test_what_is_configured_without_a_status_is_active() -> None:
    config = config_of(Sites={"A": {"CEs": {"c": CE}}}, StorageElements={"SE": {}}, FTS={"F": {}})
    active = {"allowed": True, "warnings": None}
    assert view(config, "voa", Kind.SITE) == {"A": {"all": active}}
    assert view(config, "voa", Kind.COMPUTE) == {"c": {"all": active}}
    assert view(config, "voa", Kind.FTS) == {"F": {"all": active}}
    assert view(config, "voa", Kind.STORAGE) == {"SE": dict.fromkeys(("read", "write", "check", "remove"), active)}


def test_the_default_of_a_vo_holds_where_nothing_is_said() -> None:
    config = config_of(Sites={"A": {}}, Operations={"voa": {"ResourceStatus": {"Default": "Probing"}}})
    assert view(config, "voa", Kind.SITE)["A"]["all"] == {"allowed": False, "reason": "no status set"}
    assert view(config, "vob", Kind.SITE)["A"]["all"]["allowed"]


def test_sites_of_other_vos_are_not_seen() -> None:
    config = config_of(Sites={"A": {"VOs": ["voa"], "CEs": {"c": CE}}, "B": {}})
    assert set(view(config, "vob", Kind.SITE)) == {"B"}
    assert view(config, "vob", Kind.COMPUTE) == {}


def test_the_word_of_a_vo_is_laid_over_that_of_all_for_each_access() -> None:
    config = config_of(
        StorageElements={"SE": {"Status": {"Read": {"Status": "Degraded"}}}},
        Operations={
            "voa": {"ResourceStatus": {"StorageElements": {"SE": {"Write": {"Status": "Banned", "Reason": "full"}}}}}
        },
    )
    element = view(config, "voa", Kind.STORAGE)["SE"]
    assert element["read"] == {"allowed": True, "warnings": "Degraded"}
    assert element["write"] == {"allowed": False, "reason": "full"}
    assert element["check"] == {"allowed": True, "warnings": None}
    assert view(config, "vob", Kind.STORAGE)["SE"]["write"]["allowed"]


def test_a_reason_against_a_place_names_site_or_element() -> None:
    config = config_of(
        Sites={
            "A": {"CEs": {"c": CE, "d": {"Driver": "local", "Status": {"Status": "Error"}}}},
            "B": {"Status": {"Status": "Banned", "Reason": "power cut"}, "CEs": {"e": CE}},
            "C": {"VOs": ["vob"]},
        }
    )
    assert reason_against(config, "voa", site="A") is None
    assert reason_against(config, "voa", site="A", ce="c") is None
    assert reason_against(config, "voa", site="A", ce="d") == "d: Error"
    assert reason_against(config, "voa", site="A", ce="x") == "x is no computing element of A"
    assert reason_against(config, "voa", site="B", ce="e") == "B: power cut"
    assert reason_against(config, "voa", site="C") == "C is no site of voa"
    assert reason_against(config, "voa", site="X") == "X is no site of voa"


SITES = {"A": {"CEs": {"c": CE}}}
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("claims", "decided"),
    [
        ([], None),
        ([a_claim()], 0),
        ([a_claim(vo="all"), a_claim(status=StatusWord.ACTIVE)], 1),
        ([a_claim(vo="all", force=True), a_claim(status=StatusWord.ACTIVE)], 0),
        ([a_claim(vo="vob")], None),
        ([a_claim(expires_at=NOW)], None),
        ([a_claim(expires_at=NOW + HOUR)], 0),
        ([a_claim(expires_at=NOW), a_claim(vo="all", status=StatusWord.DEGRADED)], 1),
        ([a_claim(name="B")], None),
    ],
)
def test_a_forced_claim_beats_the_vos_own_which_beats_that_for_every_vo(
    claims: list[Claim], decided: int | None
) -> None:
    state = state_of(config_of(Sites=SITES), Claims(claims), Element(Kind.SITE, "A"), "voa", now=NOW)
    assert state.decided_by is (None if decided is None else claims[decided])
    assert state.status == ("Active" if decided is None else claims[decided].status)


def test_a_claim_beats_the_configuration_and_uncovers_it_when_it_ends() -> None:
    config = config_of(Sites={"A": {"Status": {"Status": "Banned", "Reason": "by default"}}})
    claims = Claims([a_claim(status=StatusWord.ACTIVE, expires_at=NOW + HOUR)])
    assert view(config, "voa", Kind.SITE, claims)["A"]["all"] == {"allowed": True, "warnings": None}
    later = view_of(config, claims, "voa", Kind.SITE, now=NOW + HOUR)
    assert later["A"]["all"] == {"allowed": False, "reason": "by default"}
    assert claims.next_change(NOW) == NOW + HOUR
    assert claims.next_change(NOW + HOUR) is None


def test_a_banned_site_closes_its_computing_elements_whatever_is_said_of_them() -> None:
    claims = Claims([a_claim(reason="flood"), a_claim("c", Kind.COMPUTE, status=StatusWord.ACTIVE)])
    config = config_of(Sites=SITES)
    assert view(config, "voa", Kind.COMPUTE, claims)["c"]["all"] == {"allowed": False, "reason": "site A: flood"}
    assert view(config, "vob", Kind.COMPUTE, claims)["c"]["all"]["allowed"]
    assert usable(config, claims, "voa", site="A", ce="c", now=NOW) == Usable("A: flood")


def test_a_drain_leaves_an_element_usable_until_its_end_the_earliest_one_counts() -> None:
    drains = [
        a_claim(source="drain", status=None, until=NOW + 3 * HOUR, vo="all"),
        a_claim("c", Kind.COMPUTE, source="drain", status=None, until=NOW + 2 * HOUR, reason="disks"),
    ]
    config, claims = config_of(Sites=SITES), Claims(drains)
    assert usable(config, claims, "voa", site="A", ce="c", now=NOW) == Usable(until=NOW + 2 * HOUR)
    assert usable(config, claims, "vob", site="A", ce="c", now=NOW) == Usable(until=NOW + 3 * HOUR)
    told = view(config, "voa", Kind.COMPUTE, claims)["c"]["all"]
    assert told == {"allowed": True, "warnings": "draining until 2026-11-25 02:00 UTC: disks"}


def test_a_drain_without_an_end_stops_new_work_now_and_is_shown_as_a_warning() -> None:
    config, claims = config_of(Sites=SITES), Claims([a_claim(source="drain", status=None)])
    assert usable(config, claims, "voa", site="A", ce=None, now=NOW).reason == "A: draining: r"
    assert view(config, "voa", Kind.SITE, claims)["A"]["all"] == {"allowed": True, "warnings": "draining: r"}


def test_a_ban_of_one_kind_of_access_leaves_the_others() -> None:
    claims = Claims([a_claim("SE", Kind.STORAGE, access="write", reason="full")])
    element = view(config_of(StorageElements={"SE": {}}), "voa", Kind.STORAGE, claims)["SE"]
    assert element["write"] == {"allowed": False, "reason": "full"}
    assert element["read"]["allowed"]


STORAGE = {"SE": {"Status": {"Read": {"Status": "Banned", "Reason": "dust"}}}, "THEIRS": {"VOs": ["vob"]}}


@pytest.mark.parametrize(
    ("vo", "se", "access", "reason"),
    [
        ("voa", "SE", "read", "SE may not be used for read: dust"),
        ("voa", "SE", "write", None),
        ("voa", "THEIRS", "read", "THEIRS is no storage element of voa"),
        ("vob", "THEIRS", "read", None),
        ("voa", "NONE", "check", "NONE is no storage element of voa"),
    ],
)
def test_each_access_to_storage_is_allowed_by_itself(vo: str, se: str, access: str, reason: str | None) -> None:
    config = config_of(StorageElements=STORAGE)
    assert usable_storage(config, NO_CLAIMS, vo, se, access, now=NOW) == Usable(reason)


def test_storage_drains_until_its_end_and_is_closed_without_one() -> None:
    config = config_of(StorageElements=STORAGE)
    drain = {"source": "drain", "status": None, "access": "write"}
    later = Claims([a_claim("SE", Kind.STORAGE, until=NOW + HOUR, **drain)])
    assert usable_storage(config, later, "voa", "SE", "write", now=NOW) == Usable(until=NOW + HOUR)
    now = Claims([a_claim("SE", Kind.STORAGE, **drain)])
    assert usable_storage(config, now, "voa", "SE", "write", now=NOW).reason == "SE is draining: r"
    banned = Claims([a_claim("SE", Kind.STORAGE, access="remove")])
    assert usable_storage(config, banned, "voa", "SE", "remove", now=NOW).reason == "SE may not be used for remove: r"
    assert usable_storage(config, banned, "vob", "SE", "remove", now=NOW).allowed


def test_storage_of_other_vos_is_not_seen() -> None:
    config = config_of(StorageElements=STORAGE)
    assert (list(view(config, "voa", Kind.STORAGE)), list(view(config, "vob", Kind.STORAGE))) == (
        ["SE"],
        ["SE", "THEIRS"],
    )
