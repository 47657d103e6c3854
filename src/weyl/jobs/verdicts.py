"""What the checks decide about jobs of one description: to wait for a pilot, to be held, or to fail, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weyl.config.resources import Resources
from weyl.jobs.attributes import texts_of
from weyl.jobs.descriptions import Owner, requirement_classes
from weyl.jobs.errors import BadAttribute
from weyl.jobs.overrides import NONE, Overrides
from weyl.jobs.requirements import Limits, resolve
from weyl.task_queues.errors import InvalidRequirements
from weyl.task_queues.requirements import RequirementClass

NO_CATALOGUE = "this installation has no file catalogue that could say where the file is"
MINOR_LENGTH_MAX = 128
APPLICATION_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class Verdict:
    """The statuses that a job gets; Waiting ones have classes, held ones stay in Checking and are looked at again."""

    status: str
    minor_status: str
    application_status: str = "Unknown"
    classes: tuple[RequirementClass, ...] = ()

    @property
    def is_hold(self) -> bool:
        """Tell whether the job is to be checked again later."""
        return self.status == "Checking"

    @property
    def statuses(self) -> tuple[str, str, str]:
        """Return the three statuses, cut to what their columns hold."""
        return (
            self.status,
            self.minor_status[:MINOR_LENGTH_MAX],
            self.application_status[:APPLICATION_LENGTH_MAX],
        )


def judge(
    document: dict[str, Any], owner: Owner, limits: Limits, resources: Resources, *, overrides: Overrides = NONE
) -> Verdict:
    """Decide about jobs with this description, placeholders filled in where they matter."""
    try:
        return (
            _input_data(document)
            or _sites(document, owner.vo, limits, resources)
            or _left_sites(document, limits, overrides)
            or Verdict(
                "Waiting",
                "Pilot Agent Submission",
                classes=requirement_classes(document, owner, limits, overrides),
            )
        )
    except (BadAttribute, InvalidRequirements) as error:
        return Verdict("Failed", "Illegal Job JDL", str(error.detail))


def _input_data(document: Mapping[str, Any]) -> Verdict | None:
    files = texts_of(document, "InputData")
    files += [name for name in texts_of(document, "InputSandbox") if name.upper().startswith("LFN:")]
    if not files:
        return None
    return Verdict("Failed", "Input Data Not Available", f"{files[0]}: {NO_CATALOGUE}")


def _sites(document: dict[str, Any], vo: str, limits: Limits, resources: Resources) -> Verdict | None:
    wanted = resolve(document, limits).sites
    if wanted is None:
        return None
    if not wanted:
        return Verdict("Failed", "No candidate sites available", "Every site in Site is also in BannedSites")
    unknown = [name for name in wanted if name not in resources.sites or not resources.sites[name].serves(vo)]
    if not unknown or (limits.allow_invalid_sites and len(unknown) < len(wanted)):
        return None
    named = f"Unknown site {unknown[0]}" if len(unknown) == 1 else f"Unknown sites {', '.join(unknown)}"
    if limits.allow_invalid_sites:
        return Verdict("Checking", f"On Hold: {named}")
    return Verdict("Failed", "No candidate sites available", f"{named}: your VO has none of this name")


def _left_sites(document: dict[str, Any], limits: Limits, overrides: Overrides) -> Verdict | None:
    wanted = resolve(document, limits).sites
    if wanted is None or set(wanted) - set(overrides.sites):
        return None
    return Verdict("Failed", "No candidate sites available", "It has failed at every site that it may run at")
