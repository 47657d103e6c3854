"""What programs on worker nodes see of the configuration: what their VO works by, and none of its people."""

from typing import Any, TypeVar, cast, get_args

from weyl.config.models import Config
from weyl.config.registry import Organisation
from weyl.config.resources import ComputingElement, Resources, Site
from weyl.config.section import Section

T = TypeVar("T")


def part_of(config: Config, vo: str) -> Config:
    """Return what nodes need: no other VOs, no members, no way to computing elements, and nothing of free sections.

    Sections that are not named here, and places that take any value, are left out: secrets may stand there.
    """
    organisation, operations = config.registry.get(vo), config.operations.get(vo)
    return Config(
        dirac=_declared(config.dirac),
        registry={} if organisation is None else {vo: _declared(_without_members(organisation))},
        operations={} if operations is None else {vo: _declared(operations)},
        resources=_declared(_for(config.resources, vo)),
    )


def _declared(value: T) -> T:
    """Return a value with what its model declares: free places have their defaults, undeclared keys are gone."""
    known: Any = value
    if isinstance(known, Section):
        kept = {
            name: field.get_default(call_default_factory=True)
            if _is_free(field.annotation)
            else _declared(getattr(known, name))
            for name, field in type(known).model_fields.items()
        }
        known = type(known).model_construct(**kept)
    elif isinstance(known, dict):
        known = {key: _declared(each) for key, each in known.items()}
    elif isinstance(known, list):
        known = [_declared(each) for each in known]
    return cast("T", known)


def _is_free(annotation: Any) -> bool:
    return annotation in (Any, object, dict, list) or any(map(_is_free, get_args(annotation)))


def _without_members(organisation: Organisation) -> Organisation:
    groups = {name: group.model_copy(update={"users": frozenset[str]()}) for name, group in organisation.groups.items()}
    return organisation.model_copy(update={"users": {}, "groups": groups})


def _for(resources: Resources, vo: str) -> Resources:
    sites = {name: _site_for(site, vo) for name, site in resources.sites.items() if site.serves(vo)}
    # Their doors are the server's: nodes are sent requests that are good for one file.
    storage = {
        name: element.model_copy(update={"endpoints": [], "base": None})
        for name, element in resources.storage_elements.items()
        if element.serves(vo)
    }
    return resources.model_copy(update={"sites": sites, "storage_elements": storage, "storage_element_bases": {}})


def _site_for(site: Site, vo: str) -> Site:
    ces = {name: _computing_element_for(ce, vo) for name, ce in site.ces.items()}
    return site.model_copy(update={"managers": [], "ces": ces})


def _computing_element_for(ce: ComputingElement, vo: str) -> ComputingElement:
    queues = {name: queue for name, queue in ce.queues.items() if not queue.vos or vo in queue.vos}
    return ce.model_copy(update={"credentials": None, "queues": queues})
