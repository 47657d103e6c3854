"""A process goes by the database's clock, whatever its machine's clock says; signatures for the store, too."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from yarl import URL

from weyl.kit import clock, timekeeping
from weyl.kit.clock import machine_ahead_s, unix_now, utcnow
from weyl.kit.db import Database
from weyl.kit.s3 import ObjectStore
from weyl.kit.timekeeping import Timekeeper, judge_clock, keeping_time


@pytest.fixture(autouse=True)
def own_clock() -> Iterator[None]:
    yield
    clock.go_by(None)


@pytest.fixture
def machine_three_hours_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=3)

    monkeypatch.setattr(clock, "datetime", Ahead)


async def database_time(db: Database) -> datetime:
    async with db.read() as tx:
        return await tx.scalar(text("SELECT clock_timestamp()"))


async def test_the_machines_clock_counts_only_until_the_database_is_heard(
    db: Database, machine_three_hours_ahead: None
) -> None:
    assert 10_000 < (utcnow() - await database_time(db)).total_seconds() < 11_600
    async with keeping_time(db):
        assert abs((utcnow() - await database_time(db)).total_seconds()) < 2
        assert abs(unix_now() - utcnow().timestamp()) < 2
        assert 10_000 < machine_ahead_s() < 11_600
        [warning] = await judge_clock()
        assert "ahead of the database's" in warning
    assert 10_000 < (utcnow() - await database_time(db)).total_seconds() < 11_600


async def test_a_clock_that_is_right_is_no_warning(db: Database) -> None:
    async with keeping_time(db):
        assert await judge_clock() == []


async def test_without_the_database_time_goes_on() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    clock.go_by(clock.Anchor(datetime(2030, 1, 1, tzinfo=UTC), clock.time.monotonic()))
    async with keeping_time(away):
        assert utcnow().year == 2030
    await away.close()


async def test_small_differences_are_not_followed(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Timekeeper(db)
    monkeypatch.setattr(timekeeping, "PRECISION_S", 0.5)
    await keeper.look()
    known = clock._Clock.anchor
    await keeper.look()
    assert clock._Clock.anchor is known
    monkeypatch.setattr(timekeeping, "PRECISION_S", -1.0)
    clock.go_by(clock.Anchor(known.at - timedelta(hours=1), known.monotonic_s))
    await keeper.look()
    assert abs((utcnow() - await database_time(db)).total_seconds()) < 2


async def test_signatures_carry_our_time_and_not_the_machines(object_store) -> None:
    class Settings:
        s3_endpoint = object_store.endpoint_url
        s3_public_endpoint = None
        s3_region = "us-east-1"
        s3_bucket = "times"
        public_url = "http://localhost"
        cors_origins = ()

        class s3_access_key:  # noqa: N801 - stands for a SecretStr
            get_secret_value = staticmethod(lambda: object_store.access_key)

        class s3_secret_key:  # noqa: N801 - stands for a SecretStr
            get_secret_value = staticmethod(lambda: object_store.secret_key)

    clock.go_by(clock.Anchor(datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC), clock.time.monotonic()))
    store = ObjectStore.from_settings(Settings())
    signed = URL(store.download_url("key", expires_s=60)).query
    assert signed["X-Amz-Date"].startswith("20310203T0405")
    form = store.upload_form("key", sha256="00" * 32, size=1, now=utcnow(), expires_s=60)
    assert form.fields["x-amz-date"].startswith("20310203T0405")
