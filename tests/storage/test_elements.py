"""Which elements a VO has, where files lie in them, and which doors serve whom: all pure."""

from typing import Any

import pytest
from tests.infra.app import config_document

from weyl.config.models import Config
from weyl.storage.elements import BadPath, Element, element_of, elements_of, path_of
from weyl.storage.errors import UnknownElement

WEB = {"Name": "web", "Protocol": "https", "URL": "https://se.example", "Path": "/grid", "VOPaths": {"vob": "/b"}}
LAN = {"Name": "lan", "Protocol": "https", "URL": "http://lan.example", "Path": "/grid", "Access": {"Read": ["lan"]}}
MOUNT = {"Name": "mount", "Protocol": "file", "Path": "/mnt/grid", "Access": {"Read": ["lan"], "Write": ["lan"]}}


def config_of(**elements: Any) -> Config:
    document = config_document()
    document["Resources"] = {**document["Resources"], "StorageElements": elements}  # type: ignore[dict-item]
    return Config.model_validate(document)


def element(vo: str = "voa", **settings: Any) -> Element:
    return elements_of(config_of(SE={"Sites": ["LCG.Alpha.org"], "Endpoints": [WEB, LAN, MOUNT], **settings}), vo)["SE"]


def names(found: Any) -> list[str]:
    return [endpoint.name for endpoint in found]


def test_a_vo_has_its_own_elements_and_those_of_everybody() -> None:
    config = config_of(ALL={}, MINE={"VOs": ["voa"]}, THEIRS={"VOs": ["vob"]})
    assert list(elements_of(config, "voa")) == ["ALL", "MINE"]
    with pytest.raises(UnknownElement, match="voa has no storage element THEIRS"):
        element_of(elements_of(config, "voa"), "voa", "THEIRS")


def test_a_file_lies_below_the_directory_of_its_vo() -> None:
    web = element().endpoints[0]
    assert path_of(web, "voa", "/voa/a/b") == "/grid/voa/a/b"
    assert path_of(web, "vob", "/vob/a") == "/b/vob/a"
    assert path_of(web.model_copy(update={"path": "/"}), "voa", "/voa/a") == "/voa/a"


@pytest.mark.parametrize("path", ["", "/", "voa/a", "/voa/../../etc", "/voa//a", "/voa/./a", "/voa/a/", "/voa/\0"])
def test_nothing_lies_elsewhere(path: str) -> None:
    with pytest.raises(BadPath):
        path_of(element().endpoints[0], "voa", path)


def test_a_path_may_be_too_long_for_an_element() -> None:
    short = element(PathMax=10)
    assert short.path(short.endpoints[0], "/voa/56789") == "/grid/voa/56789"
    with pytest.raises(BadPath, match="more than 10 bytes"):
        short.path(short.endpoints[0], "/voa/5678é")


def test_the_server_takes_the_first_door_that_serves() -> None:
    se = element()
    assert names(se.doors("read")) == ["web", "lan", "mount"]
    assert names(se.doors("write")) == ["web", "mount"]
    assert names(se.doors("remove")) == ["web"]
    assert names(se.doors("check")) == ["web", "lan", "mount"]
    assert names(se.doors("read", protocols=["file"])) == ["mount"]


def test_who_is_near_uses_the_doors_of_the_network_there_and_others_do_not() -> None:
    se = element()
    assert names(se.doors_from("read", "LCG.Alpha.org", ["https", "s3"])) == ["web", "lan"]
    assert names(se.doors_from("read", "LCG.Alpha.org", ["file", "https"])) == ["web", "lan", "mount"]
    assert names(se.doors_from("read", "LCG.Beta.org", ["file", "https"])) == ["web"]
    assert names(se.doors_from("read", None, ["file"])) == []
    far = element(Endpoints=[{**WEB, "Access": {"Read": ["wan"]}}, LAN])
    assert names(far.doors_from("read", "LCG.Alpha.org", ["https"])) == ["lan", "web"]
