"""Everything that the VO `example` adds to weyl."""

from example_vo import campaigns
from example_vo.nice import NiceComputeElement
from example_vo.routes import router, site_status_for_members
from example_vo.section import ExampleVO
from example_vo.tables import notes
from example_vo.tasks import tasks
from example_vo.views import VIEWS
from weyl.descriptions.attributes import JobAttribute
from weyl.extension import Extension
from weyl.pilots.commands import PayloadCommand

EXTENSION = Extension(
    name="example_vo",
    sections={"example_vo": ExampleVO},
    properties=[campaigns.MANAGER],
    routers=[router],
    replaces={"rss_get_site_status": site_status_for_members},
    policies={"jobs_submit_jdl_jobs": campaigns.may_submit},
    job_attributes={"Campaign": JobAttribute(campaigns.read_campaign, "The campaign that the job belongs to.")},
    submission_checks={"example_vo": campaigns.refusals},
    tables=[notes],
    migrations={"example_vo": "example_vo:migrations"},
    tasks=[tasks],
    compute_elements={"nice": NiceComputeElement},
    payload_commands={
        "campaign_report": PayloadCommand(
            archive="example_vo:payload", command=("python3", "{archive}/report.py"), always=True
        )
    },
    views=VIEWS,
)
