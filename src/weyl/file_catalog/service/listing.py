"""What is in a directory, a page at a time, and how a page is found again."""

import base64
import binascii
from typing import Any

from weyl.config.lfns import bare, directory_fault_of, join, name_of, root_of
from weyl.config.models import Config
from weyl.file_catalog.errors import BadFileOrder, DirectoryNotFound, NotReadable
from weyl.file_catalog.models.files import Listing
from weyl.file_catalog.modes import READ, allows_in, mode_text
from weyl.file_catalog.names import NO_SUCH, Space, printable
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries.listing import Entry, Page, select_entries
from weyl.file_catalog.service.places import forbidden, hidden
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.paging import NO_CURSOR
from weyl.kit.search import is_storable

DIRECTORY, FILE = "directory", "file"


async def list_directory(tx: Tx, member: Member, listing: Listing, *, config: Config) -> dict[str, Any]:
    """Return a page of a directory: directories, files, and the cursor of the next page, if there is one.

    Raises `DirectoryNotFound`, also for what lies in another VO, and `NotReadable`.
    """
    space = Space.of(config, member)
    path = bare(listing.path)
    if (fault := directory_fault_of(path)) is not None:
        raise BadFileOrder(f"{printable(path)[:200]} {fault}")
    page = _page(listing)
    rows = await select_entries(tx, member.vo, path, page, trash=listing.trash) if root_of(path, space.roots) else []
    if not rows or (rows[0].trashed_at is not None and not listing.trash):
        if path in space.roots:
            return {"directories": [], "files": [], "cursor": None}
        await _refuse_hidden(tx, space, member, path)
        raise DirectoryNotFound(NO_SUCH)
    if not allows_in(space.rule, rows[0].rights, member, READ):
        await _refuse_hidden(tx, space, member, path)
        raise NotReadable(forbidden(space, path, rows[0].rights, READ).detail)
    shown = rows[1 : 1 + listing.limit]
    return {
        "directories": [_directory(row) for row in shown if row.kind == DIRECTORY],
        "files": [_file(path, row) for row in shown if row.kind == FILE],
        "cursor": _cursor(shown[-1]) if len(rows) > 1 + listing.limit else None,
    }


async def _refuse_hidden(tx: Tx, space: Space, member: Member, path: str) -> None:
    """Raise `NotReadable` for what lies below a directory that may not be read, whether it is there or not."""
    if (failure := (await hidden(tx, space, member, [path])).get(path)) is not None:
        raise NotReadable(failure.detail)


def _directory(row: Entry) -> dict[str, Any]:
    return {
        "name": name_of(row.name),
        "path": row.name,
        "owner": row.owner,
        "group": row.group,
        "mode": mode_text(row.mode),
        "created_at": row.created_at,
        **({"trashed_at": row.trashed_at} if row.trashed_at is not None else {}),
    }


def _file(path: str, row: Entry) -> dict[str, Any]:
    return {
        "name": row.name,
        "lfn": join(path, row.name),
        "file_id": row.entry_id,
        "size": row.size,
        "checksums": row.checksums.as_json(),
        "owner": row.owner,
        "group": row.group,
        "mode": mode_text(row.mode),
        "job_id": row.job_id,
        "created_at": row.created_at,
        "modified_at": row.modified_at,
        **({"trashed_at": row.trashed_at} if row.trashed_at is not None else {}),
    }


def _cursor(row: Entry) -> str:
    """Return the place of an entry as clients hold it; they read nothing from it."""
    place = [row.kind, row.name, row.entry_id]
    return base64.urlsafe_b64encode(json.dumps(place)).decode().rstrip("=")


def _page(listing: Listing) -> Page:
    if listing.cursor is None:
        return Page(listing.limit)
    try:
        text = listing.cursor.encode()
        kind, name, entry_id = json.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadFileOrder(NO_CURSOR) from error
    is_place = isinstance(name, str) and is_storable(name) and isinstance(entry_id, int) and 0 <= entry_id < 1 << 63
    if not is_place or kind not in (DIRECTORY, FILE):
        raise BadFileOrder(NO_CURSOR)
    if kind == DIRECTORY:
        return Page(listing.limit, after_directory=name)
    return Page(listing.limit, after_file=(name, entry_id))
