"""What web pages show of waiting jobs by their requirements, of fair shares, and of limits."""

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

_WATCHERS = ("JobAdministrator", "ServiceAdministrator")


def _number(name: str, title: str, text: str = "", width: int = 100) -> Column:
    return Column(name=name, title=title, type="int", operators=ORDER_OPERATORS, width=width, help=text)


_QUEUES = View(
    name="task-queues",
    title="Task queues",
    icon="stack",
    nav_group="Work",
    nav_order=40,
    nav_entry="Queues",
    id_column="class_id",
    search=ApiCall(method="GET", path="/api/task-queues", query={"limit": 10_000}),
    get=ApiCall(method="GET", path="/api/task-queues/{class_id}"),
    columns=(
        Column(
            name="class_id",
            title="Queue",
            type="int",
            operators=ORDER_OPERATORS,
            width=80,
            link="/task-queues/{class_id}",
            help="Jobs with the same requirements.",
        ),
        _number("waiting", "Waiting"),
        Column(name="waiting_since", title="Waiting since", type="time", operators=TIME_OPERATORS, width=160),
        Column(name="owner_group", title="Group", width=140),
        Column(name="owner", title="Owner", width=120),
        Column(name="job_type", title="Type", width=120),
        _number("user_priority", "Priority", "Among the jobs of its owner."),
        Column(
            name="first_job_id",
            title="Next job",
            type="int",
            operators=ORDER_OPERATORS,
            width=100,
            link="/jobs/{first_job_id}",
        ),
        Column(name="vo", title="VO", operators=CHOICE_OPERATORS, width=100),
        Column(name="document", title="Requirements", type="json", sortable=False, filterable=False, width=300),
    ),
    default_columns=("class_id", "waiting", "waiting_since", "owner_group", "owner", "job_type", "first_job_id"),
    default_sort=(SortKey(parameter="waiting", direction="desc"),),
    groupings=("owner_group", "owner", "job_type"),
    time_column="waiting_since",
    actions=(
        Action(
            name="rebuild",
            title="Rebuild queue",
            icon="refresh",
            call=ApiCall(method="POST", path="/api/task-queues/rebuild"),
            needs=("ServiceAdministrator",),
            destructive=True,
            cli="weyl task-queues rebuild",
            view=True,
            help="Rebuilds the queue from the waiting jobs. Pilots get no jobs until it is done.",
            way_back="No jobs are lost, and it can be repeated at any time.",
        ),
    ),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="why",
            title="Why?",
            kind="why",
            call=ApiCall(method="GET", path="/api/jobs/{first_job_id}/explain"),
        ),
        Tab(
            name="jobs",
            title="Waiting jobs of this owner",
            kind="table",
            view="jobs",
            filter=(
                Condition(parameter="Owner", operator="eq", value="{owner}"),
                Condition(parameter="OwnerGroup", operator="eq", value="{owner_group}"),
                Condition(parameter="JobType", operator="eq", value="{job_type}"),
                Condition(parameter="Status", operator="eq", value="Waiting"),
            ),
        ),
    ),
    events_topic="queues",
    needs=_WATCHERS,
    cli="weyl task-queues list",
    doc="Waiting jobs, grouped by their requirements.",
)

_SHARES = View(
    name="shares",
    title="Shares",
    icon="chart-pie",
    nav_group="Work",
    nav_order=42,
    nav_entry="Queues",
    id_column="group",
    search=ApiCall(method="GET", path="/api/matcher/shares"),
    columns=(
        _number("rank", "Rank", "The least served group comes first.", 80),
        Column(name="group", title="Group", width=160),
        _number("waiting", "Waiting"),
        Column(name="share", title="Share", type="float", operators=ORDER_OPERATORS, width=90),
        Column(
            name="usage",
            title="Usage",
            type="float",
            operators=ORDER_OPERATORS,
            unit="DB12 core-seconds",
            width=220,
            help="Older usage counts less.",
        ),
        Column(name="usage_by_share", title="Usage / share", type="float", operators=ORDER_OPERATORS, width=120),
        Column(name="owners", title="Owners", type="json", sortable=False, filterable=False, width=260),
    ),
    default_columns=("rank", "group", "waiting", "share", "usage", "usage_by_share"),
    default_sort=(SortKey(parameter="rank"),),
    tabs=(
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(
            name="jobs",
            title="Waiting jobs",
            kind="table",
            view="jobs",
            filter=(
                Condition(parameter="OwnerGroup", operator="eq", value="{group}"),
                Condition(parameter="Status", operator="eq", value="Waiting"),
            ),
        ),
    ),
    events_topic="queues",
    needs=_WATCHERS,
    cli="weyl task-queues shares",
    doc="Fair shares: usage per group, and whose jobs are matched next.",
)

_LIMITS = View(
    name="limits",
    title="Limits",
    icon="barrier-block",
    nav_group="Work",
    nav_order=44,
    nav_entry="Queues",
    id_column="limit",
    search=ApiCall(method="GET", path="/api/matcher/limits"),
    columns=(
        Column(name="limit", title="Limit", width=240),
        Column(name="open", title="Open", type="bool", operators=("eq", "neq"), width=80),
        _number("jobs", "Jobs"),
        _number("jobs_max", "Max jobs", width=80),
        _number("cores", "Cores"),
        _number("cores_max", "Max cores", width=80),
        Column(name="delay_s", title="Delay between starts", type="duration", operators=ORDER_OPERATORS, width=120),
        Column(name="site", title="Site", width=160),
        Column(name="ce", title="Computing element", width=160),
        Column(name="job_type", title="Type", width=120),
        Column(name="owner_group", title="Group", width=120),
        Column(name="owner", title="Owner", width=120),
    ),
    default_columns=("limit", "open", "jobs", "jobs_max", "cores", "cores_max", "delay_s"),
    default_sort=(SortKey(parameter="limit"),),
    groupings=("open", "site", "ce", "job_type", "owner_group", "owner"),
    tabs=(Tab(name="overview", title="Overview", kind="fields"),),
    events_topic="queues",
    needs=_WATCHERS,
    cli="weyl task-queues limits",
    doc="Limits on running jobs and start rates, and how much of each is in use.",
)

VIEWS = (_QUEUES, _SHARES, _LIMITS)
