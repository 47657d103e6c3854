"""A room of its own: a route, held state, a task, a view and a figure, handed in as one value."""

from collections import Counter
from collections.abc import Sequence

from tests.app.toy.bench import BENCH, PAINTS
from tests.app.toy.routes import router

from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.kit.task import BoundTask, Task
from weyl.kit.views import ApiCall, Column, View

MAKE = Task("toys.make")


def _state(services: Services) -> None:
    services.hold(BENCH, Counter())


def _tasks(services: Services) -> Sequence[BoundTask]:
    async def make(kind: str) -> None:
        services[BENCH][f"{services[PAINTS].get(kind, 'plain')} {kind}"] += 1

    return [MAKE.bind(make)]


async def _figures(_: Tx) -> Sequence[Figure]:
    return [Figure("toys_known", "Kinds of toys.", (), [((), 1.0)])]


VIEW = View(
    name="toys",
    title="Toys",
    icon="box",
    nav_group="Work",
    id_column="Kind",
    search=ApiCall(method="GET", path="/api/toys"),
    columns=(Column(name="Kind", title="Kind"), Column(name="Count", title="Count", type="int")),
    default_columns=("Kind", "Count"),
)

ROOM = Room(routers=[router], state=[_state], tasks=[_tasks], views=[VIEW], figures={"toys": _figures})
