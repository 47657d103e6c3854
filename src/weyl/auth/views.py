"""What web pages show of logins."""

from weyl.kit.views import Action, ApiCall, Column, SortKey, Tab, View

VIEWS = (
    View(
        name="logins",
        title="Logins",
        icon="key",
        nav_group="Administration",
        nav_order=70,
        id_column="JTI",
        search=ApiCall(method="GET", path="/api/auth/refresh-tokens"),
        columns=(
            Column(name="JTI", title="Number", width=280, help="Ordered by time: the newest is the highest."),
            Column(name="Sub", title="Whose", width=220),
            Column(name="Scope", title="VO, group and properties", width=320),
            Column(name="Status", title="Status", width=110),
        ),
        default_columns=("JTI", "Sub", "Scope", "Status"),
        default_sort=(SortKey(parameter="JTI", direction="desc"),),
        groupings=("Sub", "Scope"),
        actions=(
            Action(
                name="revoke",
                title="End",
                icon="logout",
                call=ApiCall(method="DELETE", path="/api/auth/refresh-tokens/{JTI}"),
                destructive=True,
                cli="weyl logins revoke {JTI}",
                help="Programs that use this login have to log in again.",
            ),
        ),
        tabs=(Tab(name="overview", title="Overview", kind="fields"),),
        cli="weyl logins list",
        doc="Who is logged in with a program, and the end of it; with ProxyManagement those of the whole VO.",
    ),
)
