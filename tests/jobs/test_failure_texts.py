"""What makes failures alike: the text of an error without its particulars, and its name, as the database makes them."""

import hashlib
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from weyl.kit.db import Tx

ALIKE = [
    ("exited with 1 on wn042.example.org", "Exited with 1 on wn7.farm.example.org", "exited with 1 on <host>"),
    ("step 3: exited with status 127.", "step 12: Exited With Status 127.", "step <n>: exited with status 127."),
    ("Cannot open /data/a/b.root", "Cannot open /cvmfs/x.y", "cannot open <path>"),
    ("LFN:/voa/user/a is not there", "LFN:/voa/b is not there", "<path> is not there"),
    ("no replica of lfn:/voa/a, tried 3 times", "no replica of lfn:/voa/b/c, tried 12 times", None),
    ("at 2026-11-25T15:00:00.123 it died", "at 2025-01-01 00:00:00 it died", "at <time> it died"),
    ("12:30:01 killed", "01:02:03,5 killed", "<time> killed"),
    (
        "id 01890a5d-ac96-774b-bcce-b302099a8057 gone",
        "id ffffffff-0000-4000-8000-000000000000 gone",
        "id <id> gone",
    ),
    ("checksum 9a3bc0ff00 differs", "checksum 0xdeadbeef differs", "checksum <hex> differs"),
    ("no module named 'numpy'", "no module named 'a b'", "no module named <text>"),
    ('bad "x"', 'bad "/y/z"', "bad <text>"),
    ("mail to alice@example.org failed", "mail to b.c+d@e.f.g failed", "mail to <email> failed"),
    ("GET https://a.b/c?d=1 failed", "GET root://x//y failed", "get <url> failed"),
    ("10.0.0.1 refused", "192.168.1.254 refused", "<host> refused"),
    ("  too   many\tblanks ", "too many blanks", "too many blanks"),
    ("disk 3.5 GB", "disk 17 GB", "disk <n> gb"),
]


OTHERS = [
    ("out of memory", "out of time"),
    ("can't open it", "won't open it"),
    ("and/or", "and"),
    ("defaced", "facade"),
    ("", "x"),
    ("Exited With Status 1", "Exited With Status 127"),
    ("Exited With Status 127", "Exited With Status 137"),
    ("exit code: 3", "exit code: 4"),
    ("returned code -9", "returned code -11"),
    ("killed by signal 9", "killed by signal 15"),
]
_WORDS = st.sampled_from(
    [*"abcdef0123456789 /.:-_@'\"`", "lfn:", "2026-11-25", "12:00:01", "ab12cd34", "0x", "é", "İ", "\n", "a.b.org", "T"]
)


async def failures(tx: Tx, *minor: str, application: str = "", owner: str = "") -> list[Any]:
    """Return what the database makes of failures: what was told, what is said, and the signature."""
    statement = text(
        "SELECT f.told, f.said, f.signature FROM unnest(CAST(:minor AS text[])) WITH ORDINALITY AS m (minor, number)"
        " CROSS JOIN LATERAL job_failure(m.minor, :application, :owner) f ORDER BY m.number"
    )
    values = {"minor": list(minor), "application": application, "owner": owner}
    return list(await tx.execute(statement, values))


async def test_what_differs_in_particulars_only_is_alike(tx: Tx) -> None:
    ones = await failures(tx, *(one for one, _, _ in ALIKE))
    others = await failures(tx, *(other for _, other, _ in ALIKE))
    assert [each.said for each in ones] == [each.said for each in others]
    assert [each.signature for each in ones] == [each.signature for each in others]
    expected = [said if said is not None else one.said for one, (_, _, said) in zip(ones, ALIKE, strict=True)]
    assert [each.said for each in ones] == expected


async def test_what_says_something_else_is_not_alike(tx: Tx) -> None:
    ones = await failures(tx, *(one for one, _ in OTHERS))
    others = await failures(tx, *(other for _, other in OTHERS))
    same = [one for one, other in zip(ones, others, strict=True) if one.signature == other.signature]
    assert same == []


async def test_users_are_left_out_by_name_as_whole_words(tx: Tx) -> None:
    [one] = await failures(tx, "quota of bob.x exceeded", owner="bob.x")
    [other] = await failures(tx, "quota of Carol exceeded", owner="carol")
    assert one.said == other.said == "quota of <user> exceeded"
    [within] = await failures(tx, "bobsleigh", owner="bob")
    assert within.said == "bobsleigh"
    for owner in ("a", "[", "x\\", ""):
        [each] = await failures(tx, "a b", owner=owner)
        assert each.said == "a b"


async def test_long_texts_are_cut_and_the_unknown_says_nothing(tx: Tx) -> None:
    one, other = await failures(tx, "x y " * 500, "x y " * 600)
    assert (one.said, one.signature) == (other.said, other.signature)
    for nothing in ("Unknown", ""):
        [each] = await failures(tx, "Job stalled", application=nothing)
        assert each.told == "Job stalled"
    [both] = await failures(tx, "Application Finished With Errors", application="exit 1")
    assert both.told == "Application Finished With Errors: exit 1"
    assert both.said == "application finished with errors: exit 1"


async def test_whatever_is_told_has_a_short_text_without_numbers_and_a_name(tx: Tx) -> None:
    found: list[str] = []

    @given(st.lists(_WORDS, max_size=60).map("".join))
    def collect(sample: str) -> None:
        found.append(sample)

    collect()
    for told, said, signature in await failures(tx, *found, owner="a.b"):
        assert len(said) <= 200, told
        assert not re.search(r"[0-9A-Z\n]|  ", said), told
        assert signature == hashlib.sha256(said.encode()).hexdigest()[:16], told
