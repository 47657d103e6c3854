"""Which replica is read first, which element is written to, and what is never asked while it is closed."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.storage.test_elements import config_of

from weyl.config.models import Config
from weyl.kit.clock import utcnow
from weyl.resource_status.statuses import Usable
from weyl.storage.drivers.http import open_session
from weyl.storage.drivers.issuers import Issuing
from weyl.storage.drivers.known import KNOWN_STORAGE
from weyl.storage.errors import ClosedElement, UnknownElement
from weyl.storage.service.access import Reader, access, targets
from weyl.storage.service.reach import Means, Storages
from weyl.storage.token_keys import TokenKeys, generate_token_keys

ALPHA, BETA = "LCG.Alpha.org", "LCG.Beta.org"


@dataclass(frozen=True)
class File:
    """A file of the catalogue, as far as access needs it."""

    replicas: list[tuple[str, str, str]]


def s3(bucket: str) -> dict[str, Any]:
    return {"Name": "s3", "Protocol": "s3", "URL": "https://s3.example", "Bucket": bucket, "Credentials": "keys"}


CONFIG = config_of(
    FAR={"Sites": [BETA], "Endpoints": [s3("far")]},
    NEAR={"Sites": [ALPHA], "Endpoints": [s3("near")]},
    MOUNT={"Sites": [ALPHA], "Endpoints": [{"Name": "mount", "Protocol": "file", "Path": "/nowhere"}]},
    TOKENS={
        "Endpoints": [
            {
                "Name": "web",
                "Protocol": "https",
                "URL": "https://web.example",
                "Path": "/grid",
                "Auth": {"Kind": "token", "Audience": "x"},
            }
        ]
    },
    TAPE={"Medium": "tape", "Sites": [ALPHA], "Endpoints": [s3("tape")]},
    THEIRS={"VOs": ["vob"], "Endpoints": [s3("theirs")]},
    EMPTY={"Sites": [ALPHA]},
)
PLACES = ["FAR", "NEAR", "MOUNT", "TOKENS", "TAPE"]


@dataclass
class Judge:
    """Says which elements are closed, and is asked each time."""

    closed: dict[tuple[str, str], str] = field(default_factory=dict)

    def __call__(self, vo: str, se: str, kind: str) -> Usable:
        return Usable(self.closed.get((se, kind)))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections, of which these tests open none."""
    async with open_session() as found:
        yield found


@pytest.fixture
def judge() -> Judge:
    """Nothing is closed until a test says so."""
    return Judge()


@pytest.fixture
def storages(session: aiohttp.ClientSession, tmp_path: Path, judge: Judge) -> Storages:
    """The elements of this installation."""
    (tmp_path / "keys").mkdir()
    secret = tmp_path / "keys" / "s3-key"
    secret.write_text(json.dumps({"access_key": "A", "secret_key": "S"}))
    secret.chmod(0o600)
    (tmp_path / "tokens.json").write_text(generate_token_keys())
    issuing = Issuing(TokenKeys(tmp_path / "tokens.json"), "https://weyl.test", lambda _: None)
    return Storages(Means(KNOWN_STORAGE, session, issuing, tmp_path, lambda _: None), judge)


def reader(**changes: Any) -> Reader:
    return Reader(**{"subject": "voa:alice", "site": ALPHA, "ttl_s": 600, "now": utcnow(), **changes})


def file(*ses: str, **statuses: str) -> File:
    return File([(se, statuses.get(se, "Good"), f"/voa/{se}") for se in ses])


async def order_of(storages: Storages, found: Mapping[str, File], **changes: Any) -> list[str]:
    made = await access(storages, CONFIG, "voa", found, reader=reader(**changes))
    return [each.se for each in made.requests.get("/voa/a", [])]


async def test_ones_own_site_comes_first_suspect_replicas_last(storages: Storages) -> None:
    assert await order_of(storages, {"/voa/a": file("FAR", "NEAR", "TOKENS")}) == ["NEAR", "FAR", "TOKENS"]
    assert await order_of(storages, {"/voa/a": file("FAR", "NEAR")}, site=BETA) == ["FAR", "NEAR"]
    assert await order_of(storages, {"/voa/a": file("FAR", "NEAR", NEAR="Suspect")}) == ["FAR", "NEAR"]
    assert await order_of(storages, {"/voa/a": file("FAR", "NEAR", NEAR="Bad")}) == ["FAR"]


async def test_mounted_directories_are_for_those_who_ask_and_come_last(storages: Storages) -> None:
    found = {"/voa/a": file("MOUNT", "FAR")}
    assert await order_of(storages, found) == ["FAR"]
    assert await order_of(storages, found, protocols=["file", "s3"]) == ["FAR", "MOUNT"]
    assert await order_of(storages, found, protocols=["file"], site=BETA) == ["MOUNT"]


async def test_what_is_closed_or_on_tape_is_left_out_and_told_if_nothing_is_left(
    storages: Storages, judge: Judge
) -> None:
    judge.closed["NEAR", "read"] = "NEAR may not be used for read: full of dust"
    found = {"/voa/a": file("NEAR", "FAR"), "/voa/b": file("NEAR", "TAPE", "EMPTY", "GONE", "THEIRS")}
    made = await access(storages, CONFIG, "voa", {**found, "/voa/c": File([])}, reader=reader())
    assert [each.se for each in made.requests["/voa/a"]] == ["FAR"]
    assert "/voa/a" not in made.closed
    for reason in ("full of dust", "TAPE keeps it on tape", "EMPTY has no endpoint", "GONE is no storage element"):
        assert reason in made.closed["/voa/b"]
    assert "THEIRS is no storage element any more" in made.closed["/voa/b"]
    assert made.closed["/voa/c"] == "it has no replica"
    judge.closed.clear()
    assert [each.se for each in (await access(storages, CONFIG, "voa", found, reader=reader())).requests["/voa/b"]] == [
        "NEAR"
    ]


async def test_requests_are_whole_and_show_no_secret(storages: Storages) -> None:
    made = await access(storages, CONFIG, "voa", {"/voa/a": file("NEAR", "TOKENS")}, reader=reader())
    near, tokens = (each.as_json()["request"] for each in made.requests["/voa/a"])
    assert near["url"].startswith("https://s3.example/near/voa/NEAR?response-content-disposition=attachment&X-Amz-")
    assert (near["method"], near["headers"], near["protocol"]) == ("GET", {}, "s3")
    assert (tokens["url"], tokens["protocol"]) == ("https://web.example/grid/voa/TOKENS", "https")
    assert tokens["headers"]["Authorization"].startswith("Bearer ey")
    assert "Bearer" not in repr(made)
    assert "X-Amz" not in repr(made)


async def test_an_element_whose_keys_are_missing_is_told_and_the_others_serve(
    storages: Storages, tmp_path: Path
) -> None:
    (tmp_path / "keys" / "s3-key").unlink()
    made = await access(
        storages, CONFIG, "voa", {"/voa/a": file("NEAR", "TOKENS"), "/voa/b": file("NEAR")}, reader=reader()
    )
    assert [each.se for each in made.requests["/voa/a"]] == ["TOKENS"]
    assert "the credentials keys have no s3-key" in made.closed["/voa/b"]
    assert storages.health("NEAR").state == "failing"


def test_targets_are_those_asked_for_or_those_of_the_site_or_all(storages: Storages, judge: Judge) -> None:
    assert targets(storages, CONFIG, "voa", None, site=BETA) == ["FAR", "NEAR", "MOUNT"]
    assert targets(storages, CONFIG, "voa", None, site=None, most=9) == ["FAR", "NEAR", "MOUNT", "TOKENS"]
    assert targets(storages, CONFIG, "voa", ["TOKENS", "FAR", "TOKENS"], site=ALPHA) == ["TOKENS", "FAR"]
    judge.closed["TOKENS", "write"] = "TOKENS may not be used for write: full"
    assert targets(storages, CONFIG, "voa", ["TOKENS", "FAR"], site=ALPHA) == ["FAR"]
    with pytest.raises(ClosedElement, match="full"):
        targets(storages, CONFIG, "voa", ["TOKENS"], site=ALPHA)
    for name in ("THEIRS", "NONE"):
        with pytest.raises(UnknownElement, match=f"voa has no storage element {name}"):
            targets(storages, CONFIG, "voa", [name], site=ALPHA)
    with pytest.raises(UnknownElement):
        targets(storages, CONFIG, "voa", ["EMPTY"], site=ALPHA)


def test_a_closed_element_is_not_reached_and_a_door_that_changed_is_made_anew(storages: Storages, judge: Judge) -> None:
    reached = storages.open(CONFIG, "NEAR", vo="voa", access="read")
    assert storages.open(CONFIG, "NEAR", vo="voa", access="remove").driver is reached.driver
    changed = config_of(NEAR={"Endpoints": [s3("other")]})
    assert storages.open(changed, "NEAR", vo="voa", access="read").driver is not reached.driver
    judge.closed["NEAR", "read"] = "NEAR is draining: until it is gone"
    with pytest.raises(ClosedElement, match="draining"):
        storages.open(CONFIG, "NEAR", vo="voa", access="read")
    storages.open(CONFIG, "NEAR", vo="voa", access="write")
    with pytest.raises(UnknownElement):
        storages.open(CONFIG, "NEAR", vo="voa", access="write", protocols=["https"])


def test_a_client_gets_the_door_that_it_can_use(storages: Storages) -> None:
    mount = {"Name": "mount", "Protocol": "file", "Path": "/nowhere", "Access": {"Write": ["lan"]}}
    config = config_of(SE={"Sites": [ALPHA], "Endpoints": [mount, s3("near")]}, LOCAL={"Endpoints": [mount]})
    asked = {"vo": "voa", "access": "write"}

    def door(site: str | None, *protocols: str) -> str:
        return storages.open_for(config, "SE", site=site, protocols=protocols or None, **asked).endpoint.name

    assert (door(None), door(ALPHA), door(ALPHA, "file", "s3"), door(ALPHA, "file")) == ("s3", "s3", "s3", "mount")
    for site, protocols in ((BETA, ["file"]), (ALPHA, ["https"])):
        with pytest.raises(UnknownElement):
            storages.open_for(config, "SE", site=site, protocols=protocols, **asked)
    with pytest.raises(UnknownElement, match="that this client can use"):
        storages.open_for(config, "LOCAL", site=None, protocols=None, **asked)


def test_the_drivers_of_two_vos_know_different_directories(storages: Storages) -> None:
    config: Config = CONFIG
    mine = storages.open(config, "NEAR", vo="voa", access="write")
    theirs = storages.open(config, "NEAR", vo="vob", access="write")
    assert mine.driver is not theirs.driver
