"""What web pages show of sites and elements: their status, who set it, and until when."""

from collections.abc import Mapping
from functools import partial
from typing import Any

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

_SPEAKERS = ("Operator", "SiteManager", "ServiceAdministrator")

STATUSES = (
    Status(value="Active", tone="success", icon="check"),
    Status(value="Degraded", tone="warning", icon="alert-triangle", help="In use, with a warning."),
    Status(value="Probing", tone="info", icon="search", help="Being tested; not in use."),
    Status(value="Banned", tone="danger", icon="ban"),
    Status(value="Error", tone="danger", icon="x"),
    Status(value="Unknown", tone="neutral", icon="help"),
)

_NOT_ACTIVE = tuple(status.value for status in STATUSES if status.value != "Active")
_REASON = {"type": "string", "title": "Reason", "minLength": 1, "maxLength": 1000}
_LIFTED = (
    "The ban can be lifted at any time, with Lift ban or {command}: by you, by every operator of your VO, by managers"
    " of the site and by service administrators (a ban for every VO: by the last two only). With an end time it ends by"
    " itself."
)
_VO = {
    "type": "string",
    "title": "Applies to",
    "enum": ["", "all"],
    "x-labels": ["Your VO", "Every VO"],
    "x-needs": {"all": ["ServiceAdministrator", "SiteManager"]},
    "default": "",
}


def _form(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"reason": _REASON, **properties, "vo": _VO}, "required": ["reason"]}


def _time(name: str, title: str, text: str = "") -> Column:
    return Column(name=name, title=title, type="time", operators=TIME_OPERATORS, width=160, help=text)


_STATUS = Column(
    name="status",
    title="Status",
    type="status",
    operators=CHOICE_OPERATORS,
    values=[status.value for status in STATUSES],
    width=120,
)
_SAID = (
    Column(name="reason", title="Reason", width=260),
    Column(name="decided_by", title="Set by", width=180),
    _time("expires_at", "Until"),
    Column(name="draining", title="Draining", type="bool", operators=("eq", "neq"), width=100),
    _time("drain_until", "Empty by", "Jobs that end before this time are still started."),
)
_CLAIMS = (
    Column(name="status", title="Status", type="status"),
    Column(name="source", title="Source"),
    Column(name="vo", title="VO"),
    Column(name="reason", title="Reason"),
    Column(name="author", title="Set by"),
    Column(name="set_at", title="Since", type="time", operators=TIME_OPERATORS),
    Column(name="expires_at", title="Until", type="time", operators=TIME_OPERATORS),
)
_HISTORY = (
    Column(name="at", title="Time", type="time", operators=TIME_OPERATORS),
    Column(name="action", title="Change"),
    Column(name="status", title="Status", type="status"),
    Column(name="vo", title="VO"),
    Column(name="reason", title="Reason"),
    Column(name="changed_by", title="Changed by"),
)


_UNTIL = {
    "type": "string",
    "format": "date-time",
    "title": "Until",
    "description": "Left empty: until somebody lifts it",
}


def _order(place: Mapping[str, str], path: str, **more: str) -> ApiCall:
    method = "PATCH" if path.endswith("/status") else "POST"
    return ApiCall(method=method, path=path, body={**place, **more}, each=True)


def _actions(kind: str, noun: str, *, name: str, access: str) -> tuple[Action, ...]:
    """Return what may be said of an element that is known by these placeholders."""
    command = f"weyl {noun}"
    option = "" if access == "all" else f" --access {access}"
    order = partial(_order, {"kind": kind, "name": name, "access": access, "vo": "{form.vo}"})
    release = {"type": "object", "properties": {"vo": _VO}}
    return (
        Action(
            name="ban",
            title="Ban",
            icon="ban",
            call=order("/api/rss/status", status="Banned", reason="{form.reason}", expires_at="{form.expires_at}"),
            needs=_SPEAKERS,
            bulk="ids",
            destructive=True,
            fields=_form(expires_at=_UNTIL),
            cli=f"{command} ban {{$ids}}{option} --reason {{form.reason}} --until {{form.expires_at|never}}",
            help="No new jobs are started there; running jobs go on.",
            way_back=_LIFTED.format(command=f"{command} allow"),
        ),
        Action(
            name="allow",
            title="Lift ban",
            icon="check",
            call=order("/api/rss/status/release"),
            needs=_SPEAKERS,
            bulk="ids",
            fields=release,
            when=_NOT_ACTIVE,
            cli=f"{command} allow {{$ids}}{option}",
            help="Removes what people have set; the status is again that of the configuration.",
        ),
        Action(
            name="drain",
            title="Drain",
            icon="droplet",
            call=order("/api/rss/drain", reason="{form.reason}", until="{form.until}"),
            needs=_SPEAKERS,
            bulk="ids",
            fields=_form(
                until={**_UNTIL, "title": "Empty by", "description": "Left empty: no job is started from now on"}
            ),
            cli=f"{command} drain {{$ids}}{option} --reason {{form.reason}} --until {{form.until|never}}",
            help="Only jobs that end before that time are started there.",
        ),
        Action(
            name="undrain",
            title="Stop draining",
            icon="droplet-off",
            call=order("/api/rss/drain/release"),
            needs=_SPEAKERS,
            bulk="ids",
            fields=release,
            cli=f"{command} undrain {{$ids}}{option}",
        ),
    )


def _tabs(kind: str, *, name: str, access: str) -> tuple[Tab, ...]:
    query = {"kind": kind, "name": name}
    why = ApiCall(method="GET", path="/api/rss/why", query={**query, "access": access}, under="claims")
    return (
        Tab(name="overview", title="Overview", kind="fields"),
        Tab(name="said", title="Why this status", kind="table", call=why, columns=_CLAIMS),
        Tab(
            name="history",
            title="History",
            kind="timeline",
            call=ApiCall(method="GET", path="/api/rss/history", query=query),
            columns=_HISTORY,
        ),
    )


_LIMITS = (
    Column(name="limit", title="Limit"),
    Column(name="jobs", title="Jobs", type="int"),
    Column(name="jobs_max", title="Max jobs", type="int"),
    Column(name="cores", title="Cores", type="int"),
    Column(name="cores_max", title="Max cores", type="int"),
    Column(name="delay_s", title="Delay between starts", type="duration"),
    Column(name="open", title="Open", type="bool"),
)


def _about(parameter: str) -> tuple[Condition, ...]:
    return (Condition(parameter=parameter, operator="eq", value="{site}"),)


_SITES = View(
    name="sites",
    title="Sites",
    icon="map-pin",
    nav_group="Resources",
    nav_order=20,
    id_column="site",
    search=ApiCall(method="GET", path="/api/matcher/sites"),
    columns=(
        Column(name="site", title="Site", width=200, link="/sites/{site}"),
        _STATUS,
        Column(name="running", title="Running", type="int", operators=ORDER_OPERATORS, width=100),
        Column(
            name="jobs_max",
            title="Limit",
            type="int",
            operators=ORDER_OPERATORS,
            width=90,
            help="The most jobs that may run at once.",
        ),
        Column(name="matched", title="Starting", type="int", operators=ORDER_OPERATORS, width=100),
        Column(name="stalled", title="Stalled", type="int", operators=ORDER_OPERATORS, width=90),
        Column(name="ces", title="CEs", type="int", operators=ORDER_OPERATORS, width=70),
        *_SAID,
        Column(name="limits", title="Limits", type="json", sortable=False, filterable=False, expensive=True),
    ),
    default_columns=(
        "site",
        "status",
        "running",
        "jobs_max",
        "matched",
        "stalled",
        "reason",
        "decided_by",
        "expires_at",
    ),
    default_sort=(SortKey(parameter="site"),),
    groupings=("status", "decided_by", "draining"),
    status_column="status",
    statuses=STATUSES,
    actions=_actions("site", "sites", name="{site}", access="all"),
    tabs=(
        *_tabs("site", name="{site}", access="all"),
        Tab(name="jobs", title="Jobs", kind="table", view="jobs", filter=_about("Site")),
        Tab(name="pilots", title="Pilots", kind="table", view="pilots", filter=_about("GridSite")),
        Tab(name="ces", title="Computing elements", kind="table", view="ces", filter=_about("site")),
    ),
    events_topic="sites",
    needs=("NormalUser", "JobAdministrator", *_SPEAKERS),
    cli="weyl sites list",
    doc="Sites with their status, running jobs and limits.",
)


def _elements(kind: str, noun: str, *, title: str, icon: str, order: int, doc: str) -> View:
    access = "{access}" if kind == "storage" else "all"
    more = (Column(name="access", title="Access", operators=CHOICE_OPERATORS, width=90),) if kind == "storage" else ()
    place = (Column(name="site", title="Site", width=180, link="/sites/{site}"),) if kind == "compute" else ()
    columns = (Column(name="name", title="Name", width=220), *more, *place, _STATUS, *_SAID)
    return View(
        name=noun,
        title=title,
        icon=icon,
        nav_group="Resources",
        nav_order=order,
        nav_entry="Sites",
        id_column="name",
        key=("name", "access") if kind == "storage" else (),
        search=ApiCall(method="GET", path="/api/rss/elements", query={"kind": kind}),
        columns=columns,
        default_columns=tuple(column.name for column in columns),
        default_sort=(SortKey(parameter="name"),),
        groupings=(*(column.name for column in (*more, *place)), "status", "decided_by", "draining"),
        status_column="status",
        statuses=STATUSES,
        actions=_actions(kind, noun, name="{name}", access=access),
        tabs=_tabs(kind, name="{name}", access=access),
        events_topic="sites",
        cli=f"weyl {noun} list",
        doc=doc,
    )


VIEWS = (
    _SITES,
    _elements(
        "compute",
        "ces",
        title="Computing elements",
        icon="cpu",
        order=22,
        doc="Computing elements that pilots are sent to.",
    ),
    _elements(
        "storage",
        "ses",
        title="Storage access",
        icon="database",
        order=24,
        doc="Read and write access to storage elements, and bans.",
    ),
    _elements(
        "fts",
        "fts",
        title="Transfer servers",
        icon="arrows-exchange",
        order=26,
        doc="File transfer servers (FTS) and their status.",
    ),
)
