"""The status of the grid's elements as DiracX's library gets it (flow 26)."""

import json
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import pytest

from tests.compat.clients import People, Person

pytestmark = pytest.mark.xdist_group("compat")

KINDS = ["storage", "compute", "site", "fts"]
NOT_MODIFIED = {"match_condition": {"$match": "IfModified"}}


def view(person: Person, mode: str, kind: str) -> Any:
    """Return what the server sent: of a union of schemas the generated client makes a class without fields."""
    answer = person.call(mode, f"rss.get_{kind}_status")
    sent = json.loads(answer.text)
    assert answer.ok().keys() == sent.keys()
    return sent


def test_the_four_views_of_one_vo(alice: Person, mode: str) -> None:
    assert view(alice, mode, "site") == {
        "LCG.Alpha.org": {"all": {"allowed": True, "warnings": None}},
        "LCG.Beta.org": {"all": {"allowed": False, "reason": "no disk left"}},
    }
    assert view(alice, mode, "compute") == {
        "ce.alpha.org": {"all": {"allowed": True, "warnings": None}},
        "ce.beta.org": {"all": {"allowed": False, "reason": "site LCG.Beta.org: no disk left"}},
    }
    assert view(alice, mode, "storage") == {
        "ALPHA-disk": {
            "read": {"allowed": True, "warnings": None},
            "write": {"allowed": False, "reason": "full"},
            "check": {"allowed": True, "warnings": "Degraded"},
            "remove": {"allowed": False, "reason": "Probing"},
        }
    }
    assert view(alice, mode, "fts") == {}


def test_the_other_vo_has_its_own_view(people: People, mode: str) -> None:
    sites = view(people("alice", "vob"), mode, "site")
    assert sites["LCG.Beta.org"] == {"all": {"allowed": True, "warnings": None}}


@pytest.mark.parametrize("kind", KINDS)
def test_an_unchanged_view_is_304(alice: Person, mode: str, kind: str) -> None:
    name = f"rss.get_{kind}_status"
    first = alice.call(mode, name)
    first.ok()
    tag = first.headers["etag"]
    assert "Authorization" in first.headers["vary"]
    same = alice.call(mode, name, etag=tag, **NOT_MODIFIED)
    assert (same.error, same.status) == ("ResourceNotModifiedError", 304)
    assert alice.call(mode, name, etag="other", **NOT_MODIFIED).status == 200
    later = parsedate_to_datetime(first.headers["last-modified"]) + timedelta(seconds=1)
    assert alice.call(mode, name, if_modified_since=format_datetime(later, usegmt=True)).status == 304


def test_a_view_without_rows_says_so_in_its_tag(alice: Person, mode: str) -> None:
    assert alice.call(mode, "rss.get_fts_status").headers["etag"] == "empty-0-voa"


def test_without_a_token_there_is_no_view(people: People, mode: str) -> None:
    answer = people.stranger().call(mode, "rss.get_site_status")
    assert (answer.error, answer.status) == ("ClientAuthenticationError", 401)
