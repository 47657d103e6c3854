"""Orders about very many files: what they would do, and what a worker does for them, a thousand files at a time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.file_catalog.errors import BadFileOrder
from weyl.file_catalog.fields import AppliesTo, BadValue, values_of
from weyl.file_catalog.models.bulk import FileAction, FileOrder
from weyl.file_catalog.models.files import Failure, Move, PermissionChange
from weyl.file_catalog.models.search import FileQuery, FileSearch, FileSummary
from weyl.file_catalog.modes import READ, WRITE, allows_in, may_change
from weyl.file_catalog.names import Space, known_paths, not_found
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import orders as queries
from weyl.file_catalog.queries import permissions, trash
from weyl.file_catalog.queries.fields import select_fields
from weyl.file_catalog.queries.lookup import select_files
from weyl.file_catalog.queries.metadata import insert_outbox
from weyl.file_catalog.queries.orders import Next
from weyl.file_catalog.queries.places import Names, Places
from weyl.file_catalog.queries.trash import Act
from weyl.file_catalog.queries.usage import select_used
from weyl.file_catalog.service.directories import remove_all
from weyl.file_catalog.service.metadata import put_values
from weyl.file_catalog.service.moves import ORDERED_MAX, move
from weyl.file_catalog.service.permissions import change_of
from weyl.file_catalog.service.places import find_places, refusal, with_names
from weyl.file_catalog.service.search import Searcher, next_ids, search, searcher_of, summarise
from weyl.kit.db import Tx
from weyl.kit.paging import Asked
from weyl.kit.task import Task
from weyl.tasks.operations import Batch, BatchHandler, BatchOutcome, Order

BULK = Task("file_catalog.bulk")
KIND = "files."
MOVE = f"{KIND}move"
ADMINISTRATORS = frozenset({"FileCatalogManagement"})
DIRECTORIES_MAX = 100_000
"""Directories of one order."""
SAMPLE = 10
AT_ONCE = 100
"""Directories that one batch looks into."""
# Where an order stands is one number: the place of a directory among all of them, then a file in it.
_FILE_BITS = 43


@dataclass(frozen=True, slots=True)
class Planned:
    """What an order is about, and what cannot be meant."""

    file_ids: list[int]
    dir_ids: list[int]
    count: int
    bytes: int
    sample: list[str]
    failed: dict[str, Failure]
    bound: int


async def plan(tx: Tx, member: Member, order: FileOrder, *, config: Config) -> Planned:
    """Say what an order would do now; nothing is stored. Raises `BadFileOrder` for too many directories."""
    if order.query is not None:
        return await _plan_query(tx, member, order.query, config=config)
    space = Space.of(config, member)
    names = known_paths(order.paths or (), space)
    places = await find_places(tx, space, names.good, Names(member.vo))
    is_trash = order.action is FileAction.RESTORE
    rest = [path for path in names.good if path not in places.directories]
    files = await select_files(tx, member.vo, rest, trash=is_trash) if rest else {}
    tops: list[str] = []
    named: dict[str, int] = {}
    failed = names.failed
    for path in names.good:
        row = files.get(path)
        if (failure := _failure(space, places, member, path, order.action)) is not None:
            failed[path] = failure
        elif path in places.directories:
            tops.append(path)
        elif row is not None and row.file_id is not None and order.action is not FileAction.REMOVE:
            named[path] = row.file_id
        else:
            failed[path] = not_found()
    dir_ids = await _directories(tx, places, tops)
    used = {row.number: row for row in await select_used(tx, member.vo, _outermost(tops)) if row.se is None}
    sums = [(row.trash_files, row.trash_bytes) if is_trash else (row.files, row.bytes) for row in used.values()]
    size = sum(row.size or 0 for path, row in files.items() if path in named)
    return Planned(
        sorted(named.values()),
        dir_ids,
        len(named) + sum(count for count, _ in sums),
        size + sum(volume for _, volume in sums),
        [*tops, *named][:SAMPLE],
        failed,
        await queries.select_bound(tx),
    )


def matching(count: int) -> Planned:
    """Return the plan of an order about what matches a query, of which so many files were counted."""
    return Planned([], [], count, 0, [], {}, 0)


async def _plan_query(tx: Tx, member: Member, query: FileQuery, *, config: Config) -> Planned:
    """Say which files match; of more than a summary looks at, that there are so many at least."""
    searcher = searcher_of(member, config)
    sums, _ = await summarise(tx, searcher, FileSummary.model_validate(query.model_dump()))
    asked = FileSearch.model_validate({**query.model_dump(), "parameters": ["LFN"]})
    page = await search(tx, searcher, asked, Asked(1, SAMPLE, None, None))
    count, size = (int(sums[0][name]) if sums else 0 for name in ("count", "bytes"))
    sample = [row["LFN"] for row in page.listed.rows]
    return Planned([], [], count, size, sample, {}, await queries.select_bound(tx))


def _failure(space: Space, places: Places, member: Member, path: str, action: FileAction) -> Failure | None:
    """Return why a member may not give an order about a path at all, or None."""
    if action is FileAction.REMOVE:
        return refusal(space, places, member, path.rpartition("/")[0]) if path not in space.roots else not_found()
    return refusal(space, places, member, path, READ)


async def _directories(tx: Tx, places: Places, tops: Sequence[str]) -> list[int]:
    below = await queries.select_below(tx, _outermost(tops), most=DIRECTORIES_MAX + 1) if tops else []
    dir_ids = sorted({*below, *(places.directories[path].dir_id for path in tops)})
    if len(dir_ids) > DIRECTORIES_MAX:
        raise BadFileOrder(f"An order is about {DIRECTORIES_MAX:,} directories at most: name parts of it")
    return dir_ids


def _outermost(paths: Sequence[str]) -> list[str]:
    """Return directories without those that lie below others of them."""
    outermost: list[str] = []
    for path in sorted(paths, key=lambda each: each + "/"):
        if not outermost or not path.startswith(f"{outermost[-1]}/"):
            outermost.append(path)
    return outermost


def confirmed(
    order: FileOrder, member: Member, planned: Planned, *, operation_id: UUID, bound: int, subject: str
) -> Order:
    """Return a confirmed order as an operation, about files and directories that there are now."""
    return Order(
        operation_id=operation_id,
        kind=KIND + order.action,
        vo=member.vo,
        subject=subject,
        created_by=member.username,
        arguments={
            "group": member.group,
            "is_manager": member.is_manager,
            "file_ids": planned.file_ids,
            "dir_ids": planned.dir_ids,
            "query": None if order.query is None else order.query.model_dump(mode="json"),
            "bound": bound,
            "fields": order.fields.model_dump(mode="json"),
        },
        total=planned.count,
        administrators=ADMINISTRATORS,
    )


@dataclass(frozen=True, slots=True)
class Doing:
    """What an act needs beside the files."""

    action: FileAction
    member: Member
    space: Space
    act: Act
    fields: Mapping[str, Any]
    searcher: Searcher


def bulk_handler(config: ConfigStore) -> BatchHandler:
    """Return what does one batch of an order about files."""

    async def do(tx: Tx, batch: Batch) -> BatchOutcome:
        arguments = batch.arguments
        member = Member(batch.vo, batch.created_by, arguments["group"], arguments["is_manager"])
        if batch.kind == MOVE:
            return await _move(tx, member, batch, config=config.current().config)
        action = FileAction(batch.kind.removeprefix(KIND))
        fields = arguments["fields"]
        vo_id = await trash.select_vo(tx, batch.vo)
        if vo_id is None or config.current().config.operations.get(batch.vo) is None:
            return BatchOutcome(0)
        act = Act(vo_id, batch.created_by, fields["reason"], batch.now)
        searcher = searcher_of(member, config.current().config)
        doing = Doing(action, member, searcher.space, act, fields, searcher)
        rows, last, dir_ids = await _next(tx, doing, batch)
        allowed = [row for row in rows if _refusal(doing, row) is None]
        failed = {row.file_id: reason for row in rows if (reason := _refusal(doing, row)) is not None}
        done, more = await _ACTS[action](tx, doing, allowed, dir_ids)
        if last is None and action is FileAction.REMOVE:
            await remove_all(tx, member, arguments["dir_ids"], space=doing.space, act=act)
        return BatchOutcome(done, {**failed, **more}, last)

    return do


def large_moves(member: Member, moves: Mapping[str, str], *, operation_id: UUID, subject: str) -> Order:
    """Return moves of directories with very many below as an operation of one batch."""
    return Order(
        operation_id=operation_id,
        kind=MOVE,
        vo=member.vo,
        subject=subject,
        created_by=member.username,
        arguments={"group": member.group, "is_manager": member.is_manager, "moves": dict(moves)},
        total=len(moves),
        administrators=ADMINISTRATORS,
    )


async def _move(tx: Tx, member: Member, batch: Batch, *, config: Config) -> BatchOutcome:
    asked = [Move.model_validate({"from": old, "to": new}) for old, new in batch.arguments["moves"].items()]
    moved = await move(tx, member, asked, config=config, now=batch.now, below_max=ORDERED_MAX)
    reasons = [f"{source}: {failure.detail}" for source, failure in moved.outcome.failed.items()]
    return BatchOutcome(len(moved.outcome.success), dict(enumerate(reasons, 1)))


async def _next(tx: Tx, doing: Doing, batch: Batch) -> tuple[list[Next], int | None, list[int]]:
    """Return the next files, where the batch after them begins, and the directories that this one comes to."""
    arguments, is_trash = batch.arguments, doing.action is FileAction.RESTORE
    if arguments["query"] is not None:
        return *await _next_of_query(tx, doing, batch, is_trash=is_trash), []
    place, after = divmod(batch.after, 1 << _FILE_BITS)
    named: list[int] = arguments["file_ids"]
    dir_ids: list[int] = arguments["dir_ids"]
    if place == 0:
        part = [file_id for file_id in named if file_id > after][: batch.size]
        rows = await queries.select_named(tx, part, trash=is_trash) if part else []
        if len(part) == batch.size:
            return rows, part[-1], []
        return rows, (1 << _FILE_BITS if dir_ids else None), []
    part = dir_ids[place - 1 : place - 1 + AT_ONCE]
    rows = await queries.select_inside(tx, part, after=after, bound=arguments["bound"], size=batch.size, trash=is_trash)
    if len(rows) == batch.size:
        return rows, place + rows[-1].place - 1 << _FILE_BITS | rows[-1].file_id, part
    following = place + len(part)
    return rows, (following << _FILE_BITS if following <= len(dir_ids) else None), part


async def _next_of_query(tx: Tx, doing: Doing, batch: Batch, *, is_trash: bool) -> tuple[list[Next], int | None]:
    """Return the next files that match, and where the batch after them begins."""
    query, bound = FileQuery.model_validate(batch.arguments["query"]), batch.arguments["bound"]
    ids, last = await next_ids(tx, doing.searcher, query, after=batch.after, size=batch.size)
    meant = [file_id for file_id in ids if file_id <= bound]
    rows = await queries.select_named(tx, meant, trash=is_trash) if meant else []
    return rows, None if last is None or last >= bound else last


def _refusal(doing: Doing, row: Next) -> str | None:
    """Return why nothing may be done to a file, or None."""
    if doing.action is FileAction.PERMISSIONS:
        if not allows_in(doing.space.rule, row.directory_rights, doing.member, READ):
            return "its directory may not be read"
        return may_change(row.rights, doing.member, owner=doing.fields["owner"], group=doing.fields["group"])
    is_allowed = allows_in(doing.space.rule, row.directory_rights, doing.member, WRITE, file=row.rights)
    return None if is_allowed else "its directory does not let you"


async def _delete(tx: Tx, doing: Doing, rows: Sequence[Next], _: Sequence[int]) -> tuple[int, dict[int, str]]:
    done = await trash.trash_files(tx, doing.act, [row.file_id for row in rows]) if rows else []
    return len(done), {}


async def _restore(tx: Tx, doing: Doing, rows: Sequence[Next], _: Sequence[int]) -> tuple[int, dict[int, str]]:
    if not rows:
        return 0, {}
    dir_ids = sorted({row.dir_id for row in rows})
    await trash.hold(tx, dir_ids)
    done = set(await trash.restore_latest(tx, doing.act, [row.file_id for row in rows]))
    await trash.show_directories(tx, dir_ids)
    return len(done), {row.file_id: "its name is taken" for row in rows if row.file_id not in done}


async def _permissions(
    tx: Tx, doing: Doing, rows: Sequence[Next], dir_ids: Sequence[int]
) -> tuple[int, dict[int, str]]:
    wanted = PermissionChange(paths=["/"], **{name: doing.fields[name] for name in ("owner", "group", "mode")})
    people = {doing.member.username, *(each for each in (wanted.owner, wanted.group) if each is not None)}
    names = Names(doing.member.vo, people)
    places = await with_names(tx, doing.space, await find_places(tx, doing.space, (), names), names)
    change = change_of(wanted, doing.member, places)
    file_ids = [row.file_id for row in rows]
    await permissions.change(tx, change, dir_ids=list(dir_ids), file_ids=file_ids)
    detail = {"owner": wanted.owner, "group": wanted.group, "mode": wanted.mode, "dir_ids": list(dir_ids)}
    await trash.log_act(tx, doing.act, "mode", file_ids, detail=detail)
    return len(rows), {}


async def _metadata(tx: Tx, doing: Doing, rows: Sequence[Next], _: Sequence[int]) -> tuple[int, dict[int, str]]:
    declared = await select_fields(tx, doing.member.vo)
    try:
        typed = values_of(declared, doing.fields["values"], on=AppliesTo.FILE)
    except BadValue as error:
        return 0, {row.file_id: str(error) for row in rows}
    if rows:
        file_ids = [row.file_id for row in rows]
        await put_values(tx, [(file_id, typed) for file_id in file_ids])
        await insert_outbox(tx, doing.act.vo_id, file_ids, now=doing.act.now)
    return len(rows), {}


ActOn = Callable[[Tx, Doing, Sequence[Next], Sequence[int]], Awaitable[tuple[int, dict[int, str]]]]
_ACTS: Mapping[FileAction, ActOn] = {
    FileAction.DELETE: _delete,
    FileAction.RESTORE: _restore,
    FileAction.PERMISSIONS: _permissions,
    FileAction.METADATA: _metadata,
    FileAction.REMOVE: _delete,
}
