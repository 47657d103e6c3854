"""The lines of a table."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from weyl.cli.table import cell_text, fit, pad, table_lines, text_width


@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.integers(1, 400))
def test_columns_shrink_until_they_fit_or_cannot(wanted: list[int], room: int) -> None:
    widths = fit(wanted, room)
    assert all(0 < width <= before for width, before in zip(widths, wanted, strict=True))
    assert sum(widths) <= room or all(width == min(6, before) for width, before in zip(widths, wanted, strict=True))


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_padded_text_has_its_width(text: str, width: int) -> None:
    shown = cell_text(text)
    assert text_width(pad(shown, width)) == width


def test_wide_characters_count_double() -> None:
    assert text_width("日本") == 4


def test_words_for_nothing_are_a_dash_for_people_and_a_status_is_a_word() -> None:
    row = {"Status": "Unknown", "ApplicationStatus": "Unknown", "JobGroup": "00000000", "Sites": [], "Name": "", "N": 0}
    look: dict[str, Any] = {"width": None, "header": False, "color": False}
    assert next(table_lines([row], [*row], **look)).split() == ["Unknown", "-", "-", "-", "-", "0"]
    exact = ["Unknown", "Unknown", "00000000", "[]", "0"]
    assert next(table_lines([row], [*row], **look, is_exact=True)).split() == exact
    assert next(table_lines([row], ["JobGroup"], **look, whole="JobGroup")) == "00000000"


def test_rows_never_break_a_line() -> None:
    lines = list(table_lines([{"a": "x\ny\r\tz\x1b[31m"}], ["a"], width=80, header=True, color=False))
    assert len(lines) == 2
    assert "\x1b" not in lines[1]


def test_status_words_are_coloured_only_if_asked() -> None:
    [plain] = table_lines([{"Status": "Failed"}], ["Status"], width=80, header=False, color=False)
    [coloured] = table_lines([{"Status": "Failed"}], ["Status"], width=80, header=False, color=True)
    assert plain == "Failed"
    assert coloured == "\x1b[31mFailed\x1b[0m"
