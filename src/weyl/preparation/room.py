"""What the room of preparation hands in."""

from weyl.config.service import CONFIG
from weyl.file_catalog.drivers.catalog import CATALOGS
from weyl.file_catalog.drivers.stager import STAGERS
from weyl.jobs.additions import JOB_ATTRIBUTES
from weyl.kit.db import DATABASE
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.preparation.additions import PREPARATION_CHECKS, PREPARATION_RULES, PreparationRules
from weyl.preparation.tasks import tasks


def _state(services: Services) -> None:
    attributes = services[JOB_ATTRIBUTES]
    rules = PreparationRules(
        catalogs={name: make(services[DATABASE]) for name, make in services[CATALOGS].items()},
        stagers={name: make() for name, make in services[STAGERS].items()},
        checks=services[PREPARATION_CHECKS],
        attributes=tuple(attributes),
    )
    services.hold(PREPARATION_RULES, rules)


ROOM = Room(
    state=[_state],
    tasks=[lambda services: tasks(services[DATABASE], services[CONFIG], rules=services[PREPARATION_RULES])],
)
