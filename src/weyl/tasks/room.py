"""What the room of background tasks hands in."""

from weyl.kit.db import DATABASE
from weyl.kit.room import Room
from weyl.tasks.feed import OperationFeed
from weyl.tasks.figures import figures
from weyl.tasks.routes import operations_router, router
from weyl.tasks.tasks import tasks
from weyl.tasks.views import VIEWS

ROOM = Room(
    routers=[router, operations_router],
    tasks=[lambda services: tasks(services[DATABASE])],
    views=VIEWS,
    feeds={"operations": lambda services: OperationFeed(services[DATABASE])},
    figures={"tasks": figures},
)
