"""What the room of pilots hands in."""

from datetime import timedelta

from weyl.auth.keys import KEYS
from weyl.auth.verifier import Verifier
from weyl.config.service import CONFIG
from weyl.kit.db import DATABASE
from weyl.kit.following import FOLLOWERS
from weyl.kit.http import VERIFIER
from weyl.kit.room import Room
from weyl.kit.s3 import STORE
from weyl.kit.services import Services
from weyl.matcher.additions import WORK_COMMANDS
from weyl.matcher.service.explain import PILOTS_SEEN
from weyl.matcher.service.matcher import ADVICE
from weyl.pilots.commands import PAYLOAD_COMMANDS
from weyl.pilots.compute_elements.driver import DRIVERS
from weyl.pilots.routes import router
from weyl.pilots.service import figures, hosts
from weyl.pilots.service.commands import COMMANDS, Commands
from weyl.pilots.service.feed import PilotFeed
from weyl.pilots.service.revocations import RevocationGuard
from weyl.pilots.service.yard import YARD, Yard
from weyl.pilots.tasks import tasks
from weyl.pilots.views import VIEWS
from weyl.settings import SETTINGS


def _state(services: Services) -> None:
    commands = Commands(services[PAYLOAD_COMMANDS], config=services[CONFIG], store=services[STORE])
    services.hold(COMMANDS, commands)
    services.hold(WORK_COMMANDS, commands.of)
    services.hold(
        YARD,
        Yard.open(
            services[SETTINGS],
            db=services[DATABASE],
            config=services[CONFIG],
            store=services[STORE],
            drivers=services[DRIVERS],
            commands=commands,
        ),
    )


def _serving(services: Services) -> None:
    guard = RevocationGuard(
        Verifier(services[KEYS], services[CONFIG]),
        services[DATABASE],
        token_lifetime=timedelta(minutes=services[SETTINGS].access_token_minutes),
    )
    services.hold(VERIFIER, guard)
    services.hold(ADVICE, guard.advice)
    services.hold(PILOTS_SEEN, figures.pilots_seen(services[CONFIG]))
    services[FOLLOWERS].append(guard.follower)


ROOM = Room(
    routers=[router],
    state=[_state],
    serving=[_serving],
    tasks=[lambda services: tasks(services[YARD])],
    views=VIEWS,
    feeds={"pilots": lambda services: PilotFeed(services[DATABASE])},
    figures={"pilots": figures.figures, "hosts": hosts.figures},
)
