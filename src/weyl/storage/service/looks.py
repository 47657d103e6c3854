"""Files of the catalogue as storage has them: how to read them, and what lies there in truth."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure, Outcome, ReplicaStatus
from weyl.file_catalog.permits import Member
from weyl.file_catalog.service.reading import ReadableFiles, readable
from weyl.kit.db import Database
from weyl.kit.errors import BadRequest, Forbidden, WeylError
from weyl.storage.elements import LOCAL_PROTOCOL, PROTOCOLS, BadPath
from weyl.storage.errors import NoAccess, UnknownFile
from weyl.storage.models.access import AccessOrder, BrowserAccess, RequestShown, StatOrder, StatShown
from weyl.storage.service.access import Accesses, Reader, access
from weyl.storage.service.reach import Storages

_REFUSALS: Mapping[Code, type[WeylError]] = {
    Code.NOT_FOUND: UnknownFile,
    Code.BAD_NAME: BadRequest,
    Code.FORBIDDEN: Forbidden,
}


async def find_access(
    db: Database, storages: Storages, config: Config, member: Member, order: AccessOrder, *, reader: Reader
) -> Outcome:
    """Return how files can be read that the member may read, as `FileAccess` has it.

    No transaction is open while storage is asked. A model for each of a thousand files would take half of the time.
    """
    found, made = await _accesses(db, storages, config, member, order, reader=reader)
    success = {
        lfn: {
            "size": found.files[lfn].size,
            "checksums": found.files[lfn].checksums.as_json(),
            "replicas": [{"se": each.se, "request": {**_ABSENT, **each.request.as_json()}} for each in requests],
        }
        for lfn, requests in made.requests.items()
    }
    return Outcome(success, found.failed | _busy(made))


# What most requests do not have stands in answers all the same.
_ABSENT = dict.fromkeys(RequestShown.model_fields)


async def _accesses(
    db: Database, storages: Storages, config: Config, member: Member, order: AccessOrder, *, reader: Reader
) -> tuple[ReadableFiles, Accesses]:
    async with db.read() as tx:
        found = await readable(tx, member, order.lfns, config=config)
    return found, await access(storages, config, member.vo, found.files, reader=reader)


def _busy(made: Accesses) -> dict[str, Failure]:
    return {lfn: Failure(Code.BUSY, reason) for lfn, reason in made.closed.items()}


async def find_url(
    db: Database, storages: Storages, config: Config, member: Member, lfn: str, *, reader: Reader
) -> BrowserAccess:
    """Return a URL for a browser, which sends no header of ours; raises one of `_REFUSALS`, or `NoAccess`."""
    order = AccessOrder(lfns=[lfn])
    found, made = await _accesses(db, storages, config, member, order, reader=reader)
    if (failure := (found.failed | _busy(made)).get(lfn)) is not None:
        raise _REFUSALS.get(failure.code, NoAccess)(f"{lfn}: {failure.detail}")
    for replica in made.requests[lfn]:
        if not replica.request.headers and replica.request.protocol != LOCAL_PROTOCOL:
            return BrowserAccess(url=replica.request.url)
    raise NoAccess(f"{lfn} is nowhere where a browser can read it: use weyl data get")


def reader_of(subject: str, order: AccessOrder, now: datetime) -> Reader:
    """Return who reads, as an order says."""
    protocols: Sequence[str] = order.protocols or PROTOCOLS
    return Reader(subject=subject, site=order.site, protocols=protocols, ttl_s=order.ttl_s, now=now)


async def stat(db: Database, storages: Storages, config: Config, member: Member, order: StatOrder) -> StatShown:
    """Return what an element has of the replicas of files; raises `ClosedElement` and `UnknownElement`."""
    reached = storages.open(config, order.se, vo=member.vo, access="check")
    async with db.read() as tx:
        found = await readable(tx, member, order.lfns, config=config)
    failed, paths, statuses = dict(found.failed), dict[str, str](), dict[str, str]()
    for lfn, file in found.files.items():
        mine = next(((status, path) for se, status, path in file.replicas if se == order.se), None)
        if mine is None:
            failed[lfn] = Failure(Code.NOT_FOUND, f"The catalogue has no replica at {order.se}")
            continue
        try:
            paths[lfn], statuses[lfn] = reached.path(mine[1]), ReplicaStatus(mine[0])
        except BadPath as error:
            failed[lfn] = Failure(Code.BAD_NAME, str(error))
    there = await reached.driver.stat(list(paths.values())) if paths else {}
    success = {}
    for lfn, path in paths.items():
        truth, file = there.get(path), found.files[lfn]
        success[lfn] = {
            "status": statuses[lfn],
            "size": None if truth is None else truth.size,
            "checksums": None if truth is None else truth.checksums.as_json(),
            "catalogue": {"size": file.size, "checksums": file.checksums.as_json()},
        }
    return StatShown(success=success, failed=failed)
