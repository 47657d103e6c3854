"""From what a job needs, and whose it is, to the requirement classes in which it may wait."""

from collections.abc import Sequence

from weyl.descriptions.description import Owner
from weyl.descriptions.overrides import NONE, Overrides
from weyl.descriptions.requirements import Limits, Resolved, names_architecture
from weyl.task_queues.errors import InvalidRequirements, Problem
from weyl.task_queues.requirements import USER_PRIORITY_MAX, ClassContext, RequirementClass, make_class


def requirement_classes(
    resolved: Resolved,
    owner: Owner,
    limits: Limits,
    overrides: Overrides = NONE,
    *,
    sites: Sequence[str] | None = None,
    local_data: Sequence[str] = (),
) -> tuple[RequirementClass, ...]:
    """Return the classes of jobs with these requirements, one an alternative; any of them may match.

    `overrides` are what retries have changed of it, `sites` the only ones where it may run, if that is known better
    than from the description, and `local_data` those that have all its input data on disk.

    Raises `InvalidRequirements` with the problems of all alternatives.
    """
    context = ClassContext(
        vo=owner.vo,
        group=owner.group,
        owner=owner.name,
        job_type=resolved.job_type,
        user_priority=min(resolved.priority, USER_PRIORITY_MAX),
        sites=resolved.sites if sites is None else sites,
        banned_sites=resolved.banned_sites if sites is None else (),
        avoid=overrides.avoid,
        avoid_hosts_until=None if overrides.hosts_until is None else int(overrides.hosts_until.timestamp()),
        local_data=local_data,
    )
    made: dict[bytes, RequirementClass] = {}
    problems: list[Problem] = []
    for requirements, pointer in zip(resolved.alternatives, resolved.pointers, strict=True):
        try:
            found = make_class(overrides.applied(requirements), at=pointer, **context)
        except InvalidRequirements as error:
            problems += error.problems
            continue
        made.setdefault(found.hash, found)
        if limits.require_architecture and not names_architecture(requirements):
            problems.append(Problem(f"{pointer}/cpu/architecture/name", "must be given in your VO, such as x86_64"))
    if problems:
        raise InvalidRequirements(problems)
    return tuple(made.values())
