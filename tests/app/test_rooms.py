"""What a new room and a new extension point take: a folder and one entry of a list, and one field."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import httpx2
import pytest
from tests.app.toy.bench import BENCH, PAINTS
from tests.app.toy.room import MAKE
from tests.app.toy.room import ROOM as TOYS
from tests.infra.app import URL, Application, Installation

from weyl.app import create_app, open_services
from weyl.auth.keys import KEYS
from weyl.builtin import ROOMS, extension_of
from weyl.demo.seaweedfs import RunningStore
from weyl.extension import Extension
from weyl.kit import points
from weyl.kit.db import DATABASE
from weyl.kit.metrics import METRICS
from weyl.kit.room import Room
from weyl.kit.services import Key, NotHeld, Services
from weyl.tasks.engine import Worker
from weyl.tasks.service import enqueue
from weyl.worker import bound_tasks

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Wider(Extension):
    """All points of weyl, and one more."""

    paints: Mapping[str, str] = points.mapping("The paint of {}", key=PAINTS)
    """Paints of toys by their kind."""


def whole(*others: Wider) -> Wider:
    """Return weyl with the toy room in its list, and others, as one."""
    weyl = Wider(name="weyl", **points.merged(Extension, [extension_of([*ROOMS, TOYS])]))
    return Wider(name="all", **points.merged(Wider, [weyl, *others]))


PAINTER = Wider(name="painter", paints={"car": "red"})


async def test_a_room_is_a_folder_and_one_entry_and_a_point_is_one_field(
    database_url: str, installation: Installation, object_store: RunningStore
) -> None:
    settings = installation.settings(database_url, object_store)
    app = create_app(settings, whole(PAINTER))
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=URL) as client:
            served = Application(app, client, settings, services[KEYS])
            assert (await client.get("/api/toys")).status_code == 401
            # The server and the worker are one process here, so that the route shows what the task has made.
            async with services[DATABASE].transaction() as tx:
                await enqueue(tx, MAKE, ["car", "doll"])
            await Worker(services[DATABASE], bound_tasks(services)).drain()
            toys = (await client.get("/api/toys", headers=served.login())).json()
            assert {toy["Kind"] for toy in toys} == {"red car", "plain doll"}
            views = (await client.get("/api/ui/views", headers=served.login())).json()["views"]
            assert "toys" in {view["name"] for view in views}
            assert "toys_known 1.0" in (await services[METRICS].text()).decode()


async def test_a_worker_holds_the_state_of_every_room(
    database_url: str, installation: Installation, object_store: RunningStore
) -> None:
    async with open_services(installation.settings(database_url, object_store), whole()) as services:
        assert services[BENCH] == {}
        assert "toys.make" in {bound.task.name for bound in bound_tasks(services)}


def test_two_that_claim_one_name_of_a_new_point_are_both_named() -> None:
    parts = [PAINTER, Wider(name="other", paints={"Car": "blue"})]
    assert list(points.problems(parts, whole(*parts))) == [
        "The paint of Car is claimed by painter and by other; only one of them can be active"
    ]


def test_what_nobody_holds_is_named() -> None:
    with pytest.raises(NotHeld, match="does not hold the moon"):
        Services()[Key[str]("the moon")]


def test_every_room_is_in_the_list_in_the_order_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract.get("exhaustive")]
    order = [room.strip() for layer in reversed(layers) for room in layer.split("|")]
    folders = {path.parent.name for path in (ROOT / "src" / "weyl").glob("*/room.py")} - {"kit"}
    listed = [room for room in order if room in folders]
    assert [import_module(f"weyl.{name}.room").ROOM for name in listed] == ROOMS


def test_no_two_rooms_claim_one_name() -> None:
    fields = {id(room): {name: getattr(room, name) for name in points.points(Room)} for room in ROOMS}
    parts = [Extension(name=f"room {number}", **fields[id(room)]) for number, room in enumerate(ROOMS)]
    assert list(points.problems(parts, extension_of(ROOMS))) == []
