"""The client's calls on storage elements, on access to files, and on uploads."""

from collections.abc import Mapping, Sequence
from typing import Any

from weyl.kit.call import Call, segment

Answer = dict[str, Any]


def elements() -> Call[list[Answer]]:
    """Ask for the storage elements of the VO: where they are, what they allow now, and their space."""
    return Call("GET", "/api/storage", list[Answer])


def element(se: str) -> Call[Answer]:
    """Ask for one storage element."""
    return Call("GET", f"/api/storage/{segment(se)}", Answer)


def access(
    lfns: Sequence[str],
    *,
    site: str | None = None,
    protocols: Sequence[str] | None = None,
    ttl_s: int | None = None,
) -> Call[Answer]:
    """Ask how files can be read: of each `size`, `checksums`, and a request for each replica, the nearest first."""
    body = {"lfns": list(lfns), "site": site, "protocols": protocols, "ttl_s": ttl_s}
    given = {name: value for name, value in body.items() if value is not None}
    return Call("POST", "/api/storage/access", Answer, body=given, repeatable=True)


def stat(se: str, lfns: Sequence[str]) -> Call[Answer]:
    """Ask a storage element itself for size and checksums of files."""
    return Call("POST", "/api/storage/stat", Answer, body={"se": se, "lfns": list(lfns)}, repeatable=True)


def probe(se: str) -> Call[Answer]:
    """Write, read and delete a small file on a storage element, and tell how long each step took."""
    return Call("POST", "/api/storage/probe", Answer, body={"se": se})


def check(se: str, *, under: str | None = None, cursor: str | None = None, checksums: bool = False) -> Call[Answer]:
    """Compare a page of what the catalogue and a storage element have: `findings`, and the `cursor` of the next."""
    body: dict[str, Any] = {"se": se} | ({"under": under} if under else {}) | ({"cursor": cursor} if cursor else {})
    body |= {"checksums": True} if checksums else {}
    return Call("POST", "/api/storage/check", Answer, body=body, repeatable=True)


def open_upload(
    files: Sequence[Mapping[str, Any]],
    *,
    ses: Sequence[str] | None = None,
    site: str | None = None,
    protocols: Sequence[str] | None = None,
    atomic: bool = False,
) -> Call[Answer]:
    """Announce files, `lfn`, `size` and `checksums` of each, and ask where to put them.

    A file that lies on storage already says so with `at`: `[{"se", "pfn"}]`. Nothing is in the catalogue before the
    upload is committed.
    """
    body: dict[str, Any] = {"files": list(files)}
    body |= {"ses": list(ses)} if ses else {}
    body |= ({"site": site} if site else {}) | ({"protocols": list(protocols)} if protocols else {})
    body |= {"atomic": True} if atomic else {}
    return Call("POST", "/api/storage/uploads", Answer, body=body)


def uploads() -> Call[list[Answer]]:
    """Ask for one's uploads that are not over."""
    return Call("GET", "/api/storage/uploads", list[Answer])


def upload(upload_id: str) -> Call[Answer]:
    """Ask how an upload stands, with fresh requests for what is still to be put."""
    return Call("GET", f"/api/storage/uploads/{segment(upload_id)}", Answer)


def commit_upload(upload_id: str, landed: Mapping[str, Mapping[str, Any]]) -> Call[Answer]:
    """Say where each file of an upload has landed: `{"se", "etags"}`; what is verified is registered."""
    path = f"/api/storage/uploads/{segment(upload_id)}/commit"
    return Call("POST", path, Answer, body={"landed": landed}, repeatable=True)


def abandon_upload(upload_id: str) -> Call[None]:
    """Give an upload up; what it has put is removed."""
    return Call("DELETE", f"/api/storage/uploads/{segment(upload_id)}", None)
