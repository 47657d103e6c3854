"""The client's calls on files: looking them up, finding, describing, changing, and counting them.

Calls that name many files answer `{"success": {name: …}, "failed": {name: {"code", "detail"}}}`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from weyl.kit.call import Call, segment
from weyl.tasks.models import OperationStarted

Answer = dict[str, Any]


def _asked(route: str, /, **body: Any) -> Call[Answer]:
    """Return the call that asks with a body for what changes nothing, or does no more the second time."""
    given = {name: value for name, value in body.items() if value is not None}
    return Call("POST", f"/api/files/{route}", Answer, body=given, repeatable=True)


def register(files: Sequence[Mapping[str, Any]], *, atomic: bool = False) -> Call[Answer]:
    """Register files whose size, checksums and replicas the caller vouches for; all or none if `atomic`."""
    return _asked("register", files=list(files), atomic=atomic or None)


def lookup(lfns: Sequence[str], *, parameters: Sequence[str] | None = None, trash: bool = False) -> Call[Answer]:
    """Ask for files by their names: all that is known of each, or the `parameters` that are named."""
    return _asked("lookup", lfns=list(lfns), parameters=parameters, trash=trash or None)


def replicas(lfns: Sequence[str], *, site: str | None = None) -> Call[Answer]:
    """Ask where files lie, nearest to a site first, and which of the places may be used now."""
    return _asked("replicas", lfns=list(lfns), site=site)


def set_replica_status(lfns: Sequence[str], *, se: str, status: str, reason: str) -> Call[Answer]:
    """Say that replicas are Good, Suspect or Bad, and why."""
    return _asked("replicas/status", lfns=list(lfns), se=se, status=status, reason=reason)


def list_directory(
    path: str, *, cursor: str | None = None, limit: int | None = None, trash: bool = False
) -> Call[Answer]:
    """Ask for a page of what is in a directory: `directories`, `files`, and the `cursor` of the next page."""
    return _asked("list", path=path, cursor=cursor, limit=limit, trash=trash or None)


def search(
    query: Mapping[str, Any], *, per_page: int = 100, cursor: str | None = None, prefer: str = "count=none"
) -> Call[list[Answer]]:
    """Ask for the files that a query finds; the header `Link` leads to the next page, by its `cursor`."""
    page = {"per_page": per_page, "cursor": cursor}
    headers = {"Prefer": prefer}
    return Call("POST", "/api/files/search", list[Answer], query=page, body=query, headers=headers, repeatable=True)


def summary(query: Mapping[str, Any]) -> Call[list[Answer]]:
    """Ask how many files there are of each kind, and their bytes; `grouping` of the query names the kinds."""
    return Call("POST", "/api/files/summary", list[Answer], body=query, repeatable=True)


def make_directories(paths: Sequence[str], *, mode: str | None = None) -> Call[Answer]:
    """Make directories with those above them."""
    return _asked("directories", paths=list(paths), mode=mode)


def remove_directories(paths: Sequence[str]) -> Call[Answer]:
    """Remove directories that are empty."""
    return _asked("rmdir", paths=list(paths))


def move(moves: Mapping[str, str]) -> Call[Answer]:
    """Move files and directories: old name -> new name. No byte moves."""
    return _asked("move", moves=[{"from": old, "to": new} for old, new in moves.items()])


def set_permissions(
    paths: Sequence[str],
    *,
    owner: str | None = None,
    group: str | None = None,
    mode: str | None = None,
    recursive: bool = False,
) -> Call[Answer]:
    """Change owner, group or mode of files and directories; `recursive`: of what is below them, too."""
    return _asked("permissions", paths=list(paths), owner=owner, group=group, mode=mode, recursive=recursive or None)


def delete(lfns: Sequence[str], *, reason: str) -> Call[Answer]:
    """Put files into the trash, where they stay for some days."""
    return _asked("delete", lfns=list(lfns), reason=reason)


def restore(lfns: Sequence[str]) -> Call[Answer]:
    """Take files out of the trash, under the names that they had."""
    return _asked("restore", lfns=list(lfns))


def plan_bulk(order: Mapping[str, Any]) -> Call[Answer]:
    """Ask what an order about many files would do: `action`, and `paths` or a `query`."""
    return Call("POST", "/api/files/bulk", Answer, body={**order, "dry_run": True}, repeatable=True)


def confirm_bulk(order: Mapping[str, Any], plan_token: str) -> Call[OperationStarted]:
    """Ask for what was planned to be done, in the background; sent twice it is done once."""
    body = {**order, "plan_token": plan_token}
    return Call("POST", "/api/files/bulk", OperationStarted, body=body, repeatable=True)


def usage(paths: Sequence[str]) -> Call[Answer]:
    """Ask how many files and bytes are below directories, in all and on each storage element."""
    return _asked("usage", paths=list(paths))


def ancestors(lfns: Sequence[str], *, depth: int = 1) -> Call[Answer]:
    """Ask what files were made from, up to `depth` steps back."""
    return _asked("ancestors", lfns=list(lfns), depth=depth)


def descendants(lfns: Sequence[str], *, depth: int = 1) -> Call[Answer]:
    """Ask what was made from files, up to `depth` steps on."""
    return _asked("descendants", lfns=list(lfns), depth=depth)


def metadata(paths: Sequence[str], *, inherited: bool = True) -> Call[Answer]:
    """Ask for the metadata of files and directories: field -> `value`, and the name it comes `from`."""
    return _asked("metadata", paths=list(paths), inherited=inherited)


def set_metadata(values: Mapping[str, Mapping[str, Any]]) -> Call[Answer]:
    """Set metadata: name -> field -> value; None takes the own value away."""
    return Call("POST", "/api/files/metadata/set", Answer, body={"set": values}, repeatable=True)


def fields() -> Call[list[Answer]]:
    """Ask for the metadata fields of the VO."""
    return Call("GET", "/api/files/fields", list[Answer])


def declare_field(field: Mapping[str, Any]) -> Call[Answer]:
    """Declare a metadata field: `name`, `type`, `on`, `indexed`, `unit`, `values`, `help`."""
    return Call("POST", "/api/files/fields", Answer, body=dict(field))


def change_field(name: str, changes: Mapping[str, Any]) -> Call[Answer]:
    """Change what is said of a metadata field."""
    return Call("PATCH", f"/api/files/fields/{segment(name)}", Answer, body=dict(changes), repeatable=True)


def remove_field(name: str, *, force: bool = False) -> Call[None]:
    """Remove a metadata field that nothing has a value of; with `force` the values go with it."""
    return Call("DELETE", f"/api/files/fields/{segment(name)}", None, query={"force": force or None})
