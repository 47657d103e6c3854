"""Logs of pilots: numbered gzip pieces come in while the pilot runs, text goes out."""

import zlib
from collections.abc import Sequence
from datetime import datetime

from weyl.kit.db import Tx
from weyl.pilots.errors import BadPilotRequest, PilotLogTooLarge, PilotNotFound
from weyl.pilots.permits import PilotItself, PilotScope
from weyl.pilots.queries import logs as queries
from weyl.pilots.queries.registry import select_pilot

PIECE_BYTES_MAX = 64 * 1024
PIECES_MAX = 2_000
PIECES_PER_ANSWER = 200
# A piece of 64 kB could unpack to 64 MB; text that a pilot writes in half a minute does not.
TEXT_BYTES_MAX = 2 * 1024 * 1024


async def keep_piece(tx: Tx, pilot: PilotItself, *, number: int, content: bytes, now: datetime) -> None:
    """Keep one piece of the pilot's own log; the same number again changes nothing."""
    if len(content) > PIECE_BYTES_MAX:
        raise PilotLogTooLarge(f"A piece of a log has at most {PIECE_BYTES_MAX} bytes, packed")
    if not 0 <= number < PIECES_MAX:
        raise PilotLogTooLarge(f"A log has at most {PIECES_MAX} pieces, numbered from 0")
    if not content.startswith(b"\x1f\x8b"):
        raise BadPilotRequest("A piece of a log is sent as gzip")
    await queries.insert_chunk(tx, pilot.stamp, number=number, content=content, now=now)


async def read_log(tx: Tx, scope: PilotScope, stamp: str, *, first: int) -> tuple[str, int]:
    """Return the log from a piece on, and the number of the piece to ask for next."""
    if await select_pilot(tx, scope, stamp) is None:
        raise PilotNotFound(f"There is no pilot {stamp}")
    pieces = await queries.select_chunks(tx, stamp, first=first, limit=PIECES_PER_ANSWER)
    following = pieces[-1][0] + 1 if pieces else first
    return text_of([content for _, content in pieces]), following


def text_of(pieces: Sequence[bytes]) -> str:
    """Unpack pieces and join them; one that is damaged is replaced by a line that says so."""
    return b"".join(_unpacked(piece) for piece in pieces).decode(errors="replace")


def _unpacked(piece: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        content = stream.decompress(piece, TEXT_BYTES_MAX)
    except zlib.error:
        return b"\n[a piece of this log is damaged]\n"
    return content + b"\n[the rest of this piece is left out]\n" if stream.unconsumed_tail else content
