"""What the room of resource status hands in."""

from weyl.config.service import CONFIG
from weyl.kit.db import DATABASE
from weyl.kit.following import FOLLOWERS
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.resource_status.routes import router
from weyl.resource_status.service.board import STATUS_BOARD, StatusBoard
from weyl.resource_status.service.feed import StatusFeed
from weyl.resource_status.tasks import tasks
from weyl.resource_status.views import VIEWS


def _state(services: Services) -> None:
    board = StatusBoard(services[DATABASE], services[CONFIG])
    services[FOLLOWERS].append(board.follower)
    services.hold(STATUS_BOARD, board)


ROOM = Room(
    routers=[router],
    state=[_state],
    tasks=[lambda services: tasks(services[DATABASE])],
    views=VIEWS,
    feeds={"sites": lambda services: StatusFeed(services[STATUS_BOARD])},
)
