"""What pilots offered and asked is written down beside their answers: when, how often, and what a failure leaves."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.matcher.conftest import ALPHA, OFFER

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.models import Offer
from weyl.matcher.service.offer_book import OfferBook
from weyl.matcher.service.pilot_book import PORTION, PilotBook

SMALL, LARGE = Offer.model_validate(OFFER), Offer.model_validate({**OFFER, "wall_time": 172_800})
NOW = utcnow()


async def _counts(db: Database) -> list[tuple[int, int]]:
    async with db.read() as tx:
        rows = await tx.execute(text("SELECT hits, misses FROM offer ORDER BY offer_id"))
        return [(row.hits, row.misses) for row in rows]


async def test_a_new_offer_is_written_at_once_and_counts_of_known_ones_wait(db: Database) -> None:
    book = OfferBook(on_new=lambda: None)
    book.note(SMALL, ALPHA, is_hit=True)
    await book.write(db, NOW, only_new=True)
    book.note(SMALL, ALPHA, is_hit=True)
    book.note(LARGE, ALPHA, is_hit=False)
    await book.write(db, NOW, only_new=True)
    assert await _counts(db) == [(1, 0), (0, 1)]
    await book.write(db, NOW)
    assert await _counts(db) == [(2, 0), (0, 1)]


async def test_when_an_offer_was_last_seen_is_right_to_a_minute(db: Database) -> None:
    book, seen = OfferBook(on_new=lambda: None), []
    for later_s in (0, 30, 59, 90):
        book.note(SMALL, ALPHA, is_hit=True)
        await book.write(db, NOW + timedelta(seconds=later_s))
        async with db.read() as tx:
            seen.append((await tx.execute(text("SELECT last_seen FROM offer"))).scalar_one() - NOW)
    assert [each.total_seconds() for each in seen] == [0, 0, 0, 90]
    assert await _counts(db) == [(4, 0)]


async def test_questions_that_could_not_be_written_are_kept_and_none_is_counted_twice(db: Database) -> None:
    book, stamps = PilotBook(), [f"{number:032x}" for number in range(2 * PORTION + 1)]
    for stamp in stamps:
        book.note(stamp, SMALL, None, NOW)
    async with db.transaction() as tx:
        # The second portion meets a pilot whose row cannot be counted on.
        await tx.execute(
            text("INSERT INTO pilot_question (pilot_stamp, asked, hits, at) VALUES (:stamp, :asked, 0, now())"),
            {"stamp": stamps[PORTION], "asked": 2**63 - 1},
        )
    with pytest.raises(Exception, match="bigint out of range"):
        await book.write(db)
    async with db.transaction() as tx:
        await tx.execute(text("DELETE FROM pilot_question WHERE asked > 1"))
    await book.write(db)
    async with db.read() as tx:
        asked = (await tx.execute(text("SELECT asked FROM pilot_question"))).scalars().all()
    assert list(asked) == [1] * len(stamps)


async def test_the_last_offer_of_a_pilot_is_written_once_until_it_makes_another(db: Database) -> None:
    book, stamp = PilotBook(), "a" * 32
    seen = []
    for offers in ((SMALL,), (SMALL,), (LARGE, SMALL), (SMALL, LARGE)):
        for offer in offers:
            book.note(stamp, offer, None, NOW)
        async with db.transaction() as tx:
            await tx.execute(text("UPDATE pilot_question SET doc = jsonb_build_object('wall_time', 'as it was')"))
        await book.write(db)
        async with db.read() as tx:
            row = (await tx.execute(text("SELECT asked, doc ->> 'wall_time' AS wall_time FROM pilot_question"))).one()
        seen.append((row.asked, row.wall_time))
    assert seen == [(1, "86400"), (2, "as it was"), (4, "as it was"), (6, "172800")]


async def test_an_offer_that_a_pilot_takes_up_again_while_another_one_is_written_is_its_last(db: Database) -> None:
    book, stamp = PilotBook(), "a" * 32
    book.note(stamp, SMALL, None, NOW)
    await book.write(db)
    book.note(stamp, LARGE, None, NOW)
    async with db.transaction() as tx:
        await tx.execute(text("LOCK TABLE pilot_question"))
        writing = asyncio.create_task(book.write(db))
        await asyncio.sleep(0)
        book.note(stamp, SMALL, None, NOW)
    await writing
    await book.write(db)
    async with db.read() as tx:
        assert (await tx.execute(text("SELECT doc ->> 'wall_time' FROM pilot_question"))).scalar_one() == "86400"
