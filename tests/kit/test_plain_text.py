"""What others wrote commands no terminal and is no formula in a spreadsheet."""

import sys

import pytest

from weyl.kit.plain_text import one_line, spreadsheet_cell, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢 👩‍🚀\ttab\nline\r\n", "plain ü 漢 👩‍🚀\ttab\nline\r\n"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("over\rwritten\x08\x7f", r"over\rwritten\x08\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("\u202egpj.exe\u2066\u2028\u200f", r"\u202egpj.exe\u2066\u2028\u200f"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_commands_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_control_character_is_left_but_tabs_and_ends_of_lines() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    left = [char for char in visible(everything) if not char.isprintable() and (ord(char) < 0xA0)]
    assert left == ["\t", "\n"]
    assert one_line(everything).isprintable()


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "-1-1", "+1_0"])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert spreadsheet_cell(text) == "'" + visible(text)


@pytest.mark.parametrize("text", ["", "plain", "a=1", "-5", "+1.5e3", "-.5", "'=1", '["=1"]', "2026-11-01"])
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert spreadsheet_cell(text) == text
