"""The catalogue against a storage element, page by page; what differs is looked at again before it is told.

Files come and go while the two are read. So what only one of them has is asked of both once more, in an order in which
each step of an upload, of a sweep and of a purge explains itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from weyl.config import lfns
from weyl.config.models import Config
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.service.purging import ReplicaBelow, paths_taken, replicas_below
from weyl.storage.comparison import Finding, FindingKind, Page, Registered, findings_of, page_of
from weyl.storage.drivers.driver import Stat
from weyl.storage.elements import BadPath
from weyl.storage.errors import BadCheck, Corrupt, NotAllowed, NotThere, Unreachable
from weyl.storage.models.check import Checked, CheckRequest, FindingShown
from weyl.storage.permits import Prober
from weyl.storage.queries.intents import select_places
from weyl.storage.service.reach import Reached
from weyl.storage.service.state import Uploads
from weyl.storage.service.verification import Claim, Unverified, faults_of
from weyl.storage.verdicts import GONE

PAGE = 1_000
REPLACED = "\N{REPLACEMENT CHARACTER}"
"""Stands in names for bytes that are no UTF-8."""
READ_PAGE = 100
"""Files of a page whose bytes may have to be read."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """Where a page of the comparison begins: below a directory, behind a path."""

    uploads: Uploads
    config: Config
    vo: str
    se: str
    under: str
    after: str
    limit: int
    door: Reached
    prefix: str
    """What the door puts before a storage path."""


async def check(uploads: Uploads, config: Config, checker: Prober, order: CheckRequest) -> Checked:
    """Compare one page, and return what was found and where the next begins; nothing is changed.

    Raises `BadCheck` for what is no directory of the VO, and a `StorageError` if the storage cannot be asked now.
    """
    roots = _roots(config, checker.vo, order)
    under, after = _begin(roots, order.cursor)
    door = uploads.storages.open(config, order.se, vo=checker.vo, access="check")
    try:
        prefix = door.path(under).removesuffix(under)
    except BadPath as error:
        raise BadCheck(str(error)) from error
    limit = READ_PAGE if order.checksums else PAGE
    walk = _Walk(uploads, config, checker.vo, order.se, under, after, limit, door, prefix)
    page = page_of(await _registered(walk), await _stored(walk), limit=limit)
    suspects = list(findings_of(page))
    if order.checksums:
        suspects += await _differing(walk, page, {each.path for each in suspects})
    findings = await _confirmed(walk, page, suspects) if suspects else []
    return Checked(
        compared=len({row.path for row in page.registered} | page.stored.keys()),
        findings=[
            FindingShown(kind=each.kind, path=each.path, lfn=each.lfn, detail=each.detail)
            for each in sorted(findings, key=lambda finding: finding.path.encode())
        ],
        cursor=page.cursor if page.cursor is not None else _next_root(roots, under),
    )


def _roots(config: Config, vo: str, order: CheckRequest) -> list[str]:
    roots = config.operations[vo].data_management.roots_of(vo)
    if order.under is None:
        return sorted(roots, key=str.encode)
    if (fault := lfns.directory_fault_of(order.under)) is not None:
        raise BadCheck(f"{order.under[:200]!r} is no directory: it {fault}")
    if lfns.root_of(order.under, roots) is None:
        raise BadCheck(f"{vo} has nothing below {order.under}: it has {', '.join(roots)}")
    return [order.under]


def _begin(roots: Sequence[str], cursor: str | None) -> tuple[str, str]:
    """Return the directory that is walked through, and the path behind which the page begins."""
    if cursor is None:
        return roots[0], roots[0]
    under = lfns.root_of(cursor, roots)
    if under is None:
        raise BadCheck("That cursor is of another comparison")
    return under, cursor


def _next_root(roots: Sequence[str], under: str) -> str | None:
    """Return the place that comes before all files of the next directory, if there is one."""
    place = roots.index(under) + 1
    return roots[place] if place < len(roots) else None


async def _rows(walk: _Walk, limit: int) -> list[ReplicaBelow]:
    async with walk.uploads.db.read() as tx:
        return await replicas_below(tx, walk.vo, walk.se, after=walk.after, limit=limit, under=walk.under)


async def _registered(walk: _Walk) -> list[Registered]:
    return [Registered(row.storage_path, row.lfn, row.size, row.checksums) for row in await _rows(walk, walk.limit)]


async def _stored(walk: _Walk) -> list[tuple[str, int]]:
    try:
        entries = await walk.door.driver.list(
            walk.prefix + walk.under, after=walk.prefix + walk.after, limit=walk.limit
        )
    except NotThere:
        return []
    found = [(entry.path.removeprefix(walk.prefix), entry.size) for entry in entries]
    if len(found) >= walk.limit and found[-1][0].encode() <= walk.after.encode():
        # Names that are not UTF-8 are not what they are sorted by.
        raise Corrupt(f"{walk.se} has names that are not UTF-8, behind {walk.after}: rename what lies there")
    return found


async def _differing(walk: _Walk, page: Page, left_out: Collection[str]) -> list[Finding]:
    """Return the files whose sizes agree, and whose checksums do not."""
    rows = [row for row in page.registered if row.path not in left_out]
    claims = [
        Claim(number, walk.se, row.path, row.size, row.checksums) for number, row in enumerate(rows) if row.checksums
    ]
    try:
        faults = await faults_of(walk.uploads.storages, walk.config, walk.vo, claims)
    except Unverified as error:
        raise Unreachable(str(error)) from error
    return [
        Finding(FindingKind.LOST if fault == GONE else FindingKind.DIFFERS, rows[number].path, fault, rows[number].lfn)
        for number, fault in faults.items()
    ]


async def _confirmed(walk: _Walk, page: Page, suspects: Sequence[Finding]) -> list[Finding]:
    """Return those suspects that are still what they seem to be."""
    stats = await _stats(walk, page, suspects)
    # After the storage: what is purged is marked before its bytes go.
    fresh = {row.storage_path: row for row in await _rows(walk, 2 * walk.limit)}
    before = {row.path: row for row in page.registered}
    findings: list[Finding] = []
    dark: list[Finding] = []
    for each in suspects:
        if each.kind == FindingKind.DARK:
            dark.append(each)
            continue
        row = fresh.get(each.path)
        if row is None or row.is_purged or not _is_same(row, before[each.path]):
            continue
        stat = stats.get(each.path)
        if stat is None:
            findings.append(Finding(FindingKind.LOST, each.path, f"{row.size:,} bytes that are not there", row.lfn))
        elif stat.size != row.size or each.kind == FindingKind.DIFFERS:
            findings.append(each)
    return findings + await _still_dark(walk, page, [each for each in dark if each.path in stats])


def _is_same(row: ReplicaBelow, before: Registered) -> bool:
    return (row.size, row.checksums) == (before.size, before.checksums)


async def _still_dark(walk: _Walk, page: Page, dark: Sequence[Finding]) -> list[Finding]:
    """Return what neither a file of any status nor an upload has, and is there also after that was asked."""
    places = [(walk.se, each.path) for each in dark]
    if not places:
        return []
    async with walk.uploads.db.read() as tx:
        # An upload that ends in between is seen as a file: it is asked for first.
        explained = await select_places(tx, places)
        explained |= await paths_taken(tx, places, vo=walk.vo)
    left = [each for each in dark if (walk.se, each.path) not in explained]
    stats = await _stats(walk, page, left)
    return [each for each in left if each.path in stats]


async def _stats(walk: _Walk, page: Page, findings: Sequence[Finding]) -> dict[str, Stat]:
    """Return what lies there now; what cannot be asked for by its name is taken to be as it was listed."""
    found: dict[str, Stat] = {}
    nameable = [each.path for each in findings if REPLACED not in each.path]
    try:
        found = await _asked(walk, nameable)
    except NotAllowed:
        for path in nameable:
            try:
                found |= await _asked(walk, [path])
            except NotAllowed:
                found |= _listed(page, path)
    for each in findings:
        if REPLACED in each.path:
            found |= _listed(page, each.path)
    return found


async def _asked(walk: _Walk, paths: Sequence[str]) -> dict[str, Stat]:
    found = await walk.door.driver.stat([walk.prefix + path for path in paths]) if paths else {}
    return {path.removeprefix(walk.prefix): stat for path, stat in found.items()}


def _listed(page: Page, path: str) -> dict[str, Stat]:
    return {path: Stat(page.stored[path], Checksums())} if path in page.stored else {}
