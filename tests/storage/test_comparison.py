"""Two sorted lists of paths, merged page by page: every difference is found once, whatever the pages."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from weyl.file_catalog.checksums import Checksums
from weyl.storage.comparison import Finding, Registered, findings_of, page_of

PATHS = st.text("ab-/é\U0001f600z", min_size=1, max_size=4)
FILES = st.dictionaries(PATHS, st.integers(0, 3), max_size=12)


def walked(registered: Mapping[str, int], stored: Mapping[str, int], limit: int) -> tuple[list[Finding], int]:
    """Return what pages of a size find, and how many pages there are."""
    rows = [Registered(path, path, size, Checksums()) for path, size in registered.items()]
    rows.sort(key=lambda row: row.path.encode())
    entries = sorted(stored.items(), key=lambda entry: entry[0].encode())
    found: list[Finding] = []
    after, pages = b"", 0
    while True:
        page = page_of(
            [row for row in rows if row.path.encode() > after][:limit],
            [entry for entry in entries if entry[0].encode() > after][:limit],
            limit=limit,
        )
        found += findings_of(page)
        pages += 1
        if page.cursor is None:
            return found, pages
        assert page.cursor.encode() > after
        after = page.cursor.encode()


@given(FILES, FILES, st.integers(1, 5))
def test_pages_of_any_size_find_each_difference_once(
    registered: dict[str, int], stored: dict[str, int], limit: int
) -> None:
    found, pages = walked(registered, stored, limit)
    assert pages <= len(registered) + len(stored) + 1
    kinds = {finding.path: finding.kind.value for finding in found}
    assert len(kinds) == len(found)
    expected = {}
    for path in registered.keys() | stored.keys():
        if path not in registered:
            expected[path] = "dark"
        elif path not in stored:
            expected[path] = "lost"
        elif stored[path] != registered[path]:
            expected[path] = "truncated" if stored[path] < registered[path] else "differs"
    assert kinds == expected
