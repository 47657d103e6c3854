"""`weyl sites`, `ces`, `ses`, `fts` and `weyl pilots admin` against a real server."""

import json
from collections.abc import Callable

import pytest
from tests.cli.conftest import Program
from tests.cli.steps import rows

from weyl.resource_status.cli.app import row_of
from weyl.resource_status.models import AllowedStatus, BannedStatus, StorageElementStatus


def test_who_is_not_logged_in_gets_exit_4(weyl_as: Callable[..., Program]) -> None:
    anonymous = weyl_as(None)
    for words in (["sites", "list"], ["pilots", "admin", "secrets", "create", "--site", "X"]):
        assert anonymous(*words).returncode == 4, words


def test_only_those_who_care_for_pilots_make_and_end_their_secrets(weyl: Program) -> None:
    assert weyl("pilots", "admin", "secrets", "create", "--site", "LCG.Alpha.org").returncode == 5
    assert weyl("pilots", "admin", "revoke", "--host", "h", "--yes").returncode == 5


@pytest.mark.parametrize("noun", ["sites", "ces", "ses", "fts"])
def test_resources_are_listed_and_a_missing_one_is_exit_3(weyl: Program, noun: str) -> None:
    found = rows(weyl, noun, "list")
    assert all("Name" in row and "Reason" in row for row in found)
    assert weyl(noun, "show", "No.Such.one").returncode == 3
    for row in found[:1]:
        assert rows(weyl, noun, "show", row["Name"]) == [row]
        partly = weyl(noun, "show", row["Name"], "No.Such.one")
        assert partly.returncode == 7
        assert "No.Such.one" in partly.stderr


def test_the_uses_of_a_storage_element_are_columns_and_equal_reasons_are_said_once() -> None:
    down = BannedStatus(allowed=False, reason="downtime")
    status = StorageElementStatus(read=AllowedStatus(allowed=True), write=down, check=down, remove=down)
    assert row_of("SE", status) == {
        "Name": "SE",
        "Read": True,
        "Write": False,
        "Check": False,
        "Remove": False,
        "Reason": "write, check, remove: downtime",
    }


def test_secrets_are_made_shown_once_and_revoked(weyl_as: Callable[..., Program]) -> None:
    keeper = weyl_as("alice", group="service")
    made = keeper(
        "pilots", "admin", "secrets", "create", "--site", "LCG.Alpha.org", "--uses", "5", "--hours", "1", "-o", "json"
    )
    assert made.returncode == 0, made.stderr
    secret = json.loads(made.stdout)
    assert set(secret) == {"secret_id", "secret", "not_after"}
    assert keeper("pilots", "admin", "secrets", "revoke", secret["secret_id"]).returncode == 2
    ended = keeper("pilots", "admin", "secrets", "revoke", secret["secret_id"], "nonsense", "--yes")
    assert ended.returncode == 7, ended.stderr
    assert keeper("pilots", "admin", "revoke").returncode == 2
    gone = keeper("pilots", "admin", "revoke", "--host", "no-such-host", "--yes", "-o", "json")
    assert json.loads(gone.stdout) == {"secrets": 0, "stamps": []}


def test_a_site_is_banned_drained_explained_and_opened_again(weyl_as: Callable[..., Program]) -> None:
    keeper = weyl_as("alice", group="service")
    banned = keeper("sites", "ban", "LCG.Beta.org", "--reason", "power cut", "--for", "8h", "--yes")
    assert banned.returncode == 0, banned.stderr
    partly = keeper("sites", "drain", "LCG.Beta.org", "No.Such.one", "--reason", "disks", "--until", "2030-01-01")
    assert partly.returncode == 7
    assert "No.Such.one" in partly.stderr
    for _ in range(100):
        told = json.loads(keeper("ces", "why", "ce.beta.org", "-o", "json").stdout)
        if len(told["claims"]) == 2:
            break
    assert (told["status"], told["reason"]) == ("Banned", "site LCG.Beta.org: power cut")
    assert [entry["action"] for entry in rows(keeper, "sites", "history", "LCG.Beta.org")] == ["set", "set"]
    assert keeper("sites", "allow", "LCG.Beta.org").returncode == 0
    assert keeper("sites", "undrain", "LCG.Beta.org").returncode == 0
    assert keeper("sites", "undrain", "LCG.Beta.org").returncode == 7


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["ban", "LCG.Beta.org", "--reason", "x", "--until", "tomorrow"], 2),
        (["ban", "LCG.Beta.org", "--reason", "x", "--until", "never", "--for", "2d"], 2),
        (["ban", "LCG.Beta.org", "--reason", "x", "--access", "write"], 2),
        (["ban", "LCG.Beta.org"], 2),
        (["why", "No.Such.one"], 3),
    ],
)
def test_what_cannot_be_said_of_a_site_is_refused_before_anything_is_sent(
    weyl_as: Callable[..., Program], words: list[str], code: int
) -> None:
    assert weyl_as("alice", group="service")("sites", *words, "--yes").returncode == code


def test_without_the_property_nobody_bans(weyl: Program) -> None:
    assert weyl("sites", "ban", "LCG.Alpha.org", "--reason", "x", "--yes").returncode == 5
