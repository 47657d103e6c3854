"""What web pages show of jobs that run a workflow: its steps and how far each has come, what goes in and comes out."""

from weyl.cwl.graphs import STATES
from weyl.kit.views import ApiCall, Status, Tab, ViewAddition

_SHOWN = {
    "waiting": Status(value="waiting", tone="neutral", icon="clock"),
    "running": Status(value="running", tone="progress", icon="player-play"),
    "completed": Status(value="completed", tone="success", icon="check", terminal=True),
    "failed": Status(value="failed", tone="danger", icon="x", terminal=True),
    "skipped": Status(value="skipped", tone="neutral", icon="ban", terminal=True, help="Its condition was not met."),
}
_SANDBOX = ApiCall(method="GET", path="/api/jobs/sandbox", query={"pfn": "{$file}"})


def _of_job(what: str) -> ApiCall:
    return ApiCall(method="GET", path=f"/api/jobs/{{JobID}}/{what}")


_TABS = (
    Tab(
        name="workflow",
        title="Workflow",
        kind="graph",
        call=_of_job("graph"),
        stream=True,
        statuses=tuple(_SHOWN[state] for state in STATES),
        has="WorkflowID",
    ),
    Tab(name="inputs", title="Inputs", kind="values", call=_of_job("input-object"), file=_SANDBOX, has="WorkflowID"),
    Tab(
        name="outputs",
        title="Outputs",
        kind="values",
        call=_of_job("outputs"),
        file=_SANDBOX,
        has="WorkflowID",
        when=("Done",),
    ),
)

VIEWS = (ViewAddition(view="jobs", tabs=_TABS),)
