"""Identifiers, times, JSON, versions, paging and the document's dialect: everything in the kit without I/O."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from weyl.kit import json
from weyl.kit.clock import iso_z
from weyl.kit.errors import BadRequest, TooManyRequests, Unauthorized
from weyl.kit.faults import shown
from weyl.kit.http import bearer_token, is_unchanged, page_response
from weyl.kit.ids import new_stamp, sha256_hex, uuid7
from weyl.kit.middleware import client_version
from weyl.kit.openapi import downgrade
from weyl.kit.telemetry import mask

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_uuids_are_of_version_7_and_in_order_of_time() -> None:
    early, late = uuid7(1000), uuid7(2000)
    assert (early.version, early.variant) == (7, "specified in RFC 4122")
    assert early < late
    assert early.int >> 80 == 1000


def test_stamps_are_32_hexadecimal_characters() -> None:
    assert len(new_stamp()) == 32
    assert int(new_stamp(), 16) >= 0
    assert sha256_hex("") == sha256_hex(b"")


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOON, "2026-11-25T12:00:00Z"),
        (NOON.replace(microsecond=500), "2026-11-25T12:00:00.000500Z"),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-11-25T12:00:00Z"),
    ],
)
def test_times_have_the_form_of_the_contract(at: datetime, text: str) -> None:
    assert iso_z(at) == text
    assert json.loads(json.dumps([at.astimezone(UTC)])) == [text]


def test_json_takes_the_keys_and_sets_of_our_documents() -> None:
    assert json.dumps({1: frozenset({"b", "a"})}) == b'{"1":["a","b"]}'
    with pytest.raises(TypeError):
        json.dumps(object())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0.0.1a1", "0.0.1"),
        ("0.7.0", "0.10.0"),
        ("0.7.0.dev3", "0.7.0a1"),
        ("0.7.0rc1", "0.7.0"),
        ("1.0.0", "1.0.0.post1"),
        ("0.7.1.dev12+g1f2e3d4", "0.7.1"),
        ("0.0.1a51.dev6", "0.0.1a51"),
        ("0.0.dev123", "0.0.1a1"),
    ],
)
def test_versions_are_in_order(first: str, second: str) -> None:
    earlier, later = client_version(first), client_version(second)
    assert earlier is not None
    assert later is not None
    assert earlier < later


@pytest.mark.parametrize("text", ["0.7", "v0.7.0", "0.7.0.0", " 0.7.0"])
def test_a_version_may_be_written_in_several_ways(text: str) -> None:
    assert client_version(text) == client_version("0.7.0")


@pytest.mark.parametrize("text", ["", "x", "1.x", "1.2.3 ; rm", "9" * 101])
def test_what_is_no_version_is_none(text: str) -> None:
    assert client_version(text) is None


def test_authorization_headers() -> None:
    assert bearer_token("Bearer abc") == "abc"
    with pytest.raises(Unauthorized):
        bearer_token(None)
    for wrong in ("Basic abc", "Bearer", "Bearer a b", "abc"):
        with pytest.raises(BadRequest):
            bearer_token(wrong)


@pytest.mark.parametrize(
    ("headers", "unchanged"),
    [
        ({}, False),
        ({"if-none-match": "abc"}, True),
        ({"if-none-match": '"abc"'}, True),
        ({"if-none-match": 'W/"abc"'}, True),
        ({"if-none-match": '"x", W/"abc"'}, True),
        ({"if-none-match": "x"}, False),
        ({"if-modified-since": "Wed, 25 Nov 2026 12:00:01 GMT"}, True),
        ({"if-modified-since": "Wed, 25 Nov 2026 12:00:00 GMT"}, False),
        ({"if-modified-since": "yesterday"}, False),
        ({"if-modified-since": "Wed, 25 Nov 99999999999999999999 12:00:01 GMT"}, False),
        ({"if-none-match": "x", "if-modified-since": "Wed, 25 Nov 2026 12:00:01 GMT"}, True),
    ],
)
def test_a_clients_copy_is_good_or_not(headers: dict[str, str], unchanged: bool) -> None:
    assert is_unchanged(headers, etag="abc", modified=NOON) is unchanged


@pytest.mark.parametrize(
    ("rows", "page", "total", "status", "content_range"),
    [
        ([], 1, 0, 200, None),
        ([1, 2], 1, 2, 200, None),
        ([1, 2], 1, 5, 206, "jobs 0-1/5"),
        ([5], 3, 5, 206, "jobs 4-4/5"),
        ([], 4, 5, 416, "jobs */5"),
    ],
)
def test_pages_tell_where_they_are(
    rows: list[int], page: int, total: int, status: int, content_range: str | None
) -> None:
    answer = page_response(rows, page=page, per_page=2, total=total, unit="jobs")
    assert (answer.status_code, answer.headers.get("content-range")) == (status, content_range)


def test_the_document_is_rewritten_for_old_generators() -> None:
    rewritten = downgrade(
        {
            "openapi": "3.1.0",
            "paths": {"/x": {"get": {"responses": {"200": {}, "422": {}}}}},
            "components": {
                "schemas": {
                    "A": {
                        "properties": {
                            "maybe": {
                                "anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}],
                                "title": "Maybe",
                            },
                            "other": {"anyOf": [{"$ref": "#/components/schemas/B"}, {"type": "null"}]},
                            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
                            "fixed": {"const": "sha256"},
                            "above": {"exclusiveMinimum": 0},
                            "map": {"propertyNames": {"pattern": "x"}, "type": "object"},
                        }
                    },
                }
            },
        }
    )
    assert rewritten["openapi"] == "3.0.2"
    operation = rewritten["paths"]["/x"]["get"]
    assert operation["security"] == []
    assert list(operation["responses"]) == ["200", "400", "503", "504", "default"]
    assert operation["responses"]["200"] == {}
    assert all(operation["responses"][status]["x-ms-error-response"] for status in ("400", "503", "504", "default"))
    assert rewritten["components"]["schemas"].pop("Problem")["properties"].keys() >= {"detail"}
    assert rewritten["components"]["schemas"] == {
        "A": {
            "properties": {
                "maybe": {"type": "string", "maxLength": 3, "title": "Maybe", "nullable": True},
                "other": {"allOf": [{"$ref": "#/components/schemas/B"}], "nullable": True},
                "either": {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
                "fixed": {"enum": ["sha256"]},
                "above": {"minimum": 0, "exclusiveMinimum": True},
                "map": {"type": "object"},
            }
        }
    }


def test_what_json_cannot_carry_becomes_text() -> None:
    assert shown({"a": [math.nan, math.inf, 1.5], 2: b"\xff", "c": 1 << 70}) == {
        "a": ["nan", "inf", 1.5],
        "2": "\ufffd",
        "c": str(1 << 70),
    }


def test_what_is_long_many_or_deep_is_cut_in_answers() -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    cut = json.dumps(
        shown({"deep": deep, "\ud800": "\ud800", "long": "x" * 10**6, "many": [1] * 10**6, "x" * 10**6: 10**5_000})
    )
    assert len(cut) < 5_000


def test_secrets_are_masked_in_logs() -> None:
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln"
    assert token not in mask(f"Bearer {token}")
    assert "weylp_p1_abc" not in mask("secret weylp_p1_abc was used")
    assert "weylr_p1_0123" not in mask("token weylr_p1_0123_0_abc was used")
    assert "deadbeef" not in mask("https://s3/x?X-Amz-Signature=deadbeef&a=b")


def test_whoever_must_wait_is_told_how_long() -> None:
    assert TooManyRequests("slow down", retry_after_s=30).headers == {"Retry-After": "30"}
