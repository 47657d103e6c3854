"""What web pages show of jobs."""

from weyl.jobs.models.bulk import UNDO_S
from weyl.jobs.states import FINAL, MOVES, SCOUTING, JobStatus
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

_SEARCH = ApiCall(
    method="POST",
    path="/api/jobs/search",
    body={"parameters": "{$columns}", "search": "{$search}", "sort": "{$sort}"},
    paging="page",
    filters=True,
)
_SUMMARY = ApiCall(method="POST", path="/api/jobs/summary", body={"grouping": "{$grouping}", "search": "{$search}"})


def _values(name: str) -> ApiCall:
    return ApiCall(method="POST", path="/api/jobs/summary", body={"grouping": [name], "search": "{$search}"})


def _about_one(what: str) -> ApiCall:
    return ApiCall(method="GET", path=f"/api/jobs/{{JobID}}/{what}")


_TONES = {
    "Submitting": Status(value="Submitting", tone="neutral", icon="upload"),
    "Received": Status(value="Received", tone="neutral", icon="inbox"),
    "Checking": Status(value="Checking", tone="info", icon="checklist"),
    "Scouting": Status(value="Scouting", tone="info", icon="compass", help="A few jobs of its kind are tried first."),
    "Staging": Status(value="Staging", tone="info", icon="database-import", help="Its input comes from tape."),
    "Waiting": Status(value="Waiting", tone="info", icon="clock", help="No pilot has taken it yet."),
    "Matched": Status(value="Matched", tone="progress", icon="link", help="A pilot has taken it."),
    "Running": Status(value="Running", tone="progress", icon="player-play"),
    "Stalled": Status(value="Stalled", tone="warning", icon="alert-triangle", help="Nothing is heard of it."),
    "Completing": Status(value="Completing", tone="progress", icon="loader"),
    "Done": Status(value="Done", tone="success", icon="check", terminal=True),
    "Completed": Status(value="Completed", tone="success", icon="checks", terminal=True),
    "Failed": Status(value="Failed", tone="danger", icon="x", terminal=True),
    "Killed": Status(value="Killed", tone="warning", icon="ban", terminal=True),
    "Deleted": Status(value="Deleted", tone="neutral", icon="trash", terminal=True),
    "Rescheduled": Status(value="Rescheduled", tone="info", icon="refresh"),
}
STATUSES = tuple(_TONES[name] for name in (*JobStatus, SCOUTING))


def _time(name: str, title: str) -> Column:
    return Column(name=name, title=title, type="time", operators=TIME_OPERATORS, width=92)


COLUMNS = (
    Column(name="JobID", title="Job", type="int", operators=ORDER_OPERATORS, width=82, link="/jobs/{JobID}"),
    Column(
        name="Status",
        title="Status",
        type="status",
        operators=CHOICE_OPERATORS,
        values=[status.value for status in STATUSES],
        width=116,
    ),
    Column(name="MinorStatus", title="Minor status", values=_values("MinorStatus"), width=146),
    Column(name="ApplicationStatus", title="Application", width=124, help="What the payload says of itself."),
    Column(name="Site", title="Site", values=_values("Site"), width=120, link="/sites/{Site}"),
    Column(name="JobName", title="Name", width=110),
    Column(name="JobGroup", title="Job group", values=_values("JobGroup"), width=92),
    Column(name="JobType", title="Type", values=_values("JobType"), width=100),
    Column(name="Owner", title="Owner", values=_values("Owner"), width=72),
    Column(name="OwnerGroup", title="Owner's group", values=_values("OwnerGroup"), width=120),
    Column(name="VO", title="VO", operators=CHOICE_OPERATORS, width=100),
    _time("SubmissionTime", "Submitted"),
    _time("LastUpdateTime", "Last update"),
    _time("StartExecTime", "Started"),
    _time("HeartBeatTime", "Last sign of life"),
    _time("EndExecTime", "Ended"),
    Column(
        name="RunTime",
        title="Run time",
        type="duration",
        operators=("gt", "lt"),
        width=80,
        help="How long the last run has taken so far, or took; filters take seconds.",
    ),
    _time("RescheduleTime", "Rescheduled"),
    Column(name="RescheduleCounter", title="Reschedules", type="int", operators=ORDER_OPERATORS, width=110),
    Column(
        name="UserPriority",
        title="Priority",
        type="int",
        operators=ORDER_OPERATORS,
        width=90,
        help="Among the jobs of its group; the higher, the earlier.",
    ),
    Column(
        name="FailureSignature",
        title="Kind of failure",
        operators=("eq", "neq"),
        width=150,
        link="/failures/{FailureSignature}",
        help="What its failure has in common with others, which the link shows; of jobs that have failed.",
    ),
    Column(
        name="WorkflowID",
        title="Workflow",
        operators=("eq",),
        width=150,
        help="The CWL document that it runs; empty for jobs of JDL and JSON.",
    ),
    Column(
        name="InputFile",
        title="Input file",
        operators=("eq", "in"),
        sortable=False,
        shown=False,
        help="The LFN of a file that the job reads.",
    ),
    Column(name="VerifiedFlag", title="Checked", type="bool", operators=("eq", "neq"), width=90),
    Column(name="AccountedFlag", title="Accounted", operators=("eq", "neq"), width=100),
)

_HISTORY = (
    Column(name="StatusTime", title="Time", type="time", operators=TIME_OPERATORS),
    Column(name="Status", title="Status", type="status"),
    Column(name="MinorStatus", title="Minor status"),
    Column(name="ApplicationStatus", title="Application status"),
    Column(name="Source", title="Said by"),
)

_FILES = (
    Column(name="lfn", title="LFN", link="/files/{file_id}"),
    Column(name="size", title="Size", type="bytes"),
    Column(name="status", title="Status", type="status", help="Files of earlier attempts are in the trash."),
    Column(name="attempt", title="Attempt", type="int"),
)
_FILE_STATUSES = (
    Status(value="Good", tone="success", icon="check"),
    Status(value="Trash", tone="neutral", icon="trash", help="Deleted; it can be restored."),
)

_ENDED = tuple(sorted(FINAL))
_ALIVE = tuple(status.value for status in STATUSES if status.value not in FINAL | {"Deleted"})


def _on_ids(verb: str) -> ApiCall:
    return ApiCall(method="POST", path=f"/api/jobs/{verb}", body={"job_ids": "{$ids}"})


def _plan(verb: str, **fields: str) -> ApiCall:
    return ApiCall(
        method="POST",
        path="/api/jobs/bulk",
        body={
            "action": verb,
            "ids": "{$ids}",
            "search": "{$search}",
            "fields": fields,
            "dry_run": "{$dry_run}",
            "plan_token": "{$plan_token}",
        },
    )


_ACTIONS = (
    Action(
        name="kill",
        title="Kill",
        icon="ban",
        call=_on_ids("kill"),
        plan=_plan("kill"),
        needs=("NormalUser", "JobAdministrator"),
        bulk="filter",
        destructive=True,
        undo_s=UNDO_S,
        when=_ALIVE,
        cli="weyl jobs kill {$ids}",
        help="Those that wait leave the queue; a running payload is stopped at its next sign of life.",
    ),
    Action(
        name="reschedule",
        title="Reschedule",
        icon="refresh",
        call=ApiCall(
            method="POST",
            path="/api/jobs/reschedule",
            query={"reset_jobs": "{form.reset}"},
            body={"job_ids": "{$ids}"},
        ),
        plan=_plan("reschedule", reset="{form.reset}"),
        needs=("NormalUser", "JobAdministrator"),
        bulk="filter",
        fields={
            "type": "object",
            "properties": {
                "reset": {
                    "type": "boolean",
                    "title": "Forget how often they were rescheduled",
                    "default": False,
                }
            },
        },
        cli="weyl jobs reschedule {$ids}",
        help="Runs them again from their descriptions, with the same ids.",
    ),
    Action(
        name="delete",
        title="Delete",
        icon="trash",
        call=_on_ids("delete"),
        plan=_plan("delete"),
        needs=("NormalUser", "JobAdministrator"),
        bulk="filter",
        destructive=True,
        undo_s=UNDO_S,
        cli="weyl jobs delete {$ids}",
        help="Removes them and their sandboxes; those that still live are killed first.",
    ),
)

_SANDBOX = ApiCall(method="GET", path="/api/jobs/sandbox", query={"pfn": "{$file}"})


def _log(name: str, title: str, *, stream: str) -> Tab:
    """Return the tab of a standard stream: its last lines while the job runs, then all of it from the sandbox."""
    return Tab(
        name=name,
        title=title,
        kind="log",
        call=ApiCall(method="POST", path="/api/jobs/{JobID}/peek", query={"stream": stream, "tail": 100_000}),
        file=ApiCall(method="GET", path="/api/jobs/sandbox", query={"pfn": "{$file}", "format": "tar.bz2"}),
        stream=True,
    )


# In every status but those of which there is nothing to ask.
_EXPLAINED = tuple(status for status in MOVES if status not in ("Done", "Deleted"))

_TABS = (
    Tab(name="overview", title="Overview", kind="fields"),
    Tab(name="why", title="Why?", kind="why", call=_about_one("explain"), when=_EXPLAINED),
    Tab(name="history", title="History", kind="timeline", call=_about_one("history"), columns=_HISTORY),
    Tab(name="parameters", title="Parameters", kind="fields", call=_about_one("parameters")),
    Tab(name="requirements", title="Requirements", kind="json", call=_about_one("requirements")),
    _log("output", "Output", stream="output"),
    _log("errors", "Error output", stream="error"),
    Tab(
        name="files",
        title="Files",
        kind="table",
        call=_about_one("files"),
        columns=_FILES,
        statuses=_FILE_STATUSES,
    ),
    Tab(
        name="sandboxes",
        title="Sandboxes",
        kind="files",
        call=_about_one("sandbox"),
        file=_SANDBOX,
    ),
    Tab(name="description", title="JDL", kind="text", call=_about_one("jdl")),
)

VIEWS = (
    View(
        name="jobs",
        title="Jobs",
        icon="list-check",
        nav_group="Work",
        nav_order=10,
        id_column="JobID",
        search=_SEARCH,
        summary=_SUMMARY,
        columns=COLUMNS,
        default_columns=(
            "JobID",
            "Status",
            "MinorStatus",
            "ApplicationStatus",
            "JobName",
            "JobGroup",
            "Site",
            "Owner",
            "RunTime",
            "LastUpdateTime",
        ),
        default_sort=(SortKey(parameter="JobID", direction="desc"),),
        default_filter=(
            Condition(parameter="Owner", operator="eq", value="{$me}"),
            Condition(parameter="LastUpdateTime", operator="gt", value="-7d"),
        ),
        groupings=("Status", "MinorStatus", "Site", "Owner", "OwnerGroup", "JobGroup", "JobType", "ApplicationStatus"),
        time_column="LastUpdateTime",
        status_column="Status",
        statuses=STATUSES,
        actions=_ACTIONS,
        tabs=_TABS,
        events_topic="jobs",
        needs=("NormalUser", "JobAdministrator"),
        cli="weyl jobs search --where '{$where}'",
        doc="What was submitted, where it stands, and why.",
    ),
)
