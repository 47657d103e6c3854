"""A dry run: how many jobs of which kinds a submission would make, and where they could run."""

from datetime import datetime
from typing import Any

from weyl.config.models import Config
from weyl.cwl.judgement import Judge
from weyl.cwl.problems import problem, shown
from weyl.cwl.service.submission import CWLJobs, Made, Workflows, rehearsed
from weyl.descriptions.classes import requirement_classes
from weyl.descriptions.description import Description
from weyl.descriptions.requirements import resolve
from weyl.jobs.service.storing import OUTLOOKS_MAX
from weyl.task_queues.requirements import RequirementClass

PREVIEWED_MAX = 10


async def rehearsal(service: Workflows, wanted: CWLJobs, *, config: Config, now: datetime) -> dict[str, Any]:
    """Return what a submission would make; raises `InvalidWorkflow` as the submission would."""
    made = await rehearsed(service, wanted, config=config, now=now)
    judge = Judge(wanted.submitter.vo, config.operations[wanted.submitter.vo], service.kinds)
    counts = _counts(made)
    classes = [_classes(made, judge, wanted, number) for number in range(min(len(counts), OUTLOOKS_MAX))]
    verdicts: list[str | None] = [None] * len(classes)
    if service.rules.outlook is not None:
        asked = [[one.document for one in several] for several in classes]
        async with service.db.read() as tx:
            verdicts = await service.rules.outlook(tx, asked, wanted.submitter.vo, now)
    told = [problem("no-site", verdict) for verdict in verdicts if verdict is not None]
    return {
        "jobs": made.objects.count,
        "workflow_id": made.source.workflow_id,
        "bundle_id": made.source.bundle_id.hex(),
        "problems": shown([*made.warnings, *told]),
        "classes": [
            {
                "requirements": made.needs.forms[number].requirements,
                "jobs": counts[number],
                "sites": _sites(several, config, wanted.submitter.vo),
                "verdict": verdict,
            }
            for number, (several, verdict) in enumerate(zip(classes, verdicts, strict=True))
        ],
        "inputs": [made.objects.value(index) for index in range(min(made.objects.count, PREVIEWED_MAX))],
    }


def _counts(made: Made) -> list[int]:
    """Return how many jobs have each form of requirements."""
    if made.needs.which is None:
        return [made.objects.count]
    counts = [0] * len(made.needs.forms)
    for number in made.needs.which:
        counts[number] += 1
    return counts


def _classes(made: Made, judge: Judge, wanted: CWLJobs, number: int) -> tuple[RequirementClass, ...]:
    document: dict[str, Any] = {**made.described.document, "Requirements": made.needs.forms[number].requirements}
    description = Description.read(document, only=("BannedSites", "JobType", "Priority", "Requirements", "Site"))
    return requirement_classes(resolve(description, judge.limits), wanted.owner, judge.limits)


def _sites(classes: tuple[RequirementClass, ...], config: Config, vo: str) -> list[str]:
    """Return the sites of the VO where jobs of these classes may run, as far as sites are asked for."""
    own = {name for name, site in config.resources.sites.items() if site.serves(vo)}
    found: set[str] = set()
    for each in classes:
        wanted = each.document.get("sites")
        allowed = own if wanted is None else own & set(wanted)
        found |= allowed - set(each.document.get("banned_sites") or ())
    return sorted(found)
