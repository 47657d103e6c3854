"""Files of the catalogue for jobs on nodes without a network: fetched before they are sent, stored when they are over.

The worker does both as the pilot that it plays, with the requests that every pilot is given. What travels is bounded:
it is in memory, and lies beside the bundle of the job.
"""

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import structlog

from weyl.pilots import bundles
from weyl.pilots.bundles import Journal
from weyl.pilots.output_data import BYTES_MAX, read_elsewhere, read_output_data
from weyl.pilots.queries.push import PushedJob
from weyl.pilots.service.push_doors import Door
from weyl_pilot.errand import Errand
from weyl_pilot.server import AGENT
from weyl_pilot.sources import Sources, Unavailable
from weyl_pilot.streams import DiskFault, Patience, Streams
from weyl_pilot.uploads import REGISTERED, NotStored, Stock, Stored, Uploads
from weyl_pilot.work import Work

log = structlog.get_logger(__name__)

PATIENCE = Patience(silence_s=20, answer_s=120, no_progress_s=20)
ASKING_S, STORING_S = 20.0, 60.0
PAUSES_S = (0.0, 10.0)
TRANSFER_S = 600.0
"""For all files of one job, in or out."""
STORED_WITHIN = timedelta(minutes=30)
"""How long output data are tried to be stored, from the end of their job on."""
PROBLEM_LENGTH_MAX = 1000

__all__ = ["Carried", "DataFault", "Home", "NotStored", "data_home", "fetch_data", "store_data"]


class DataFault(Exception):
    """The input data of a job cannot be sent with it; the text names files and storage elements."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Files that travel with one job, by name, and which of the catalogue's each of them is."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    data: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


async def fetch_data(door: Door, row: PushedJob) -> Carried:
    """Return the input data of a job; raises `DataFault`, or what the door does."""
    errand = Errand()
    try:
        async with asyncio.timeout(TRANSFER_S):
            return await asyncio.to_thread(_fetch, door, row, errand)
    except TimeoutError as error:
        raise DataFault(f"the input data did not come within {TRANSFER_S:g} s") from error
    finally:
        errand.halt()


async def store_data(door: Door, row: PushedJob, content: bytes | None) -> Stored:
    """Store the output data that a job has left; raises `NotStored`, or what the door does.

    Done again after a crash it changes nothing: the upload of a run is one, and what is registered stays so.
    """
    if content is None:
        raise NotStored("they were not left by the job, or are more than can be carried")
    errand = Errand()
    try:
        async with asyncio.timeout(TRANSFER_S):
            return await asyncio.to_thread(_store, door, row, content, errand)
    except TimeoutError as error:
        raise NotStored(f"they were not stored within {TRANSFER_S:g} s") from error
    finally:
        errand.halt()


@dataclass(frozen=True, slots=True)
class Home:
    """What is left to be told of a job whose output data were brought home, and where they are."""

    left: Journal
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


async def data_home(door: Door, row: PushedJob, content: bytes | None, left: Journal, *, now: datetime) -> Home | None:
    """Store the output data of a job that ended well; None when that is to be tried again. Raises what the door does.

    `left` is what the job has reported and was not told yet: what holds only with its output data is changed.
    """
    try:
        stored = await store_data(door, row, content)
    except NotStored as error:
        ended_at = now if left.last is None else datetime.fromisoformat(left.last)
        if error.may_pass and now - ended_at < STORED_WITHIN:
            log.warning("push.not_stored", job=row.job_id, error=str(error))
            return None
        failed = bundles.upload_failed(Journal(), str(error), now=now, minor=bundles.STORING)
        parameters = {**left.parameters, "OutputDataProblem": str(error)[:PROBLEM_LENGTH_MAX]}
        return Home(Journal({**left.before_upload().states, **failed}, parameters, left.lines))
    states = left.states if stored.state == REGISTERED else bundles.still_verified(left.states)
    return Home(Journal(states, left.parameters, left.lines), stored.places)


def _fetch(door: Door, row: PushedJob, errand: Errand) -> Carried:
    streams = Streams(door.server.connections, errand, agent=AGENT, patience=PATIENCE)
    sources = Sources(door.server, row.job_id, streams, patience_s=ASKING_S)
    files: dict[str, bytes] = {}
    data: dict[str, dict[str, Any]] = {}
    try:
        sources.ask()
        if sources.size > BYTES_MAX:
            raise DataFault(_too_much(sources.size))
        room = BYTES_MAX
        with TemporaryDirectory() as place:
            for number, lfn in enumerate(lfn for lfn in Work.from_match(row.job).input_data if lfn in sources.files):
                path, wanted = Path(place) / "file", sources.files[lfn].wanted
                sources.fetch(lfn, path, room)
                content = path.read_bytes()
                path.unlink()
                room -= len(content)
                files[f"data-{number}"] = content
                checksums = {name: value for name, value in wanted.checksums.items() if value}
                data[lfn] = {"file": f"data-{number}", "size": len(content), "checksums": checksums}
    except (Unavailable, DiskFault) as error:
        raise DataFault(str(error)) from error
    return Carried(files, data)


def _too_much(size: int) -> str:
    return (
        f"the input data have {-(-size >> 20)} MiB: to a node without a network no more than {BYTES_MAX >> 20} are sent"
    )


def _store(door: Door, row: PushedJob, content: bytes, errand: Errand) -> Stored:
    try:
        found, elsewhere = read_output_data(content), read_elsewhere(content)
    except ValueError as error:
        raise NotStored(str(error)) from error
    offsets = {product.name: (offset, product.size) for product, offset in found}
    whole = memoryview(content)

    def opened(name: str) -> io.BytesIO:
        offset, size = offsets[name]
        return io.BytesIO(whole[offset : offset + size])

    uploads = Uploads(door.server, ends_at=monotonic() + STORING_S)
    uploads.pauses_s = PAUSES_S
    stock = Stock(row.job_id, [product for product, _ in found], lambda product: opened(product.name), elsewhere)
    return uploads.store(stock, errand)
