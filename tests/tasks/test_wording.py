"""When tasks run, as people say it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.tasks.wording import rule_in_words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, None),
        ("every 21600 s", "every 6 h"),
        ("every 3600 s", "every hour"),
        ("every 86400 s", "every day"),
        ("every 60 s", "every minute"),
        ("every 10 s", "every 10 s"),
        ("every 0.5 s", "every 0.5 s"),
        ("every 5400 s", "every 1 h 30 min"),
        ("every 90061 s", "every 1 d 1 h 1 min 1 s"),
        ("cron 30 4 * * *", "daily at 04:30 UTC"),
        ("cron 0 6,18 * * *", "daily at 06:00 and 18:00 UTC"),
        ("cron 0 4 * * 0", "Sundays at 04:00 UTC"),
        ("cron 0 4 * * 1,4", "Mondays and Thursdays at 04:00 UTC"),
        ("cron 0 4 1 * *", "on day 1 of the month at 04:00 UTC"),
        ("cron */5 * * * *", "every 5 min"),
        ("cron * * * * *", "every minute"),
        ("cron 15 * * * *", "every hour at minute 15"),
        ("cron 15 */6 * * *", "every 6 h from 00:15 UTC"),
        ("rrule FREQ=DAILY", "daily at 00:00 UTC"),
        ("rrule RRULE:FREQ=DAILY;BYHOUR=3;BYMINUTE=30", "daily at 03:30 UTC"),
        ("rrule FREQ=WEEKLY;BYDAY=SU;BYHOUR=4", "Sundays at 04:00 UTC"),
        ("rrule FREQ=WEEKLY", "Mondays at 00:00 UTC"),
        ("rrule FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=2", "on day 1 of the month at 02:00 UTC"),
        ("rrule FREQ=HOURLY;INTERVAL=6", "every 6 h from 00:00 UTC"),
        ("rrule FREQ=MINUTELY;INTERVAL=15", "every 15 min"),
    ],
)
def test_a_rule_is_said_as_people_do(rule: str | None, words: str | None) -> None:
    assert rule_in_words(rule) == words


@pytest.mark.parametrize(
    "rule",
    [
        "cron */7 * * * *",  # eight minutes apart at the end of an hour
        "cron 0 */5 * * *",
        "cron 0 4 1 * 1",
        "cron 0 4 L * *",
        "cron 0 4 * 2 *",
        "cron 0 4 * * MON-FRI",
        "rrule FREQ=DAILY;INTERVAL=2",
        "rrule FREQ=DAILY;COUNT=3",
        "rrule FREQ=MONTHLY;BYDAY=1MO",
        "rrule FREQ=MONTHLY;BYMONTHDAY=-1",
        "rrule FREQ=MINUTELY;BYMINUTE=0",
        "rrule FREQ=YEARLY",
        "rrule DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY",
        "now and then",
    ],
)
def test_a_rule_without_words_is_shown_as_it_is(rule: str) -> None:
    assert rule_in_words(rule) == rule


@given(
    st.sampled_from(["every", "cron", "rrule"]), st.text(alphabet="FREQ=DAILYHOUR;BY*/0123456789-, s:TZ²", max_size=40)
)
def test_no_rule_is_too_strange_to_be_shown(kind: str, rest: str) -> None:
    assert rule_in_words(f"{kind} {rest}")
