"""SQL of the notes on campaigns."""

from datetime import datetime
from typing import TypedDict

import sqlalchemy as sa

from example_vo.permits import Annotator, Reader
from example_vo.tables import notes
from weyl.kit.db import Tx
from weyl.kit.sql import fetch_as


class Note(TypedDict):
    """A note as it goes over the wire."""

    campaign: str
    author: str
    text: str
    at: datetime


async def insert_note(tx: Tx, annotator: Annotator, *, campaign: str, text: str, at: datetime) -> None:
    """Store a note."""
    values = {"vo": annotator.vo, "author": annotator.author, "campaign": campaign, "text": text, "at": at}
    await tx.execute(sa.insert(notes).values(values))


async def select_notes(tx: Tx, reader: Reader) -> list[Note]:
    """Return the notes of a VO, oldest first."""
    columns = (notes.c[name] for name in Note.__annotations__)
    return await fetch_as(tx, Note, sa.select(*columns).where(notes.c.vo == reader.vo).order_by(notes.c.note_id))


async def delete_notes(tx: Tx, *, before: datetime) -> None:
    """Forget the notes that are older than a time."""
    await tx.execute(sa.delete(notes).where(notes.c.at < before))
