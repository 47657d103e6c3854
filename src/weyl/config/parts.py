"""What programs on worker nodes see of the configuration: what their VO works by, and none of its people."""

from weyl.config.background import TaskOptions
from weyl.config.models import Config
from weyl.config.registry import Organisation
from weyl.config.resources import ComputingElement, Resources, Site


def part_of(config: Config, vo: str) -> Config:
    """Return the configuration without other VOs, members, and the way to computing elements."""
    organisation, operations = config.registry.get(vo), config.operations.get(vo)
    return config.model_copy(
        update={
            "registry": {} if organisation is None else {vo: _without_members(organisation)},
            "operations": {} if operations is None else {vo: operations},
            "resources": _for(config.resources, vo),
            "tasks": TaskOptions(),
        }
    )


def _without_members(organisation: Organisation) -> Organisation:
    groups = {name: group.model_copy(update={"users": frozenset[str]()}) for name, group in organisation.groups.items()}
    return organisation.model_copy(update={"users": {}, "groups": groups})


def _for(resources: Resources, vo: str) -> Resources:
    sites = {name: _site_for(site, vo) for name, site in resources.sites.items() if site.serves(vo)}
    return resources.model_copy(update={"sites": sites})


def _site_for(site: Site, vo: str) -> Site:
    ces = {name: _computing_element_for(ce, vo) for name, ce in site.ces.items()}
    return site.model_copy(update={"managers": [], "ces": ces})


def _computing_element_for(ce: ComputingElement, vo: str) -> ComputingElement:
    queues = {name: queue for name, queue in ce.queues.items() if not queue.vos or vo in queue.vos}
    return ce.model_copy(update={"credentials": None, "driver_options": {}, "queues": queues})
