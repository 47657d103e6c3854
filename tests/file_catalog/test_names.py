"""Names: which rule each one breaks, homes and roots, and that no spelling leads out of a root."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from weyl.config import lfns
from weyl.config.data_management import DataManagementOptions
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.modes import READ, WRITE, Rights, Wish, allows, may_change
from weyl.file_catalog.permits import Member
from weyl.file_catalog.registrations import in_circles

LONG = "/voa/" + "/".join(["x" * 200] * 10)


@pytest.mark.parametrize(
    ("lfn", "fault"),
    [
        ("/voa/a", None),
        ("/voa/user/a/alice/file.root", None),
        ("/voa/a b", None),
        ("/voa/%2e%2e/x", None),
        ("/voa/é", None),
        ("/voa/.../x", None),
        (f"{LONG}/{'y' * (2_048 - len(LONG) - 1)}", None),
        (f"{LONG}/{'y' * (2_049 - len(LONG) - 1)}", "has 2049 bytes, and 2,048 are allowed"),
        ("/voa/" + "é" * 1_024, "has 2053 bytes, and 2,048 are allowed"),
        ("/voa/" + "é" * 128, "has a component of more than 255 bytes"),
        ("/" + "/".join("a" * 64), None),
        ("/" + "/".join("a" * 65), "lies 65 levels deep, and 64 are allowed"),
        ("", "does not begin with /"),
        ("/", "ends with /"),
        ("/voa", "names a VO and no file"),
        ("/voa/", "is the name of a directory: it ends with /"),
        ("voa/a", "does not begin with /"),
        (" /voa/a", "does not begin with /"),
        ("//voa/a", "has // in it"),
        ("/voa//a", "has // in it"),
        ("/voa/./a", "has . or .. as a directory"),
        ("/voa/../vob/a", "has . or .. as a directory"),
        ("/voa/a/..", "has . or .. as a directory"),
        ("/voa/a\n", "has characters that no name has"),
        ("/voa/a\x00", "has characters that no name has"),
        ("/voa/a\x85", "has characters that no name has"),
        ("/voa/e\u0301", "is not in the Unicode form NFC"),
        ("/voa/\udc80", "is not valid UTF-8"),
    ],
)
def test_a_name_is_refused_with_the_rule_that_it_breaks(lfn: str, fault: str | None) -> None:
    assert lfns.fault_of(lfn) == fault


@pytest.mark.parametrize(
    ("path", "is_fine"),
    [
        ("/voa/a.b_c+d=e:f,g@h-1", True),
        ("/voa/a b", False),
        ("/voa/%2e%2e", False),
        ("/voa/a~1", False),
        ("/voa/é", False),
        ("/voa/а", False),  # a Cyrillic letter that looks like a Latin one
        ("/" + "/".join("a" * 32), True),
        ("/" + "/".join("a" * 33), False),
    ],
)
def test_new_names_follow_softer_rules_too(path: str, is_fine: bool) -> None:
    assert lfns.fault_of(path) is None
    assert (lfns.new_fault_of(path) is None) is is_fine


@given(st.text(max_size=60))
def test_a_name_that_may_be_is_one_path_and_stays_below_its_root(text: str) -> None:
    lfn = f"/voa/{text}"
    if lfns.fault_of(lfn) is not None:
        return
    assert unicodedata.normalize("NFC", lfn) == lfn
    assert lfns.join(lfns.parent_of(lfn), lfns.name_of(lfn)) == lfn
    assert lfns.root_of(lfn, ["/voa"]) == "/voa"
    assert lfns.levels_of(lfn, "/voa")[-1] == lfn
    assert not {"", ".", ".."} & set(lfn[1:].split("/"))
    assert lfns.path_below("/mnt/grid", lfn) == f"/mnt/grid{lfn}"


@given(st.text(alphabet="/.~%\\ a\u0301\n", max_size=12))
def test_no_spelling_of_a_storage_path_leads_above_its_endpoint(text: str) -> None:
    try:
        path = lfns.path_below("/mnt/grid", text)
    except ValueError:
        return
    assert path.startswith("/mnt/grid/")
    assert not {"", ".", ".."} & set(path[1:].split("/"))


def test_prefixes_are_dropped_and_nothing_else() -> None:
    assert [lfns.bare(name) for name in ("LFN:/voa/a", "lfn:/voa/a", "/voa/a", "LFN:LFN:/voa/a", " LFN:/voa/a")] == [
        "/voa/a",
        "/voa/a",
        "/voa/a",
        "LFN:/voa/a",
        " LFN:/voa/a",
    ]


@pytest.mark.parametrize(
    ("user", "home"),
    [("alice", "/voa/user/a/alice"), ("..", None), ("a/b", None), ("", None), ("a b", "/voa/user/a/a b")],
)
def test_a_user_whose_name_is_no_path_has_no_home(user: str, home: str | None) -> None:
    assert DataManagementOptions().home_of("voa", user) == home


@pytest.mark.parametrize(
    "wrong",
    [
        {"Roots": []},
        {"Roots": ["voa"]},
        {"Roots": ["/voa/"]},
        {"Roots": ["/voa", "/voa/x"]},
        {"UserHome": "/home"},
        {"UserHome": "/{x}/{user}"},
        {"UserHome": "/{user.__class__}"},
        {"LFNPattern": "("},
        {"LFNPattern": ".*"},
        {"LFNPattern": "[^/]+"},
        {"Permissions": "none"},
        {"TrashDays": -1},
    ],
)
def test_options_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DataManagementOptions.model_validate(wrong)
    assert DataManagementOptions.model_validate({"RegistrationProtocols": "SRM2"})


digits = "0123456789abcdef"


@given(st.tuples(*(st.text(digits, min_size=size, max_size=size) | st.none() for size in (8, 32, 40, 64))))
def test_checksums_are_the_same_after_a_row_and_after_json(values: tuple[str | None, ...]) -> None:
    checksums = Checksums(*values)
    assert Checksums.from_row(*checksums.as_row()) == checksums
    if checksums:
        assert Checksums.from_json(checksums.as_json()) == checksums
    number = checksums.as_row()[0]
    assert number is None or -(1 << 31) <= number < 1 << 31


def test_the_strongest_common_checksum_decides() -> None:
    one = Checksums(adler32="00000001", sha1="0" * 40)
    assert one.differs(Checksums(adler32="00000002", sha1="0" * 40)) is None
    assert one.differs(Checksums(adler32="00000001", sha1="1" * 40)) == "sha1"
    assert one.strongest_common(Checksums(md5="0" * 32)) is None


@pytest.mark.parametrize("wrong", [{}, {"adler32": None}, {"crc": "1"}, {"md5": "0" * 31}, {"adler32": "123456789"}])
def test_checksums_that_are_none_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"checksum|digits"):
        Checksums.from_json(wrong)


modes = st.integers(0, 0o777)
people = st.sampled_from(["alice", "bob", None])


@given(people, people, modes, st.sampled_from([READ, WRITE]))
def test_the_first_of_owner_group_and_others_decides(
    owner: str | None, group: str | None, mode: int, wish: Wish
) -> None:
    member = Member("voa", "alice", "bob", False)
    digit = f"{mode:03o}"[0 if owner == "alice" else 1 if group == "bob" else 2]
    assert allows(Rights(owner, group, mode), member, wish) is bool(int(digit) & wish)
    assert allows(Rights(owner, group, mode), Member("voa", "carol", "x", True), wish)


@given(people, people, people, people)
def test_nobody_gives_away_what_is_not_theirs(
    owner: str | None, group: str | None, new_owner: str | None, new_group: str | None
) -> None:
    member = Member("voa", "alice", "user", False)
    reason = may_change(Rights(owner, group, 0o777), member, owner=new_owner, group=new_group)
    if reason is None:
        assert owner == "alice"
        assert new_owner in (None, "alice")
        assert new_group in (None, group, "user")


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3), max_size=6))
def test_circles_are_found(ancestors: dict[str, list[str]]) -> None:
    circles = in_circles(ancestors)

    def reaches(start: str) -> bool:
        seen: set[str] = set()
        ahead = set(ancestors[start])
        while ahead:
            seen |= ahead
            ahead = {above for each in ahead for above in ancestors.get(each, ())} - seen
        return any(each in seen and each in ancestors and each in _above(ancestors, each) for each in {*seen, start})

    assert circles == {each for each in ancestors if each in _above(ancestors, each) or reaches(each)}


def _above(ancestors: dict[str, list[str]], start: str) -> set[str]:
    seen: set[str] = set()
    ahead = set(ancestors[start])
    while ahead:
        seen |= ahead
        ahead = {above for each in ahead for above in ancestors.get(each, ())} - seen
    return seen


def test_the_default_pattern_is_the_one_of_the_specification() -> None:
    assert re.fullmatch(lfns.PATTERN_DEFAULT, "AZaz09._+=:,@-")
