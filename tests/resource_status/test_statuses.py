"""What each VO is told of the elements of the grid, and how the documents are named."""

from datetime import UTC, datetime

import pytest

from weyl.config.models import Config
from weyl.config.service import Snapshot
from weyl.kit.json import loads
from weyl.resource_status.policy import Viewer
from weyl.resource_status.service import StatusBoard
from weyl.resource_status.statuses import Kind, answer, reason_against, view

NOW = datetime(2026, 11, 25, tzinfo=UTC)
CE = {"Driver": "local"}


def config_of(**resources: object) -> Config:
    operations = resources.pop("Operations", {})
    vo = {"IdP": {"URL": "x", "ClientID": "y"}, "DefaultGroup": "user"}
    document = {"DIRAC": {}, "Registry": {"voa": vo, "vob": vo}, "Operations": operations, "Resources": resources}
    return Config.model_validate(document)


def snapshot_of(config: Config, revision: str = "r1") -> Snapshot:
    return Snapshot.of(config, revision=revision, modified=NOW)


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


def test_the_tag_changes_with_the_view_and_with_nothing_else() -> None:
    board, viewer = StatusBoard(), Viewer("voa")
    config = config_of(Sites={"A": {}})
    first = board.document(viewer, Kind.SITE, snapshot_of(config))
    assert first.etag.endswith("-1-voa")
    assert board.document(viewer, Kind.SITE, snapshot_of(config)) is first
    only_vob = config_of(Sites={"A": {}, "B": {"VOs": ["vob"]}})
    assert board.document(viewer, Kind.SITE, snapshot_of(only_vob, "r2")).etag == first.etag
    banned = config_of(Sites={"A": {"Status": {"Status": "Banned"}}})
    document = board.document(viewer, Kind.SITE, snapshot_of(banned, "r3"))
    assert document.etag != first.etag
    assert loads(document.body) == {"A": {"all": {"allowed": False, "reason": "Banned"}}}


def test_nothing_to_show_has_a_tag_of_its_own() -> None:
    document = StatusBoard().document(Viewer("voa"), Kind.STORAGE, snapshot_of(config_of()))
    assert (document.body, document.etag) == (b"{}", "empty-0-voa")
