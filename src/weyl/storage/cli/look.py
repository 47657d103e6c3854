"""Commands that look at files and change nothing: ls, stat, replicas, url, du."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from weyl.client import environment
from weyl.client.command import Session, session_of
from weyl.client.errors import NotFound
from weyl.client.results import Document, Result, Rows
from weyl.file_catalog import calls as files
from weyl.kit.plain_text import one_line
from weyl.storage import calls
from weyl.storage.cli.names import VARIABLE, Failed, Lfns, Namer, Site, each, names_of, no_such

LIST_COLUMNS = ("name", "size")
LONG_COLUMNS = ("mode", "owner", "group", "size", "created_at", "lfn")
REPLICA_COLUMNS = ("lfn", "se", "status", "usable", "reason")
URL_COLUMNS = ("lfn", "se", "protocol", "url", "expires_at")
USAGE_COLUMNS = ("path", "files", "bytes", "trash_files", "trash_bytes")
ELEMENT_COLUMNS = ("path", "se", "files", "bytes", "trash_files", "trash_bytes")
PER_PAGE = 1_000
REQUESTS = 1_000


def ls(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Directories or files; your home, if left out.")
    ] = None,
    *,
    is_long: Annotated[bool, typer.Option("--long", "-l", help="Show mode, owner, group and time, too.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="Show what is below, too.")] = False,
    trash: Annotated[bool, typer.Option("--trash", help="Show what is in the trash.")] = False,
) -> Result:
    """Lists directories: first the directories in each, then the files.

    Example: weyl data ls -l /hep/mc
    """
    session = session_of(context)
    wanted = names_of(session, paths) if paths else iter([Namer(session)(".")])
    failed: Failed = {}
    rows = _listed(session, wanted, failed, recursive=recursive, trash=trash)
    if not paths and not environment.variable(VARIABLE):
        rows = _of_home(session, rows, failed)
    columns = LONG_COLUMNS if is_long else ("lfn", "size") if recursive or (paths and len(paths) > 1) else LIST_COLUMNS
    return Rows(rows, columns=columns, id_column="lfn", unit="entries", failed=failed)


def _listed(
    session: Session, paths: Iterator[str], failed: Failed, *, recursive: bool, trash: bool
) -> Iterator[dict[str, Any]]:
    is_any = False
    for path in paths:
        ahead = [path]
        while ahead:
            directory = ahead.pop()
            try:
                for row in entries(session, directory, trash=trash):
                    yield row
                    if recursive and row["type"] == "directory":
                        ahead.append(row["lfn"])
                is_any = True
            except NotFound as error:
                found = session.client.send(files.lookup([directory], trash=trash))["success"].get(directory)
                if found is None:
                    failed[directory] = error.message
                else:
                    is_any = True
                    yield _file_row(found)
    if failed and not is_any:
        raise no_such(failed)


def _of_home(session: Session, rows: Iterator[dict[str, Any]], failed: Failed) -> Iterator[dict[str, Any]]:
    """Yield the entries of one's home, which is made by the first file that is put there."""
    try:
        yield from rows
    except NotFound:
        failed.clear()
        session.say("You have no files yet. Put one: weyl data put FILE NAME")


def entries(session: Session, path: str, *, trash: bool) -> Iterator[dict[str, Any]]:
    """Yield what is in a directory, first the directories; raises `NotFound` if there is no such directory."""
    cursor = None
    while True:
        page = session.client.send(files.list_directory(path, cursor=cursor, limit=PER_PAGE, trash=trash))
        for told in page["directories"]:
            yield {"type": "directory", "name": f"{told['name']}/", "lfn": told["path"], "size": None} | {
                key: value for key, value in told.items() if key not in ("name", "path")
            }
        yield from (_file_row(told) for told in page["files"])
        cursor = page["cursor"]
        if cursor is None:
            return


def _file_row(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "file", "name": told["lfn"].rpartition("/")[2], **told}


def stat(
    context: typer.Context,
    lfns: Lfns,
    *,
    trash: Annotated[bool, typer.Option("--trash", help="Look in the trash.")] = False,
) -> Result:
    """Shows all that the catalogue knows of files: size, checksums, owner, replicas, metadata, what they are made from.

    Example: weyl data stat /hep/user/a/alice/mu.root
    """
    session = session_of(context)
    failed: Failed = {}
    wanted = ["file_id", "size", "checksums", "guid", "owner", "group", "mode", "status", "job_id", "attempt"]
    wanted += ["created_at", "modified_at", "replicas", "metadata", "ancestors"]
    names = names_of(session, lfns)
    found = each(session, names, lambda batch: files.lookup(batch, parameters=wanted, trash=trash), failed)
    rows = [{"lfn": name, **told} for name, told in found]
    return Document(rows, text="\n\n".join(map(_block, rows)), id_column="lfn", failed=failed)


def _block(row: Mapping[str, Any]) -> str:
    shown: dict[str, Any] = {
        name: value for name, value in row.items() if name not in ("checksums", "replicas", "metadata", "ancestors")
    }
    shown |= {name: digits for name, digits in (row.get("checksums") or {}).items() if digits}
    replicas = [f"{each['se']} ({each['status']})" for each in row.get("replicas") or ()]
    shown["replicas"] = ", ".join(replicas) or None
    for field, told in (row.get("metadata") or {}).items():
        origin = "" if told["from"] == row["lfn"] else f"   from {told['from']}"
        shown[field] = f"{told['value']}{origin}"
    shown["ancestors"] = ", ".join(row.get("ancestors") or ()) or None
    width = max(map(len, shown))
    return "\n".join(f"{name:<{width}}  {_shown(value)}" for name, value in shown.items())


def _shown(value: Any) -> str:
    return "-" if value is None else one_line(str(value))


def replicas(context: typer.Context, lfns: Lfns, *, site: Site = None) -> Result:
    """Shows where files lie, nearest first, and which of the replicas may be used now.

    Example: weyl data replicas /hep/mc/zmumu-1.json
    """
    session = session_of(context)
    failed: Failed = {}
    found = each(session, names_of(session, lfns), lambda batch: files.replicas(batch, site=site), failed)
    rows = ({"lfn": name, **replica} for name, told in found for replica in told)
    return Rows(rows, columns=REPLICA_COLUMNS, id_column="lfn", unit="replicas", failed=failed)


def url(
    context: typer.Context,
    lfns: Lfns,
    *,
    site: Site = None,
    protocol: Annotated[
        list[str] | None, typer.Option("--protocol", metavar="P", help="s3, https or file; may be repeated.")
    ] = None,
    ttl: Annotated[
        int | None, typer.Option("--ttl", metavar="S", min=60, max=3600, help="How long the address is good.")
    ] = None,
    every: Annotated[bool, typer.Option("--every", help="One of each replica, not of the nearest only.")] = False,
) -> Result:
    """Prints addresses that files can be read from for some minutes, by anybody who has them.

    Example: weyl data url -q /hep/mc/zmumu-1.json
    """
    session = session_of(context)
    failed: Failed = {}
    found = each(
        session,
        names_of(session, lfns),
        lambda batch: calls.access(batch, site=site, protocols=protocol, ttl_s=ttl),
        failed,
        size=REQUESTS,
    )
    rows = (_address(name, each_) for name, told in found for each_ in told["replicas"][: None if every else 1])
    return Rows(rows, columns=URL_COLUMNS, id_column="url", unit="addresses", failed=failed)


def _address(lfn: str, told: Mapping[str, Any]) -> dict[str, Any]:
    request = told["request"]
    row = {"lfn": lfn, "se": told["se"], "protocol": request["protocol"], "url": request["url"] or request.get("path")}
    headers = request.get("headers")
    return row | {"expires_at": request["expires_at"]} | ({"headers": headers} if headers else {})


def du(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Directories; your home, if left out.")
    ] = None,
    *,
    elements: Annotated[bool, typer.Option("--elements", help="Show each storage element by itself.")] = False,
) -> Result:
    """Shows how many files and bytes are below directories, those in the trash apart.

    Example: weyl data du --elements /hep
    """
    session = session_of(context)
    failed: Failed = {}
    wanted = names_of(session, paths) if paths else iter([Namer(session)(".")])
    found = each(session, wanted, files.usage, failed)
    if not elements:
        rows = ({"path": path, **told} for path, told in found)
        return Rows(rows, columns=USAGE_COLUMNS, id_column="path", unit="directories", failed=failed)
    parts = ({"path": path, "se": se, **part} for path, told in found for se, part in told["elements"].items())
    return Rows(parts, columns=ELEMENT_COLUMNS, id_column="se", unit="storage elements", failed=failed)
