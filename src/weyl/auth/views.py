"""What web pages show of logins: those of programs by their refresh tokens, those of browsers by their cookies."""

from weyl.kit.views import CHOICE_OPERATORS, TIME_OPERATORS, Action, ApiCall, Column, SortKey, Tab, View


def _time(name: str, title: str) -> Column:
    return Column(name=name, title=title, type="time", operators=TIME_OPERATORS, width=160)


_OVERVIEW = Tab(name="overview", title="Overview", kind="fields")

_PROGRAMS = View(
    name="logins",
    title="Program logins",
    icon="key",
    nav_group="Administration",
    nav_order=70,
    nav_entry="Logins",
    id_column="JTI",
    search=ApiCall(method="GET", path="/api/auth/refresh-tokens", query={"living": True}),
    columns=(
        Column(name="JTI", title="ID", width=280, help="Grows with time: the newest login has the largest."),
        Column(name="User", title="User", width=140),
        Column(name="Scope", title="VO, group and properties", width=320),
        Column(name="Sub", title="Subject", width=220, help="The ID of the user at the identity provider."),
    ),
    default_columns=("JTI", "User", "Scope"),
    default_sort=(SortKey(parameter="JTI", direction="desc"),),
    groupings=("User", "Scope"),
    actions=(
        Action(
            name="revoke",
            title="Revoke",
            icon="logout",
            call=ApiCall(method="DELETE", path="/api/auth/refresh-tokens/{JTI}"),
            destructive=True,
            cli="weyl logins revoke {JTI}",
            help="Programs that use this login must log in again.",
        ),
    ),
    tabs=(_OVERVIEW,),
    cli="weyl logins list",
    doc="Logins of the command line and other programs. With ProxyManagement you see those of the whole VO.",
)

_BROWSERS = View(
    name="browsers",
    title="Browser logins",
    icon="browser",
    nav_group="Administration",
    nav_order=72,
    nav_entry="Logins",
    id_column="session_id",
    search=ApiCall(method="GET", path="/api/auth/web/sessions"),
    columns=(
        Column(name="session_id", title="ID", width=280),
        Column(name="current", title="This browser", type="bool", operators=("eq", "neq"), width=120),
        Column(name="user", title="User", width=120),
        Column(name="sub", title="Subject", width=220, help="The ID of the user at the identity provider."),
        Column(name="vo", title="VO", operators=CHOICE_OPERATORS, width=100),
        Column(name="group", title="Group", width=120),
        Column(name="properties", title="Extra properties", type="list", sortable=False, filterable=False, width=200),
        Column(name="user_agent", title="Browser", width=260),
        Column(name="address", title="Address", width=140),
        _time("created_at", "Logged in"),
        _time("last_used_at", "Last used"),
        _time("expires_at", "Expires"),
    ),
    default_columns=("current", "user", "group", "user_agent", "address", "created_at", "last_used_at", "expires_at"),
    default_sort=(SortKey(parameter="last_used_at", direction="desc"),),
    groupings=("user", "vo", "group", "address"),
    actions=(
        Action(
            name="end",
            title="Log out",
            icon="logout",
            call=ApiCall(method="DELETE", path="/api/auth/web/sessions/{session_id}"),
            destructive=True,
            cli="weyl logins revoke {session_id}",
            help="The user of this browser must log in again.",
        ),
    ),
    tabs=(_OVERVIEW,),
    cli="weyl logins list",
    doc="Browsers that are logged in. With ProxyManagement you see those of the whole VO.",
)

VIEWS = (_PROGRAMS, _BROWSERS)
