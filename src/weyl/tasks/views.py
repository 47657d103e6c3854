"""What web pages show of operations on many things, and of tasks: kinds, schedules, and what failed for good."""

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
from weyl.tasks.models import OperationState

_KEEPERS = ("ServiceAdministrator",)

OPERATION_STATES = (
    Status(
        value=OperationState.WAITING,
        tone="info",
        icon="clock",
        help="Not started yet: stopping it now changes nothing.",
    ),
    Status(value=OperationState.RUNNING, tone="progress", icon="player-play"),
    Status(value=OperationState.DONE, tone="success", icon="check", terminal=True),
    Status(value=OperationState.CANCELLED, tone="warning", icon="ban", terminal=True),
    Status(value=OperationState.FAILED, tone="danger", icon="x", terminal=True),
)


def _number(name: str, title: str, width: int = 90) -> Column:
    return Column(name=name, title=title, type="int", operators=ORDER_OPERATORS, width=width)


def _time(name: str, title: str) -> Column:
    return Column(name=name, title=title, type="time", operators=TIME_OPERATORS, width=160)


_RUN = {
    "type": "object",
    "properties": {
        "payload": {"type": "object", "title": "Payload", "description": "JSON; leave empty for none"},
        "vo": {"type": "string", "title": "VO", "description": "Only for tasks that run per VO"},
    },
}

_KINDS = View(
    name="tasks",
    title="Tasks",
    icon="settings-automation",
    nav_group="Administration",
    nav_order=80,
    id_column="name",
    search=ApiCall(method="GET", path="/api/tasks"),
    columns=(
        Column(name="name", title="Task", width=220, link="/tasks/{name}"),
        _number("waiting", "Waiting"),
        _number("running", "Running"),
        _number("dead", "Dead"),
        Column(name="runs", title="Runs", width=160),
        Column(name="rule", title="Rule", width=160, help="The schedule as it is stored."),
        Column(name="per_vo", title="Per VO", type="bool", operators=("eq", "neq"), width=100),
        Column(name="size", title="Size", operators=CHOICE_OPERATORS, values=["small", "medium", "large"], width=90),
        _number("priority", "Priority"),
        _number("attempts_max", "Attempts"),
        _time("seen_at", "Last seen"),
    ),
    default_columns=("name", "waiting", "running", "dead", "runs", "size", "priority", "seen_at"),
    default_sort=(SortKey(parameter="name"),),
    groupings=("size", "runs"),
    actions=(
        Action(
            name="run",
            title="Run now",
            icon="player-play",
            call=ApiCall(
                method="POST",
                path="/api/tasks/{name}/run",
                body={"payload": "{form.payload}", "vo": "{form.vo}"},
            ),
            needs=_KEEPERS,
            fields=_RUN,
            cli="weyl tasks run {name}",
        ),
    ),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="dead",
            title="Dead letters",
            kind="table",
            view="dead-letters",
            filter=(Condition(parameter="task", operator="eq", value="{name}"),),
        ),
        Tab(
            name="schedules",
            title="Schedules",
            kind="table",
            view="schedules",
            filter=(Condition(parameter="task", operator="eq", value="{name}"),),
        ),
    ),
    needs=_KEEPERS,
    cli="weyl tasks list",
    doc="Background tasks of the workers, and how many are waiting.",
)

_SCHEDULES = View(
    name="schedules",
    title="Schedules",
    icon="calendar-time",
    nav_group="Administration",
    nav_order=82,
    nav_entry="Tasks",
    id_column="task",
    key=("task", "vo"),
    search=ApiCall(method="GET", path="/api/tasks/schedules", query={"limit": 10_000}),
    columns=(
        Column(name="task", title="Task", width=220, link="/tasks/{task}"),
        Column(name="vo", title="VO", width=120, help="Empty for tasks of the whole installation."),
        Column(name="runs", title="Runs", width=160),
        Column(name="rule", title="Rule", width=160, help="The schedule as it is stored."),
        Column(name="enabled", title="Enabled", type="bool", operators=("eq", "neq"), width=90),
        _time("next_at", "Next run"),
        _time("last_at", "Last run"),
        Column(name="arguments", title="Arguments", type="json", sortable=False, filterable=False, width=200),
    ),
    default_columns=("task", "vo", "runs", "enabled", "next_at", "last_at"),
    default_sort=(SortKey(parameter="next_at"),),
    groupings=("task", "vo", "enabled"),
    tabs=(Tab(name="overview", title="Overview", kind="fields"),),
    needs=_KEEPERS,
    cli="weyl tasks schedules",
    doc="When tasks run automatically.",
)

_DEAD = View(
    name="dead-letters",
    title="Dead letters",
    icon="mail-off",
    nav_group="Administration",
    nav_order=84,
    nav_entry="Tasks",
    id_column="id",
    search=ApiCall(
        method="POST",
        path="/api/tasks/dead/search",
        body={"parameters": "{$columns}", "search": "{$search}", "sort": "{$sort}"},
        paging="page",
        filters=True,
    ),
    get=ApiCall(method="GET", path="/api/tasks/dead/{id}"),
    columns=(
        Column(name="id", title="ID", type="int", operators=ORDER_OPERATORS, width=90, link="/dead-letters/{id}"),
        Column(name="task", title="Task", width=200),
        Column(name="vo", title="VO", operators=CHOICE_OPERATORS, width=100),
        Column(name="error", title="Error", width=360),
        _number("attempts", "Attempts"),
        _time("enqueued_at", "Enqueued"),
        _time("died_at", "Died"),
    ),
    default_columns=("id", "task", "vo", "error", "attempts", "died_at"),
    default_sort=(SortKey(parameter="id", direction="desc"),),
    time_column="died_at",
    actions=(
        Action(
            name="replay",
            title="Retry",
            icon="player-play",
            call=ApiCall(method="POST", path="/api/tasks/dead/replay", body={"ids": "{$ids}"}),
            needs=_KEEPERS,
            bulk="ids",
            cli="weyl tasks dead replay {$ids}",
            help="With a full set of new attempts.",
        ),
        Action(
            name="discard",
            title="Discard",
            icon="trash",
            call=ApiCall(method="POST", path="/api/tasks/dead/discard", body={"ids": "{$ids}"}),
            needs=_KEEPERS,
            bulk="ids",
            destructive=True,
            cli="weyl tasks dead discard {$ids}",
        ),
    ),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="attempts",
            title="Attempts",
            kind="timeline",
            call=ApiCall(method="GET", path="/api/tasks/dead/{id}", under="history"),
            columns=(Column(name="at", title="Time", type="time"), Column(name="error", title="Error")),
        ),
        Tab(
            name="traceback",
            title="Traceback",
            kind="text",
            call=ApiCall(method="GET", path="/api/tasks/dead/{id}", under="traceback"),
        ),
        Tab(
            name="payload",
            title="Payload",
            kind="json",
            call=ApiCall(method="GET", path="/api/tasks/dead/{id}", under="payload"),
        ),
    ),
    needs=_KEEPERS,
    cli="weyl tasks dead list",
    doc="Tasks that failed for good: retry or discard them.",
)

_ONE_OPERATION = "/api/operations/{operation_id}"

_OPERATIONS = View(
    name="operations",
    title="Bulk operations",
    icon="bolt",
    nav_group="Work",
    nav_order=18,
    nav_entry="Jobs",
    id_column="operation_id",
    search=ApiCall(method="GET", path="/api/operations", query={"everybody": True, "limit": 1_000}),
    get=ApiCall(method="GET", path=_ONE_OPERATION),
    columns=(
        Column(
            name="kind", title="Operation", width=150, link="/operations/{operation_id}", help="For example jobs.kill."
        ),
        Column(
            name="state",
            title="State",
            type="status",
            operators=CHOICE_OPERATORS,
            values=[status.value for status in OPERATION_STATES],
            width=110,
        ),
        Column(name="progress", title="Progress", type="progress", operators=ORDER_OPERATORS, width=160),
        _number("done", "Done"),
        _number("failed", "Failed"),
        _number("total", "Total"),
        Column(name="created_by", title="Started by", width=130),
        _time("created", "Created"),
        _time("starts_at", "Starts"),
        _time("ended_at", "Ended"),
        Column(name="detail", title="Result", width=260),
        Column(name="operation_id", title="ID", width=290, link="/operations/{operation_id}"),
    ),
    default_columns=("kind", "state", "progress", "done", "failed", "total", "created_by", "created", "ended_at"),
    default_sort=(SortKey(parameter="created", direction="desc"),),
    groupings=("kind", "state", "created_by"),
    time_column="created",
    status_column="state",
    statuses=OPERATION_STATES,
    actions=(
        Action(
            name="cancel",
            title="Stop",
            icon="ban",
            call=ApiCall(method="DELETE", path=_ONE_OPERATION),
            when=("waiting", "running"),
            cli="weyl operations cancel {operation_id}",
            help="Before it starts, nothing has changed. Later, what is done stays done.",
        ),
    ),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="errors",
            title="Errors",
            kind="table",
            call=ApiCall(method="GET", path=_ONE_OPERATION, under="errors"),
            columns=(Column(name="id", title="ID", type="int"), Column(name="reason", title="Reason")),
        ),
    ),
    events_topic="operations",
    needs=("NormalUser", "JobAdministrator"),
    cli="weyl operations list --everybody",
    doc="Bulk operations: progress and failures.",
)

VIEWS = (_OPERATIONS, _KINDS, _SCHEDULES, _DEAD)
