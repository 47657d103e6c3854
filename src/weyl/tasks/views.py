"""What web pages show of background work: kinds of tasks, their schedules, and what failed for the last time."""

from weyl.kit.views import (
    CHOICE_OPERATORS,
    ORDER_OPERATORS,
    TIME_OPERATORS,
    Action,
    ApiCall,
    Column,
    Condition,
    SortKey,
    Tab,
    View,
)

_KEEPERS = ("ServiceAdministrator",)


def _number(name: str, title: str, width: int = 90) -> Column:
    return Column(name=name, title=title, type="int", operators=ORDER_OPERATORS, width=width)


def _time(name: str, title: str) -> Column:
    return Column(name=name, title=title, type="time", operators=TIME_OPERATORS, width=160)


_RUN = {
    "type": "object",
    "properties": {
        "payload": {"type": "object", "title": "What it gets", "description": "JSON; left empty: nothing"},
        "vo": {"type": "string", "title": "VO", "description": "Of a task that runs for each VO"},
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
        Column(name="rule", title="Rule", width=160, help="As it is stored."),
        Column(name="per_vo", title="For each VO", type="bool", operators=("eq", "neq"), width=100),
        Column(name="size", title="Size", operators=CHOICE_OPERATORS, values=["small", "medium", "large"], width=90),
        _number("priority", "Priority"),
        _number("attempts_max", "Attempts"),
        _time("seen_at", "Seen"),
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
    doc="What workers do in the background, and how much of it waits.",
)

_SCHEDULES = View(
    name="schedules",
    title="Schedules",
    icon="calendar-time",
    nav_group="Administration",
    nav_order=82,
    id_column="task",
    key=("task", "vo"),
    search=ApiCall(method="GET", path="/api/tasks/schedules", query={"limit": 10_000}),
    columns=(
        Column(name="task", title="Task", width=220, link="/tasks/{task}"),
        Column(name="vo", title="VO", width=120, help="Empty: for the installation."),
        Column(name="runs", title="Runs", width=160),
        Column(name="rule", title="Rule", width=160, help="As it is stored."),
        Column(name="enabled", title="Enabled", type="bool", operators=("eq", "neq"), width=90),
        _time("next_at", "Next"),
        _time("last_at", "Last"),
        Column(name="arguments", title="Gets", type="json", sortable=False, filterable=False, width=200),
    ),
    default_columns=("task", "vo", "runs", "enabled", "next_at", "last_at"),
    default_sort=(SortKey(parameter="next_at"),),
    groupings=("task", "vo", "enabled"),
    tabs=(Tab(name="overview", title="Overview", kind="fields"),),
    needs=_KEEPERS,
    cli="weyl tasks schedules",
    doc="When tasks run by themselves.",
)

_DEAD = View(
    name="dead-letters",
    title="Dead letters",
    icon="mail-off",
    nav_group="Administration",
    nav_order=84,
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
        Column(name="id", title="Number", type="int", operators=ORDER_OPERATORS, width=90, link="/dead-letters/{id}"),
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
            title="Run again",
            icon="player-play",
            call=ApiCall(method="POST", path="/api/tasks/dead/replay", body={"ids": "{$ids}"}),
            needs=_KEEPERS,
            bulk="ids",
            cli="weyl tasks dead replay {$ids}",
            help="With all their attempts before them.",
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
            title="What it got",
            kind="json",
            call=ApiCall(method="GET", path="/api/tasks/dead/{id}", under="payload"),
        ),
    ),
    needs=_KEEPERS,
    cli="weyl tasks dead list",
    doc="Tasks that failed for the last time: why, and what to do with them.",
)

VIEWS = (_KINDS, _SCHEDULES, _DEAD)
