"""What programs on worker nodes are given of the configuration: what their VO works by, and none of its people."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import httpx2
import pytest
from tests.infra.app import Application, Installation, config_document

from weyl.config.models import Config, with_sections
from weyl.config.parts import part_of
from weyl.config.section import OpenSection, Section
from weyl.config.service import CONFIG

SECRET = "s3cret"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation of the test's own, whose configuration it may change."""
    return Installation.create(tmp_path / "installation")


@pytest.mark.parametrize("path", ["/api/config/", "/api/config"])
async def test_pilots_and_payloads_read_what_concerns_their_vo_without_people(
    application: Application, installation: Installation, path: str
) -> None:
    changed: dict[str, Any] = config_document()
    alpha, beta = changed["Resources"]["Sites"].values()
    alpha["Managers"] = ["voa:alice-sub"]
    alpha["CEs"]["ce.alpha.org"] |= {"Credentials": "alpha", "DriverOptions": {"User": "grid"}}
    alpha["CEs"]["ce.alpha.org"]["Queues"]["of-b"] = {"VOs": ["vob"]}
    beta["VOs"] = ["vob"]
    changed["Tasks"] = {"Limits": {"jobs.clean": {"Concurrent": 1}}}
    installation.commit_config(changed, "What concerns nobody on a worker node")
    await application.services[CONFIG].refresh()
    stamp = "0" * 32
    for headers in (application.pilot(stamp), application.payload(1, stamp=stamp)):
        answer = await application.client.get(path, headers=headers)
        assert answer.status_code == 200
        document = answer.json()
        assert document["Operations"].keys() == {"voa"}
        assert document["Operations"]["voa"]["JobDescription"]["DefaultCPUTime"] == 86400
        (organisation,) = document["Registry"].values()
        assert organisation["DefaultGroup"] == "user"
        assert organisation["Users"] == {}
        assert organisation["Groups"]["user"]["Properties"] == ["NormalUser"]
        assert all(group["Users"] == [] for group in organisation["Groups"].values())
        assert document["Resources"]["Sites"].keys() == {"LCG.Alpha.org"}
        site = document["Resources"]["Sites"]["LCG.Alpha.org"]
        assert (site["Managers"], site["CEs"]["ce.alpha.org"]["Queues"].keys()) == ([], {"default"})
        for unseen in ("alice", 'alpha"', "grid", "jobs.clean", "of-b"):
            assert unseen not in answer.text


async def test_the_part_of_a_vo_is_written_once_and_keeps_its_etag_until_it_changes(
    application: Application, installation: Installation
) -> None:
    store, pilot = application.services[CONFIG], application.pilot("0" * 32)

    async def ask(**headers: str) -> httpx2.Response:
        return await application.client.get("/api/config/", headers=pilot | headers)

    first = await ask()
    assert store.current().part("voa") is store.current().part("voa")
    assert (await ask(**{"If-None-Match": first.headers["ETag"]})).status_code == 304
    other = (await application.client.get("/api/config/", headers=application.pilot("1" * 32, vo="vob"))).headers
    assert other["ETag"] != first.headers["ETag"]
    changed: dict[str, Any] = config_document()
    changed["Registry"]["voa"]["Users"]["new-sub"] = {"PreferedUsername": "new"}
    installation.commit_config(changed, "A new member")
    await store.refresh()
    assert (await ask(**{"If-None-Match": first.headers["ETag"]})).status_code == 304
    changed["Operations"]["voa"] = {"JobDescription": {"MaxPriority": 7}}
    installation.commit_config(changed, "Another priority")
    await store.refresh()
    assert (await ask(**{"If-None-Match": first.headers["ETag"]})).status_code == 200


def sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [model for argument in get_args(annotation) for model in sections_in(argument)]


def fill_free_places(model: type[Section], document: dict[str, Any], path: str = "") -> Iterator[str]:
    """Write a word of its own into every place of a document where its model takes anything; yield the words."""
    if issubclass(model, OpenSection):
        document["SecretKey"] = f"{SECRET}{path}.SecretKey"
        yield document["SecretKey"]
    for field in model.model_fields.values():
        name, place = str(field.alias), f"{path}.{field.alias}"
        sections = sections_in(field.annotation)
        if Any in (field.annotation, *get_args(field.annotation)) or dict[str, Any] in get_args(field.annotation):
            document[name] = {"Password": f"{SECRET}{place}"}
            yield document[name]["Password"]
        elif sections and get_origin(field.annotation) is dict:
            for key, entry in document.setdefault(name, {"one": {}}).items():
                yield from fill_free_places(sections[0], entry, f"{place}.{key}")
        elif len(sections) == 1 and get_origin(field.annotation) is not list:
            section = document.get(name, {})
            yield from fill_free_places(sections[0], section, place)
            if section:
                document[name] = section


@pytest.fixture
def document() -> dict[str, Any]:
    """A configuration with an entry in each mapping of which the model demands something."""
    made = config_document(["voa"])
    made["Operations"] = {
        "voa": {
            "InputData": {"Files": {"/voa/a": {"StorageElements": ["one"]}}},
            "Services": {"JobScheduling": {"MaxRescheduling": 7}},
        }
    }
    return made


def test_no_free_place_of_the_configuration_is_in_a_part(document: dict[str, Any]) -> None:
    words = list(fill_free_places(Config, document))
    assert {
        f"{SECRET}.{place}"
        for place in (
            "Systems",
            "WebApp",
            "LocalSite",
            "MCTestingDestination",
            "Extensions",
            "Operations.voa.Shifter",
            "Operations.voa.Services.Catalogs",
            "Operations.voa.Matching.Defaults",
            "Operations.voa.Tasks.Schedules.one.Arguments",
            "Resources.Sites.LCG.Alpha.org.CEs.ce.alpha.org.DriverOptions",
            "Resources.FTS.one.SecretKey",
        )
    } <= set(words)
    config = Config.model_validate(document)
    whole, part = (each.model_dump_json(by_alias=True) for each in (config, part_of(config, "voa")))
    assert [word for word in words if f'"{word}"' not in whole] == []
    assert [word for word in words if f'"{word}"' in part] == []
    assert SECRET not in part


DOOR = {"Name": "s3", "Protocol": "s3", "URL": "https://s3", "Bucket": "files", "Credentials": SECRET}


def test_a_part_is_a_configuration_with_what_is_declared_of_the_grid(document: dict[str, Any]) -> None:
    document["Resources"] |= {
        "Computing": {"OSCompatibility": {"x86_64-el9": ["x86_64-el8"]}},
        "StorageElements": {"one": {"Sites": ["LCG.Alpha.org"], "Medium": "tape", "Endpoints": [DOOR]}},
        "FTS": {"F": {"Status": {"Status": "Banned"}, "Token": SECRET}},
    }
    config = Config.model_validate(document)
    part = part_of(config, "voa")
    assert Config.model_validate_json(part.model_dump_json(by_alias=True)) == part
    assert part.operations["voa"].services.job_scheduling.max_rescheduling == 7
    assert part.operations["voa"].input_data == config.operations["voa"].input_data
    assert part.resources.computing == config.resources.computing
    storage, server = part.resources.storage_elements["one"], part.resources.fts["F"]
    assert (storage.sites, storage.medium, storage.endpoints) == (["LCG.Alpha.org"], "tape", [])
    assert (server.status, server.model_extra) == (config.resources.fts["F"].status, {})


def test_what_extensions_are_told_is_in_no_part(document: dict[str, Any]) -> None:
    class Catalogue(Section):
        token: str

    document["Extensions"] = {"catalogue": {"Token": SECRET}}
    config = with_sections({"catalogue": Catalogue}).model_validate(document)
    assert config.section(Catalogue).token == SECRET
    part = part_of(config, "voa").model_dump_json(by_alias=True)
    assert SECRET not in part
    Config.model_validate_json(part)
