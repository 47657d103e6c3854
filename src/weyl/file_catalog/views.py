"""What web pages show of files: the tree, a list with the VO's metadata, one file, and one directory."""

from typing import Any

from weyl.file_catalog.field_views import FIELDS, METADATA_FIELDS
from weyl.file_catalog.models.bulk import UNDO_S
from weyl.kit.views import (
    CHOICE_OPERATORS,
    Action,
    ApiCall,
    Column,
    Condition,
    Operator,
    Status,
    Tab,
    View,
)

_USERS = ("NormalUser", "FileCatalogManagement")
_NUMBERS: tuple[Operator, ...] = ("eq", "neq", "gt", "gte", "lt", "lte", "between", "in", "not in")
_NAMES: tuple[Operator, ...] = ("eq", "neq", "in", "not in", "like", "not like", "regex")
_TIMES: tuple[Operator, ...] = ("gt", "gte", "lt", "lte", "between")

_TREE = ApiCall(method="GET", path="/api/files/tree", query={"node": "{$node}", "cursor": "{$cursor}"})
_SEARCH = ApiCall(
    method="POST",
    path="/api/files/search",
    body={
        "under": "{$under}",
        "depth": "{$depth}",
        "where": "{$search}",
        "parameters": "{$columns}",
        "sort": "{$sort}",
    },
    paging="cursor",
    filters=True,
)

GOOD = Status(value="Good", tone="success", icon="check")
TRASH = Status(value="Trash", tone="neutral", icon="trash", terminal=True, help="Deleted; can be restored.")
_REPLICA_STATUSES = (
    GOOD,
    Status(value="Suspect", tone="warning", icon="alert-triangle", help="Kept, but read last."),
    Status(value="Bad", tone="danger", icon="x", help="Never read."),
)


def _plain(name: str, title: str, kind: Any = "text", **more: Any) -> Column:
    """Return a column that is shown, and neither sorted nor filtered by."""
    return Column(name=name, title=title, type=kind, sortable=False, filterable=False, **more)


def _searched(name: str, title: str, operators: tuple[Operator, ...], kind: Any = "text", **more: Any) -> Column:
    return Column(name=name, title=title, type=kind, operators=operators, sortable=False, **more)


_COLUMNS = (
    Column(name="FileID", title="File", type="int", operators=_NUMBERS, width=90, link="/files/{FileID}"),
    Column(
        name="LFN",
        title="LFN",
        operators=_NAMES,
        width=340,
        link="/files/{FileID}",
        help="The logical file name: directory and name.",
    ),
    _searched("Name", "Name", _NAMES, width=220),
    _searched("Directory", "Directory", ("under", *_NAMES), width=260, link="/directories/{Directory}"),
    _searched("Size", "Size", _NUMBERS, "bytes", width=90),
    _searched("Owner", "Owner", CHOICE_OPERATORS, width=110),
    _searched("Group", "Owner's group", CHOICE_OPERATORS, width=120),
    _searched("Status", "Status", CHOICE_OPERATORS, "status", values=[GOOD.value, TRASH.value], width=90),
    _searched("SE", "Storage elements", CHOICE_OPERATORS, "list", width=180),
    _searched("ReplicaCount", "Replicas", _NUMBERS, "int", width=80),
    _searched("CreationTime", "Created", _TIMES, "time", width=140),
    _searched(
        "ModificationTime",
        "Modified",
        _TIMES,
        "time",
        width=140,
        help="When the file changed; changes of metadata do not count.",
    ),
    _searched("JobID", "Created by job", _NUMBERS, "int", width=110, link="/jobs/{JobID}"),
    _searched("GUID", "GUID", ("eq", "in"), width=260),
    _searched("Checksum", "Checksum", ("eq", "in"), width=200, help="As `adler32:…`, `md5:…`, `sha1:…` or `sha256:…`."),
    _searched("Ancestor", "Ancestor", ("eq", "in"), width=260, help="The LFN of a file that this file was made from."),
)

_REPLICAS = (
    _plain("se", "Storage element", link="/storage-elements/{se}"),
    _plain("status", "Status", "status"),
    _plain("usable", "Readable", "bool"),
    _plain("reason", "Reason"),
    _plain(
        "verified_at",
        "Verified",
        "time",
        help="When weyl compared size and checksum; empty: it was registered unchecked.",
    ),
    _plain("created_at", "Added", "time"),
    _plain("pfn", "Storage path"),
)
_RELATIVES = (
    _plain("lfn", "LFN", link="/files/{file_id}"),
    _plain("depth", "Generations", "int"),
    _plain("size", "Size", "bytes"),
    _plain("status", "Status", "status"),
)


def _of_file(what: str) -> ApiCall:
    return ApiCall(method="GET", path=f"/api/files/{{FileID}}/{what}")


def _set_value(path: str) -> ApiCall:
    return ApiCall(
        method="POST", path="/api/files/metadata/set", body={"set": {f"{{{path}}}": {"{$name}": "{$value}"}}}
    )


_TABS = (
    Tab(name="overview", title="Overview", kind="fields"),
    Tab(name="metadata", title="Metadata", kind="metadata", call=_of_file("metadata"), edit=_set_value("LFN")),
    Tab(
        name="replicas",
        title="Replicas",
        kind="table",
        call=_of_file("replicas"),
        columns=_REPLICAS,
        statuses=_REPLICA_STATUSES,
    ),
    Tab(name="ancestors", title="Ancestors", kind="table", call=_of_file("ancestors"), columns=_RELATIVES),
    Tab(name="descendants", title="Descendants", kind="table", call=_of_file("descendants"), columns=_RELATIVES),
    Tab(
        name="used-by",
        title="Used by",
        kind="table",
        view="jobs",
        filter=(Condition(parameter="InputFile", operator="eq", value="{LFN}"),),
    ),
)

_REASON = {"type": "string", "title": "Reason", "minLength": 1, "maxLength": 1000}
_WHY = {"type": "object", "properties": {"reason": _REASON}, "required": ["reason"]}
_DELETE = ApiCall(method="POST", path="/api/files/delete", body={"lfns": "{$each.LFN}", "reason": "{form.reason}"})
_RESTORE = ApiCall(method="POST", path="/api/files/restore", body={"lfns": "{$each.LFN}"})

_DESCRIPTION = """\
[
  JobGroup   = "files";
  Executable = "/bin/ls";
  Arguments  = "-l";
  InputData  = "%s";
  Parameters = {$each.LFN};
]
"""

_ACTIONS = (
    Action(
        name="download",
        title="Download",
        icon="download",
        call=ApiCall(method="GET", path="/api/storage/access", query={"lfn": "{LFN}"}),
        when=(GOOD.value,),
        opens=True,
        cli="weyl data get {LFN}",
        help="Your browser downloads it from a storage element.",
    ),
    Action(
        name="submit",
        title="Submit jobs",
        icon="player-play",
        call=ApiCall(method="POST", path="/api/jobs/jdl", body=[_DESCRIPTION]),
        needs=("NormalUser",),
        bulk="ids",
        when=(GOOD.value,),
        drafts=True,
        help="Begins the description of one job per file; you change it before you submit it.",
    ),
    Action(
        name="delete",
        title="Delete",
        icon="trash",
        call=_DELETE,
        undo=_RESTORE,
        bulk="ids",
        destructive=True,
        when=(GOOD.value,),
        fields=_WHY,
        cli="weyl data rm --reason {form.reason} {$each.LFN}",
        help="Moves the file to the trash. It can be restored until the trash is emptied; its name is free at once.",
    ),
    Action(
        name="restore",
        title="Restore",
        icon="trash-off",
        call=_RESTORE,
        bulk="ids",
        when=(TRASH.value,),
        cli="weyl data restore {$each.LFN}",
        help="Restores the file, unless its name has been used again.",
    ),
)

_FILES = View(
    name="files",
    title="Files",
    icon="files",
    nav_group="Data",
    nav_order=18,
    id_column="FileID",
    name_column="Name",
    search=_SEARCH,
    get=ApiCall(method="GET", path="/api/files/{FileID}"),
    tree=_TREE,
    tree_column="Directory",
    tree_view="directories",
    more_columns=FIELDS,
    columns=_COLUMNS,
    default_columns=("LFN", "Size", "ReplicaCount", "Owner", "CreationTime"),
    default_filter=(Condition(parameter="Directory", operator="under", value="{$home}"),),
    time_column="CreationTime",
    status_column="Status",
    statuses=(GOOD, TRASH),
    actions=_ACTIONS,
    tabs=_TABS,
    needs=_USERS,
    cli="weyl data find '{$where}'",
    doc="Files with their metadata and replicas, as a tree and a list.",
)


def _order(action: str, **fields: str) -> ApiCall:
    """Return the order to do something to all files below a directory, by its plan."""
    return ApiCall(
        method="POST",
        path="/api/files/bulk",
        body={
            "action": action,
            "paths": ["{path}"],
            "fields": fields,
            "dry_run": "{$dry_run}",
            "plan_token": "{$plan_token}",
        },
    )


_USAGE = (
    _plain("se", "Storage element", link="/storage-elements/{se}"),
    _plain("files", "Files", "int"),
    _plain("bytes", "Size", "bytes"),
    _plain("trash_files", "Files in the trash", "int"),
    _plain("trash_bytes", "Size of the trash", "bytes"),
)

_DIRECTORIES = View(
    name="directories",
    title="Directories",
    icon="folder",
    nav_group="",
    id_column="path",
    search=ApiCall(method="GET", path="/api/files/tree", under="nodes"),
    get=ApiCall(method="GET", path="/api/files/tree", query={"node": "{path}", "details": True}, under="node"),
    columns=(
        _plain("path", "Path", width=420),
        _plain("files", "Files", "int", help="In this directory and below."),
        _plain("bytes", "Size", "bytes", help="Of all files below, each counted once."),
        _plain("trash_files", "Files in the trash", "int"),
        _plain("trash_bytes", "Size of the trash", "bytes"),
        _plain("owner", "Owner"),
        _plain("group", "Owner's group"),
        _plain("mode", "Permissions", help="For the owner, the group and all others in the VO."),
        _plain("created_at", "Created", "time"),
    ),
    default_columns=("path", "owner", "group", "mode", "created_at"),
    actions=(
        Action(
            name="delete",
            title="Delete all files",
            icon="trash",
            call=_order("delete", reason="{form.reason}"),
            plan=_order("delete", reason="{form.reason}"),
            destructive=True,
            undo_s=UNDO_S,
            fields=_WHY,
            help="Moves all files below this directory to the trash. They can be restored until it is emptied.",
        ),
        Action(
            name="restore",
            title="Restore all files",
            icon="trash-off",
            call=_order("restore"),
            plan=_order("restore"),
            undo_s=UNDO_S,
            help="Restores all files below this directory whose names have not been used again.",
        ),
    ),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="usage",
            title="Usage",
            kind="table",
            call=ApiCall(method="GET", path="/api/files/tree/usage", query={"node": "{path}"}),
            columns=_USAGE,
        ),
        Tab(
            name="metadata",
            title="Metadata",
            kind="metadata",
            call=ApiCall(method="GET", path="/api/files/tree/metadata", query={"node": "{path}"}),
            edit=_set_value("path"),
        ),
        Tab(
            name="files",
            title="Files",
            kind="table",
            view="files",
            filter=(Condition(parameter="Directory", operator="under", value="{path}"),),
        ),
    ),
    needs=_USERS,
    doc="One directory: permissions, metadata, and usage per storage element.",
)

VIEWS = (_FILES, _DIRECTORIES, METADATA_FIELDS)
