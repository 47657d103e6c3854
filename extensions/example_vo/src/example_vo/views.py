"""What the web pages show of campaigns; no JavaScript is written for it."""

from example_vo.campaigns import MANAGER
from weyl.kit.views import Action, ApiCall, Column, Tab, View, ViewAddition

_CAMPAIGN = Column(name="Campaign", title="Campaign", link="/campaigns/{Campaign}")

CAMPAIGNS = View(
    name="campaigns",
    title="Campaigns",
    icon="flag",
    nav_group="Work",
    nav_order=60,
    nav_entry="Jobs",
    id_column="Campaign",
    search=ApiCall(method="GET", path="/api/campaigns"),
    columns=(
        _CAMPAIGN,
        Column(name="Notes", title="Notes", type="json", sortable=False, filterable=False),
    ),
    default_columns=("Campaign", "Notes"),
    actions=(
        Action(
            name="note",
            title="Add a note",
            icon="note",
            call=ApiCall(method="POST", path="/api/campaigns/{Campaign}/notes", body={"text": "{form.text}"}),
            needs=(MANAGER,),
            fields={
                "type": "object",
                "properties": {"text": {"type": "string", "title": "Note", "minLength": 1, "maxLength": 1000}},
                "required": ["text"],
            },
            cli="weyl campaigns note {Campaign} {form.text}",
        ),
    ),
    tabs=(Tab(name="overview", title="Overview", kind="fields"),),
    cli="weyl campaigns list",
    doc="What the VO works on, and what its members noted about it.",
)

# Every job has parameters, and the campaign is among them: a tab of its own on the page of jobs.
JOBS = ViewAddition(
    view="jobs",
    tabs=(
        Tab(
            name="campaign",
            title="Campaign",
            kind="fields",
            call=ApiCall(method="GET", path="/api/jobs/{JobID}/parameters"),
            columns=(_CAMPAIGN,),
        ),
    ),
)

VIEWS = (CAMPAIGNS, JOBS)
