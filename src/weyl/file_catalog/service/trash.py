"""Files that are deleted and restored: their bytes stay where they are meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure, Outcome
from weyl.file_catalog.modes import WRITE
from weyl.file_catalog.names import not_found
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import registration as registration_queries
from weyl.file_catalog.queries import trash as queries
from weyl.file_catalog.queries.lookup import FileRow
from weyl.file_catalog.queries.trash import Act
from weyl.file_catalog.registrations import JobRun
from weyl.file_catalog.service.reading import TRASH, Rows, admitted
from weyl.kit.db import Tx

_TAKEN = Failure(Code.EXISTS, "A file of this name exists: move it, or delete it, first")
_CHANGED = Failure(Code.BUSY, "Somebody else changed the file at the same time: try again")


@dataclass(frozen=True, slots=True)
class Pair:
    """Rows of the same names, of files that are there and of the latest in the trash."""

    good: Rows[FileRow]
    trash: Rows[FileRow]


async def delete(tx: Tx, member: Member, lfns: Sequence[str], *, reason: str, config: Config, now: datetime) -> Outcome:
    """Move files to the trash; one that is there already is a success."""
    there = await admitted(tx, member, lfns, WRITE, config=config)
    act = await _act(tx, member, reason, now)
    if act is None:
        return Outcome(failed=there.failed)
    done = await queries.trash_files(tx, act, sorted(row.file_id or 0 for row in there.good.values()))
    outcome = Outcome(failed=there.failed)
    absent = [lfn for lfn, failure in there.failed.items() if failure.code is Code.NOT_FOUND]
    trash = await admitted(tx, member, absent, WRITE, config=config, extent=TRASH) if absent else Rows({}, {})
    for lfn, row in trash.good.items():
        outcome.failed.pop(lfn, None)
        outcome.success[lfn] = _shown(row)
    _sort(outcome, there.good, set(done))
    return outcome


async def restore(tx: Tx, member: Member, lfns: Sequence[str], *, config: Config, now: datetime) -> Outcome:
    """Take files back from the trash, of several of one name the latest; one that was restored is a success."""
    trash = await admitted(tx, member, lfns, WRITE, config=config, extent=TRASH)
    act = await _act(tx, member, None, now)
    if act is None:
        return Outcome(failed=trash.failed)
    dir_ids = sorted({row.dir_id for row in trash.good.values()})
    await queries.hold(tx, dir_ids)
    done = set(await queries.restore_files(tx, act, sorted(row.file_id or 0 for row in trash.good.values())))
    if done:
        await queries.show_directories(tx, dir_ids)
    outcome = Outcome(failed=trash.failed)
    left = [lfn for lfn, row in trash.good.items() if row.file_id not in done]
    left += [lfn for lfn, failure in trash.failed.items() if failure.code is Code.NOT_FOUND]
    there = await admitted(tx, member, left, WRITE, config=config) if left else Rows({}, {})
    before = await _restored_before(tx, act, there.good)
    for lfn in left:
        row = there.good.get(lfn)
        if row is None:
            outcome.failed[lfn] = trash.failed.get(lfn) or _CHANGED
        elif row.file_id in before:
            outcome.failed.pop(lfn, None)
            outcome.success[lfn] = _shown(row)
        else:
            outcome.failed[lfn] = _TAKEN if lfn in trash.good else not_found()
    outcome.success |= {lfn: _shown(row) for lfn, row in trash.good.items() if row.file_id in done}
    return outcome


async def trash_earlier(tx: Tx, vo: str, owner: str, job: JobRun, *, now: datetime) -> None:
    """Move to the trash what earlier attempts of a job have registered, since this one has left nothing."""
    vo_id = await queries.select_vo(tx, vo)
    if vo_id is not None:
        await registration_queries.trash_earlier(tx, vo_id, job, author=owner, now=now)


async def _restored_before(tx: Tx, act: Act, rows: Mapping[str, FileRow]) -> set[int]:
    if not rows:
        return set()
    return await queries.select_done_before(tx, act, "restore", [row.file_id or 0 for row in rows.values()])


async def _act(tx: Tx, member: Member, reason: str | None, now: datetime) -> Act | None:
    vo_id = await queries.select_vo(tx, member.vo)
    return None if vo_id is None else Act(vo_id, member.username, reason, now)


def _sort(outcome: Outcome, rows: Mapping[str, FileRow], done: set[int]) -> None:
    for lfn, row in rows.items():
        if row.file_id in done:
            outcome.success[lfn] = _shown(row)
        else:
            outcome.failed[lfn] = _CHANGED


def _shown(row: FileRow) -> dict[str, object]:
    return {"file_id": row.file_id}
