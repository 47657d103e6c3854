"""Relative times."""

from datetime import UTC, datetime, timedelta

import pytest

from weyl.client.errors import UsageFault
from weyl.client.times import before, is_relative, parse_span

NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90m", timedelta(minutes=90)),
        ("-90m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("30s", timedelta(seconds=30)),
        (" 4h ", timedelta(hours=4)),
    ],
)
def test_lengths_of_time_are_read(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "2", "d", "2x", "2 d", "--2d", "9" * 30 + "d", "9" * 5_000 + "d", "٣d"])
def test_what_is_not_a_length_of_time_is_a_usage_fault(text: str) -> None:
    with pytest.raises(UsageFault):
        parse_span(text)


def test_moments_are_written_as_the_filters_of_the_api_want_them() -> None:
    assert before(NOW, "-2d") == "2026-03-08T12:00:00"


def test_a_moment_before_the_calendar_is_a_usage_fault() -> None:
    with pytest.raises(UsageFault):
        before(NOW, "900000d")


def test_only_words_with_a_minus_are_relative() -> None:
    assert is_relative("-2d")
    assert not is_relative("2d")
    assert not is_relative("-2")
