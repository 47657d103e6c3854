"""What web pages show of pilots, of their submission, and of unhealthy worker nodes."""

from weyl.kit.views import (
    CHOICE_OPERATORS,
    ORDER_OPERATORS,
    TIME_OPERATORS,
    Action,
    ApiCall,
    Column,
    Condition,
    SortKey,
    Status,
    Tab,
    View,
)
from weyl.task_queues.health import Standing

_ADMINISTRATORS = ("Operator", "ServiceAdministrator")

STATUSES = (
    Status(value="Submitted", tone="neutral", icon="upload", help="Sent to the computing element."),
    Status(value="Waiting", tone="info", icon="clock", help="In the queue of the batch system."),
    Status(value="Running", tone="progress", icon="player-play"),
    Status(value="Done", tone="success", icon="check", terminal=True),
    Status(value="Failed", tone="danger", icon="x", terminal=True),
    Status(value="Deleted", tone="neutral", icon="trash", terminal=True),
    Status(value="Aborted", tone="danger", icon="ban", terminal=True),
    Status(value="Unknown", tone="warning", icon="help", help="Its computing element reports no status."),
)
_LIVE = ("Submitted", "Waiting", "Running", "Unknown")


def _time(name: str, title: str) -> Column:
    return Column(name=name, title=title, type="time", operators=TIME_OPERATORS, width=160)


def _values(name: str) -> ApiCall:
    return ApiCall(method="POST", path="/api/pilots/summary", body={"grouping": [name], "search": "{$search}"})


_COLUMNS = (
    Column(name="PilotStamp", title="Stamp", width=180, link="/pilots/{PilotStamp}"),
    Column(
        name="Status",
        title="Status",
        type="status",
        operators=CHOICE_OPERATORS,
        values=[status.value for status in STATUSES],
        width=120,
    ),
    Column(name="StatusReason", title="Reason", width=240),
    Column(name="GridSite", title="Site", values=_values("GridSite"), width=160, link="/sites/{GridSite}"),
    Column(name="DestinationSite", title="Computing element", values=_values("DestinationSite"), width=180),
    Column(name="Queue", title="Queue", values=_values("Queue"), width=120),
    Column(name="GridType", title="Type", values=_values("GridType"), width=100),
    Column(name="VO", title="VO", operators=CHOICE_OPERATORS, width=100),
    Column(
        name="CurrentJobID",
        title="Current job",
        type="int",
        operators=ORDER_OPERATORS,
        width=100,
        link="/jobs/{CurrentJobID}",
        help="0 means none.",
    ),
    Column(name="InitialJobID", title="First job", type="int", operators=ORDER_OPERATORS, width=100),
    Column(name="BenchMark", title="DB12", type="float", operators=ORDER_OPERATORS, width=80),
    _time("SubmissionTime", "Submitted"),
    _time("LastUpdateTime", "Last update"),
    Column(
        name="PilotJobReference", title="Reference", width=240, help="The ID of the pilot at the computing element."
    ),
    Column(name="PilotID", title="ID", type="int", operators=ORDER_OPERATORS, width=90),
    Column(name="AccountingSent", title="Accounted", type="bool", operators=("eq", "neq"), width=100),
)

_PILOTS = View(
    name="pilots",
    title="Pilots",
    icon="rocket",
    nav_group="Resources",
    nav_order=30,
    id_column="PilotStamp",
    search=ApiCall(
        method="POST",
        path="/api/pilots/search",
        body={"parameters": "{$columns}", "search": "{$search}", "sort": "{$sort}"},
        paging="page",
        filters=True,
    ),
    summary=ApiCall(method="POST", path="/api/pilots/summary", body={"grouping": "{$grouping}", "search": "{$search}"}),
    columns=_COLUMNS,
    default_columns=(
        *("PilotStamp", "Status", "GridSite", "DestinationSite", "Queue"),
        *("CurrentJobID", "StatusReason", "LastUpdateTime"),
    ),
    default_sort=(SortKey(parameter="PilotID", direction="desc"),),
    default_filter=(Condition(parameter="LastUpdateTime", operator="gt", value="-7d"),),
    groupings=("Status", "GridSite", "DestinationSite", "Queue", "GridType", "StatusReason"),
    time_column="LastUpdateTime",
    status_column="Status",
    statuses=STATUSES,
    actions=(
        Action(
            name="drain",
            title="Drain",
            icon="droplet",
            call=ApiCall(method="POST", path="/api/pilots/drain", body={"stamps": "{$ids}"}),
            needs=_ADMINISTRATORS,
            bulk="ids",
            when=_LIVE,
            cli="weyl pilots drain {$ids}",
            help="They finish their current jobs, then stop.",
        ),
        Action(
            name="undrain",
            title="Stop draining",
            icon="droplet-off",
            call=ApiCall(method="POST", path="/api/pilots/drain", body={"stamps": "{$ids}", "undo": True}),
            needs=_ADMINISTRATORS,
            bulk="ids",
            when=_LIVE,
            cli="weyl pilots drain --undo {$ids}",
            help="Pilots that have not received the drain yet continue as before.",
        ),
        Action(
            name="revoke",
            title="Revoke",
            icon="ban",
            call=ApiCall(method="POST", path="/api/pilots/revoke", body={"stamps": "{$ids}"}),
            needs=_ADMINISTRATORS,
            bulk="ids",
            destructive=True,
            when=_LIVE,
            cli="weyl pilots admin revoke {$ids}",
            help="Revokes their credentials and cancels them. Their jobs go to other pilots.",
        ),
    ),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="jobs",
            title="Jobs",
            kind="table",
            view="jobs",
            filter=(Condition(parameter="PilotStamp", operator="eq", value="{PilotStamp}"),),
        ),
        Tab(
            name="log",
            title="Log",
            kind="log",
            call=ApiCall(method="GET", path="/api/pilots/{PilotStamp}/logs"),
            stream=True,
        ),
        Tab(
            name="output",
            title="Output",
            kind="text",
            call=ApiCall(method="GET", path="/api/pilots/{PilotStamp}/output", under="stdout"),
        ),
        Tab(
            name="errors",
            title="Error output",
            kind="text",
            call=ApiCall(method="GET", path="/api/pilots/{PilotStamp}/output", under="stderr"),
        ),
    ),
    events_topic="pilots",
    cli="weyl pilots search --where '{$where}'",
    doc="Pilots sent to computing elements, and their status.",
)

_SUBMISSION = View(
    name="submission",
    title="Pilot submission",
    icon="send",
    nav_group="Resources",
    nav_order=33,
    nav_entry="Pilots",
    id_column="queue",
    key=("vo", "site", "ce", "queue"),
    search=ApiCall(method="GET", path="/api/pilots/submission"),
    columns=(
        Column(name="site", title="Site", width=160, link="/sites/{site}"),
        Column(name="ce", title="Computing element", width=160),
        Column(name="queue", title="Queue", width=100),
        Column(name="vo", title="VO", width=80),
        Column(name="demand", title="Matching jobs", type="float", operators=ORDER_OPERATORS, width=140),
        Column(
            name="usable",
            title="Expected pilots",
            type="float",
            operators=ORDER_OPERATORS,
            width=160,
            help="Pilots that are expected to take a job.",
        ),
        Column(name="need", title="Needed", type="int", operators=ORDER_OPERATORS, width=90),
        Column(name="waiting", title="Waiting", type="int", operators=ORDER_OPERATORS, width=90),
        Column(name="total", title="Total", type="int", operators=ORDER_OPERATORS, width=80),
        Column(name="reason", title="Limited by", width=320),
        Column(name="planned_at", title="Planned", type="time", operators=TIME_OPERATORS, width=160),
    ),
    default_columns=(
        "vo",
        "site",
        "ce",
        "queue",
        "demand",
        "usable",
        "need",
        "waiting",
        "total",
        "reason",
        "planned_at",
    ),
    default_sort=(SortKey(parameter="demand", direction="desc"),),
    groupings=("site", "ce", "reason"),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="pilots",
            title="Pilots",
            kind="table",
            view="pilots",
            filter=(
                Condition(parameter="DestinationSite", operator="eq", value="{ce}"),
                Condition(parameter="Queue", operator="eq", value="{queue}"),
            ),
        ),
    ),
    events_topic="pilots",
    cli="weyl pilots submission",
    doc="How many pilots each queue gets, and what limits them.",
)

_HOSTS = View(
    name="hosts",
    title="Hosts",
    icon="server",
    nav_group="Resources",
    nav_order=36,
    nav_entry="Pilots",
    id_column="host",
    key=("site", "host"),
    search=ApiCall(method="GET", path="/api/pilots/hosts"),
    columns=(
        Column(name="host", title="Host", width=220),
        Column(name="site", title="Site", width=160, link="/sites/{site}"),
        Column(name="standing", title="Status", type="status", operators=CHOICE_OPERATORS, width=120),
        Column(
            name="score",
            title="Health",
            type="float",
            operators=ORDER_OPERATORS,
            width=90,
            help="From 0 (everything fails) to 1 (healthy); recovers with time.",
        ),
        Column(
            name="quick_failures", title="Quick failures in a row", type="int", operators=ORDER_OPERATORS, width=140
        ),
        Column(name="reason", title="Reason", width=240),
        Column(name="since", title="Since", type="time", operators=TIME_OPERATORS, width=160),
    ),
    default_columns=("host", "site", "standing", "score", "quick_failures", "reason", "since"),
    default_sort=(SortKey(parameter="score"),),
    groupings=("site", "standing", "reason"),
    status_column="standing",
    statuses=(
        Status(value=Standing.SINGLE.value, tone="warning", icon="alert-triangle"),
        Status(value=Standing.CLOSED.value, tone="danger", icon="ban"),
    ),
    actions=(
        Action(
            name="drain",
            title="Drain its pilots",
            icon="droplet",
            call=ApiCall(method="POST", path="/api/pilots/drain", body={"host": "{host}"}),
            needs=_ADMINISTRATORS,
            cli="weyl pilots drain --host {host}",
        ),
        Action(
            name="revoke",
            title="Revoke its pilots",
            icon="ban",
            call=ApiCall(method="POST", path="/api/pilots/revoke", body={"host": "{host}"}),
            needs=_ADMINISTRATORS,
            destructive=True,
            cli="weyl pilots admin revoke --host {host}",
        ),
    ),
    tabs=(Tab(name="overview", title="Overview", kind="fields"),),
    cli="weyl pilots hosts",
    doc="Unhealthy worker nodes: they get fewer jobs or none until they recover.",
)

VIEWS = (_PILOTS, _SUBMISSION, _HOSTS)
