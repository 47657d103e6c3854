"""Uploads as values: their states, what is kept of their files, and where each file may be written."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.config import lfns
from weyl.file_catalog.checksums import Checksums
from weyl.storage.drivers.driver import Stat
from weyl.storage.tables import intents, uploads
from weyl.storage.uploads import (
    ENDED,
    INTENT_MOVES,
    MOVES,
    IntentState,
    Landed,
    Spot,
    StoredPlace,
    UploadState,
    Wanted,
    aside,
    is_allowed,
    named_twice,
    not_landed,
    path_aside,
    spots_of,
)
from weyl.storage.verdicts import GONE, fault_of, is_proven

PICTURE = Path(__file__).parents[2] / "docs" / "developer" / "files.md"
SUMS = Checksums(adler32="00000001", sha256="0" * 64)


def test_the_picture_in_the_documentation_has_the_arrows_of_the_code() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+):", PICTURE.read_text(), re.MULTILINE))
    assert drawn == {(source, target) for source, targets in MOVES.items() for target in targets}


def wanted(lfn: str, **more: object) -> Wanted:
    return Wanted(**{"name": lfn, "lfn": lfn, "size": 1, "checksums": SUMS, **more})


def test_every_state_has_its_moves_and_the_ended_ones_have_none() -> None:
    assert set(UploadState) == MOVES.keys()
    assert set(IntentState) == INTENT_MOVES.keys()
    assert {"registered", "failed", "abandoned"} == ENDED
    assert is_allowed("open", "verifying")
    assert not is_allowed("registered", "abandoned")


@pytest.mark.parametrize(("table", "moves"), [(uploads, MOVES), (intents, INTENT_MOVES)])
def test_the_database_takes_the_states_of_the_code_and_no_others(table: object, moves: dict[str, object]) -> None:
    checks = [str(each.sqltext) for each in table.constraints if str(each.name).endswith("state")]
    assert [set(re.findall(r"'(\w+)'", check)) for check in checks] == [moves.keys()]


def test_a_file_is_kept_as_it_was_asked_for() -> None:
    for each in (
        wanted("/vo/a"),
        wanted(
            "/vo/b",
            metadata={"Run": 7},
            ancestors=("/vo/a",),
            guid="g",
            at=(StoredPlace("SE", "/vo/x"), StoredPlace("B")),
        ),
    ):
        assert Wanted.from_json(each.as_json()) == Wanted(**{**_fields(each), "ses": None})
    assert Landed.from_json(Landed("SE", ["a", "b"]).as_json()) == Landed("SE", ["a", "b"])


def _fields(each: Wanted) -> dict[str, object]:
    return {name: getattr(each, name) for name in Wanted.__slots__}


def test_places_come_in_order_of_preference_and_only_for_files_that_need_one() -> None:
    files = [wanted("/vo/a"), wanted("/vo/known"), wanted("/vo/b")]
    targets = {"/vo/a": ["ONE", "TWO"], "/vo/b": ["TWO"]}
    assert spots_of(files, {"/vo/a": "/vo/a", "/vo/b": "/old/b"}, targets, upload_id=7) == [
        Spot(0, 0, "ONE", "/vo/a", True),
        Spot(0, 1, "TWO", "/vo/a", True),
        Spot(2, 0, "TWO", "/old/b", True),
    ]


def test_what_lies_somewhere_is_looked_for_there_and_never_moved_aside() -> None:
    files = [wanted("/vo/a", at=[StoredPlace("ONE", "/vo/x"), StoredPlace("TWO")])]
    spots = spots_of(files, {"/vo/a": "/vo/a"}, {}, upload_id=7)
    assert spots == [Spot(0, 0, "ONE", "/vo/x", False), Spot(0, 1, "TWO", "/vo/a", False)]
    assert aside(spots, upload_id=7) == []


def test_files_of_one_upload_that_would_have_one_path_get_one_each() -> None:
    files = [wanted(f"/vo/{name}/f") for name in "abc"]
    paths = dict.fromkeys(["/vo/a/f", "/vo/b/f", "/vo/c/f"], "/vo/a/f")
    spots = spots_of(files, paths, {lfn: ["SE"] for lfn in paths}, upload_id=7)
    assert [spot.path for spot in spots] == ["/vo/a/f", "/vo/a/f~7~1", "/vo/a/f~7~2"]


def test_a_path_that_is_taken_gets_the_id_of_the_upload() -> None:
    [beside] = aside([Spot(3, 0, "SE", "/vo/a", True)], upload_id=12)
    assert beside == Spot(3, 0, "SE", "/vo/a~12", True)


@given(
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=255),
    upload_id=st.integers(1, (1 << 63) - 1),
    numbers=st.lists(st.integers(0, 9_999), min_size=2, max_size=2, unique=True),
)
def test_a_path_beside_is_a_name_that_nobody_else_gets(name: str, upload_id: int, numbers: list[int]) -> None:
    path = f"/vo/{name.encode()[:255].decode(errors='ignore')}"
    found = [path_aside(path, upload_id, number, is_shared=True) for number in numbers]
    assert len({*found, path_aside(path, upload_id + 1, numbers[0], is_shared=True), path}) == 4
    for each in [*found, path_aside(path, upload_id, numbers[0])]:
        assert lfns.STORED_MARK in each
        assert len(each.rpartition("/")[2].encode()) <= 255


def test_names_that_stand_for_one_file_are_found() -> None:
    assert named_twice([wanted("/vo/a"), wanted("/vo/b"), wanted("/vo/a", name="other")]) == {"/vo/a"}


def test_a_commit_must_say_of_each_file_where_it_is() -> None:
    assert not_landed(["b", "a", "c"], {"b": Landed("SE")}) == ["a", "c"]


@pytest.mark.parametrize(
    ("stat", "fault"),
    [
        (None, GONE),
        (Stat(2, SUMS), "it has 2 bytes there, and must have 1"),
        (Stat(1, Checksums(adler32="00000002")), "its adler32 is 00000002 there, and must be 00000001"),
        (Stat(1, Checksums()), None),
        (Stat(1, Checksums(md5="0" * 32)), None),
        (Stat(1, Checksums(adler32="00000001")), None),
    ],
)
def test_what_storage_says_is_compared_with_what_must_be(stat: Stat | None, fault: str | None) -> None:
    assert fault_of(1, SUMS, stat) == fault


def test_only_a_common_checksum_is_proof() -> None:
    assert is_proven(SUMS, Stat(1, Checksums(adler32="00000001")))
    assert not is_proven(SUMS, Stat(1, Checksums(md5="0" * 32)))
