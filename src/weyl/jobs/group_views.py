"""What web pages show of job groups."""

from weyl.kit.views import CHOICE_OPERATORS, TEXT_OPERATORS, ApiCall, Column, Condition, Tab, View


def _number(name: str) -> Column:
    return Column(name=name, title=name, type="int", sortable=False, filterable=False, width=80)


_COLUMNS = (
    Column(name="JobGroup", title="Job group", sortable=False, operators=TEXT_OPERATORS, width=160),
    Column(name="Owner", title="Owner", sortable=False, operators=TEXT_OPERATORS, width=90),
    Column(name="VO", title="VO", sortable=False, operators=CHOICE_OPERATORS, width=100),
    *(_number(name) for name in ("Jobs", "Waiting", "Running", "Done", "Failed", "Killed")),
    Column(
        name="Progress",
        title="Ended",
        type="progress",
        sortable=False,
        filterable=False,
        width=140,
        help="How many of its jobs have ended, well or not.",
    ),
    Column(
        name="EstimatedEnd",
        title="Estimated end",
        type="time",
        sortable=False,
        filterable=False,
        width=160,
        help="When all will have ended if they go on at the pace of the last hour.",
    ),
    Column(
        name="LastSubmissionTime", title="Last submission", type="time", sortable=False, filterable=False, width=160
    ),
)

JOB_GROUPS = View(
    name="job-groups",
    title="Job groups",
    icon="stack-2",
    nav_group="Work",
    nav_order=12,
    nav_entry="Jobs",
    id_column="JobGroup",
    key=("VO", "Owner", "JobGroup"),
    search=ApiCall(
        method="POST",
        path="/api/jobs/groups/search",
        body={"search": "{$search}"},
        paging="page",
        filters=True,
    ),
    columns=_COLUMNS,
    default_columns=(
        "JobGroup",
        "Progress",
        "Jobs",
        "Waiting",
        "Running",
        "Done",
        "Failed",
        "Killed",
        "EstimatedEnd",
        "Owner",
        "LastSubmissionTime",
    ),
    default_filter=(Condition(parameter="Owner", operator="eq", value="{$me}"),),
    tabs=(
        Tab(
            name="jobs",
            title="Jobs",
            kind="table",
            view="jobs",
            filter=(
                Condition(parameter="JobGroup", operator="eq", value="{JobGroup}"),
                Condition(parameter="Owner", operator="eq", value="{Owner}"),
            ),
        ),
    ),
    events_topic="jobs",
    needs=("NormalUser", "JobAdministrator"),
    cli="weyl jobs groups --everyone --where '{$where}'",
    doc="Jobs of one purpose together: how far they are, and when they will have ended.",
)
