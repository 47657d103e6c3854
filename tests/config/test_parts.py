"""What programs on worker nodes are given of the configuration: what their VO works by, and none of its people."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.infra.app import Application, Installation, config_document


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
    await application.app.state.config.refresh()
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
    store, pilot = application.app.state.config, application.pilot("0" * 32)

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
