"""What web pages show of storage elements: what may be done there, how much is free, and what lies there."""

from weyl.kit.views import CHOICE_OPERATORS, ApiCall, Column, Condition, Operator, SortKey, Tab, View

_NUMBERS: tuple[Operator, ...] = ("eq", "neq", "gt", "lt")
_ACCESS = {"read": "Read", "write": "Write", "check": "Check", "remove": "Remove"}
_ONE = "/api/storage/{name}"


def _allowed(access: str, title: str) -> Column:
    return Column(name=f"status.{access}.allowed", title=title, type="bool", operators=("eq",), width=80)


_COLUMNS = (
    Column(name="name", title="Name", width=200, link="/storage-elements/{name}"),
    Column(name="medium", title="Medium", operators=CHOICE_OPERATORS, values=["disk", "tape"], width=90),
    Column(name="sites", title="Sites", type="list", width=180),
    Column(name="vos", title="VOs", type="list", width=140, help="VOs that may use it; empty: all."),
    Column(name="health.state", title="Health", operators=CHOICE_OPERATORS, width=90, help="As seen by this server."),
    Column(name="health.fault", title="Last fault", width=220),
    *(_allowed(access, title) for access, title in _ACCESS.items()),
    Column(name="free", title="Free", type="bytes", operators=_NUMBERS, width=100, help="As reported by the storage."),
    Column(name="total", title="Size", type="bytes", operators=_NUMBERS, width=100, help="As reported by the storage."),
    Column(name="usage.files", title="Files", type="int", operators=_NUMBERS, width=100, help="Files of your VO."),
    Column(name="usage.bytes", title="Used", type="bytes", operators=_NUMBERS, width=100, help="By files of your VO."),
    Column(
        name="usage.not_purged",
        title="Not purged",
        type="int",
        operators=_NUMBERS,
        width=100,
        help="Files whose time in the trash is over, and which the storage has not deleted.",
    ),
)
_MORE = ("vos", "status.check.allowed", "health.fault", "usage.not_purged")
_STATUS = (
    Column(name="name", title="Access"),
    Column(name="allowed", title="Allowed", type="bool"),
    Column(name="reason", title="Reason"),
    Column(name="until", title="Empty by", type="time", help="Transfers must have ended by then."),
)
_ENDPOINTS = (
    Column(name="name", title="Endpoint"),
    Column(name="protocol", title="Protocol"),
    Column(name="url", title="Address"),
    Column(name="access", title="Access", type="json"),
)


def _here(parameter: str) -> tuple[Condition, ...]:
    return (Condition(parameter=parameter, operator="eq", value="{name}"),)


VIEWS = (
    View(
        name="storage-elements",
        title="Storage elements",
        icon="database",
        nav_group="Resources",
        nav_order=23,
        nav_entry="Sites",
        id_column="name",
        search=ApiCall(method="GET", path="/api/storage"),
        get=ApiCall(method="GET", path=_ONE),
        columns=_COLUMNS,
        default_columns=tuple(column.name for column in _COLUMNS if column.name not in _MORE),
        default_sort=(SortKey(parameter="name"),),
        groupings=("medium", "sites"),
        tabs=(
            Tab(name="overview", title="Overview", kind="fields", columns=_COLUMNS),
            Tab(
                name="status",
                title="Status",
                kind="table",
                call=ApiCall(method="GET", path=_ONE, under="status"),
                columns=_STATUS,
            ),
            Tab(
                name="endpoints",
                title="Endpoints",
                kind="table",
                call=ApiCall(method="GET", path=_ONE, under="endpoints"),
                columns=_ENDPOINTS,
            ),
            Tab(name="bans", title="Bans", kind="table", view="ses", filter=_here("name")),
            Tab(name="files", title="Files", kind="table", view="files", filter=_here("SE")),
        ),
        cli="weyl data elements",
        doc="Storage elements: access, free space, and what your VO uses.",
    ),
)
