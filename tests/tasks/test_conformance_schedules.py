"""Schedules: pure rules, one row a task and VO, changed by the configuration, run once, late, and never lost."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.tasks.running import Recorder, working

from weyl.kit.db import Database, Tx
from weyl.kit.task import Task
from weyl.tasks.errors import InvalidRule
from weyl.tasks.options import Options, ScheduleOverride
from weyl.tasks.schedule import next_run, plan
from weyl.tasks.scheduler import Scheduler

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
HOURLY = Task("s.hourly", every=HOUR)
EACH = Task("s.each", cron="0 3 * * *", per_vo=True)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("every 90 s", NOW + timedelta(seconds=90)),
        ("cron 0 3 * * *", datetime(2026, 11, 26, 3, tzinfo=UTC)),
        ("rrule FREQ=WEEKLY;BYDAY=MO;BYHOUR=6", datetime(2026, 11, 30, 6, tzinfo=UTC)),
        ("rrule FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=4", datetime(2026, 11, 27, 4, tzinfo=UTC)),
        ("rrule FREQ=HOURLY;INTERVAL=6", datetime(2026, 11, 25, 12, tzinfo=UTC)),
        ("rrule FREQ=MINUTELY;INTERVAL=20", datetime(2026, 11, 25, 10, 40, tzinfo=UTC)),
        ("rrule FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", datetime(2028, 2, 29, tzinfo=UTC)),
        ("rrule DTSTART:20261124T080000Z\nRRULE:FREQ=DAILY;COUNT=5", datetime(2026, 11, 26, 8, tzinfo=UTC)),
        ("rrule DTSTART:20261101T080000Z\nRRULE:FREQ=DAILY;COUNT=5", None),
    ],
)
def test_a_rule_has_a_next_time(rule: str, expected: datetime | None) -> None:
    assert next_run(rule, NOW) == expected


@pytest.mark.parametrize(
    "rule",
    [
        "sometimes",
        "every now and then",
        "every 0 s",
        "every 1e9 s",
        "cron * * *",
        "cron 61 * * * *",
        "rrule FREQ=SOON",
        "rrule FREQ=SECONDLY",
        "rrule DTSTART:20000101T000000Z\nRRULE:FREQ=MINUTELY",
        "rrule nonsense",
        "rrule FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "rrule FREQ=DAILY;BYMONTH=13",
        "rrule FREQ=DAILY;BYHOUR=24",
        "rrule FREQ=YEARLY;BYMONTH=-1",
        "rrule FREQ=MONTHLY;BYMONTHDAY=+-1",
        "rrule FREQ=DAILY;BYHOUR=0,6,12,18;BYMINUTE=" + ",".join(map(str, range(60))),
        "rrule DTSTART:00010101T000000Z\nRRULE:FREQ=DAILY",
        "rrule FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "rrule FREQ=YEARLY;BYEASTER=1",
        "rrule ",
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRule):
        next_run(rule, NOW)


@settings(max_examples=200)
@given(
    st.sampled_from(["every", "cron", "rrule"]), st.text(alphabet="FREQ=DAILYHOUR;BY*/0123456789-, s:TZ", max_size=40)
)
def test_whatever_is_written_there_is_a_later_time_or_a_refusal(kind: str, words: str) -> None:
    try:
        found = next_run(f"{kind} {words}", NOW)
    except InvalidRule:
        return
    assert found is None or found > NOW


def test_the_configuration_overrides_the_installation_or_one_vo() -> None:
    options = Options(
        vos=["voa", "vob", "voc"],
        schedules={
            ("s.each", ""): ScheduleOverride(rule="cron 0 4 * * *"),
            ("s.each", "vob"): ScheduleOverride(enabled=False),
            ("s.each", "voc"): ScheduleOverride(arguments={"days": 3}),
            ("s.by_hand", ""): ScheduleOverride(rule="every 60 s"),
        },
    )
    rows = plan([HOURLY, EACH, Task("s.by_hand"), Task("s.never")], options)
    assert [(row.task, row.vo, row.rule, row.enabled, row.payload) for row in rows] == [
        ("s.hourly", "", "every 3600 s", True, None),
        ("s.each", "voa", "cron 0 4 * * *", True, {"vo": "voa"}),
        ("s.each", "vob", "cron 0 3 * * *", False, {"vo": "vob"}),
        ("s.each", "voc", "cron 0 3 * * *", True, {"vo": "voc", "days": 3}),
        ("s.by_hand", "", "every 60 s", True, None),
    ]


class Clock:
    """A scheduler whose time the test tells, and what it put into the queue."""

    def __init__(
        self, db: Database, tasks: list[Task], options: Options | None = None, **gates: Callable[[Tx], Awaitable[bool]]
    ) -> None:
        self.options = options or Options(revision="1", vos=["voa", "vob"])
        self._db = db
        self._scheduler = Scheduler(
            db, tasks, lambda: self.options, gates={f"s.{name}": gate for name, gate in gates.items()}
        )

    async def at(self, now: datetime) -> list[str]:
        """Look at the schedules at a time; returns what was enqueued, and runs it."""
        await self._scheduler.tick(now)
        async with self._db.transaction() as tx:
            rows = await tx.execute(text("DELETE FROM pgqueuer RETURNING entrypoint, convert_from(payload, 'UTF8')"))
            return sorted(f"{name} {payload}" for name, payload in rows)

    async def rows(self) -> list[Any]:
        """Return the stored schedules."""
        async with self._db.read() as tx:
            return list(
                await tx.execute(text("SELECT task, vo, rule, enabled, next_at FROM task_schedules ORDER BY 1, 2"))
            )


async def test_there_is_one_row_a_task_and_vo_and_each_runs_for_itself(db: Database) -> None:
    clock = Clock(db, [EACH])
    assert await clock.at(NOW) == []
    assert [row.vo for row in await clock.rows()] == ["voa", "vob"]
    assert await clock.at(NOW + timedelta(days=1)) == ['s.each {"vo":"voa"}', 's.each {"vo":"vob"}']
    assert await clock.at(NOW + timedelta(days=1)) == []


async def test_missed_runs_are_run_once_and_late(db: Database) -> None:
    clock = Clock(db, [HOURLY])
    assert await clock.at(NOW) == ["s.hourly null"]
    late = NOW + 10 * HOUR
    assert await clock.at(late) == ["s.hourly null"]
    assert (await clock.rows())[0].next_at == late + HOUR


async def test_a_clock_that_jumped_ahead_and_back_does_not_stop_a_schedule(db: Database) -> None:
    clock = Clock(db, [HOURLY, EACH])
    await clock.at(NOW)
    assert len(await clock.at(NOW + timedelta(days=400))) == 3
    assert await clock.at(NOW + timedelta(minutes=1)) == []
    assert [row.next_at <= NOW + timedelta(days=1) for row in await clock.rows()] == [True] * 3
    assert await clock.at(NOW + 2 * HOUR) == ["s.hourly null"]


async def test_a_new_revision_changes_disables_and_forgets_schedules(db: Database) -> None:
    clock = Clock(db, [HOURLY, EACH])
    await clock.at(NOW)
    clock.options = Options(
        revision="2",
        vos=["voa"],
        schedules={
            ("s.hourly", ""): ScheduleOverride(enabled=False),
            ("s.each", "voa"): ScheduleOverride(rule="every 60 s"),
        },
    )
    assert await clock.at(NOW + timedelta(seconds=1)) == ['s.each {"vo":"voa"}']
    assert [(row.task, row.vo, row.enabled) for row in await clock.rows()] == [
        ("s.each", "voa", True),
        ("s.hourly", "", False),
    ]
    assert await clock.at(NOW + 5 * HOUR) == ['s.each {"vo":"voa"}']
    clock.options = Options(revision="3", vos=["voa"])
    assert await clock.at(NOW + 6 * HOUR) == ["s.hourly null"]


async def test_a_wrong_rule_is_reported_and_the_declared_one_stays(db: Database) -> None:
    options = Options(revision="1", schedules={("s.hourly", ""): ScheduleOverride(rule="cron often")})
    with structlog.testing.capture_logs() as logs:
        assert await Clock(db, [HOURLY], options).at(NOW) == ["s.hourly null"]
    assert [line["event"] for line in logs] == ["schedule.invalid"]


async def test_a_run_that_still_waits_is_not_enqueued_again(db: Database) -> None:
    scheduler = Scheduler(db, [HOURLY], Options)
    for hour in range(3):
        await scheduler.tick(NOW + hour * HOUR)
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM pgqueuer")) == 1


async def test_three_workers_run_a_schedule_once(db: Database) -> None:
    recorder = Recorder()
    async with working(db, [HOURLY.bind_run(recorder)], workers=3):
        await recorder.wait()
    assert recorder.payloads == [None]


async def test_a_schedule_that_is_due_enqueues_nothing_while_there_is_nothing_to_do(db: Database) -> None:
    asked: list[int] = []

    async def is_needed(tx: Tx) -> bool:
        asked.append(await tx.scalar(text("SELECT 1")) or 0)
        return len(asked) == 2

    clock = Clock(db, [HOURLY], hourly=is_needed)
    times = [NOW + timedelta(hours=hours) for hours in range(4)]
    assert [await clock.at(now) for now in times] == [[], ["s.hourly null"], [], []]
    assert len(asked) == 4
    assert [row.next_at for row in await clock.rows()] == [times[-1] + timedelta(hours=1)]


async def test_a_question_that_fails_holds_up_no_schedule(db: Database) -> None:
    async def broken(tx: Tx) -> bool:
        return bool(await tx.scalar(text("SELECT 1 / 0")))

    clock = Clock(db, [HOURLY, EACH], hourly=broken)
    assert "s.hourly null" in await clock.at(NOW)
    assert "s.hourly null" in await clock.at(NOW + timedelta(hours=1))
