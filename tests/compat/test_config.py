"""The configuration as DiracX's client gets it (flows 15 and 16)."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from tests.compat.clients import Person, eventually
from tests.compat.installation import GROUPS, RESCHEDULES_MAX, VOS
from weyl.config.administration import Document, change_repository
from weyl.demo.installation import AUTHOR

pytestmark = pytest.mark.xdist_group("compat")

NOT_MODIFIED = {"match_condition": {"$match": "IfModified"}}
"""The client's word for `If-None-Match`; it puts the tag in quotes."""


def test_the_dump_is_the_committed_configuration_with_defaults(alice: Person) -> None:
    config = alice.dirac_json("config", "dump")
    assert {"DIRAC", "Registry", "Operations"} <= config.keys()
    assert "Defaults" not in config["Operations"]
    assert sorted(config["Registry"]) == sorted(config["Operations"]) == list(VOS)
    registry = config["Registry"]["voa"]
    assert registry["DefaultProxyLifeTime"] == 43200
    assert registry["DefaultStorageQuota"] == 0
    assert {user["PreferedUsername"] for user in registry["Users"].values()} == {"alice", "bob", "max"}
    assert {name: sorted(group["Properties"]) for name, group in registry["Groups"].items()} == {
        name: sorted(properties) for name, properties in GROUPS.items()
    }
    group = registry["Groups"]["user"]
    assert (group["JobShare"], group["AllowBackgroundTQs"], group["AutoAddVOMS"]) == (1000, False, False)
    assert group["Users"] == sorted(group["Users"])
    operations = config["Operations"]["voa"]
    assert operations["Services"]["JobScheduling"]["MaxRescheduling"] == RESCHEDULES_MAX
    assert operations["Services"]["JobMonitoring"]["GlobalJobsInfo"] is True
    limits = operations["JobDescription"]
    assert (limits["DefaultCPUTime"], limits["MaxPriority"], limits["MaxInputData"]) == (86400, 10, 100)
    assert sorted(limits["AllowedJobTypes"]) == ["Hospital", "Test", "User"]


def test_an_unchanged_configuration_is_304(alice: Person, mode: str) -> None:
    first = alice.call(mode, "config.serve_config")
    first.ok()
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    assert '"' not in tag
    same = alice.call(mode, "config.serve_config", etag=tag, **NOT_MODIFIED)
    assert (same.error, same.status, same.headers["etag"]) == ("ResourceNotModifiedError", 304, tag)
    assert alice.call(mode, "config.serve_config", etag="other", **NOT_MODIFIED).status == 200
    at = parsedate_to_datetime(modified)
    later = format_datetime(at + timedelta(seconds=1), usegmt=True)
    assert alice.call(mode, "config.serve_config", if_modified_since=later).status == 304
    assert alice.call(mode, "config.serve_config", if_modified_since=modified).status == 200
    assert alice.call(mode, "config.serve_config", if_modified_since="yesterday").status == 200
    assert at <= datetime.now(UTC)


def test_a_commit_is_served_within_ten_seconds(alice: Person, mode: str) -> None:
    before = alice.call(mode, "config.serve_config").headers["etag"]

    def change(document: Document) -> Document:
        document["Registry"]["voa"]["Support"] = {"Message": f"changed for {mode}"}
        return document

    url = alice.stack.files.config_url
    asyncio.run(change_repository(url, change, message="Another message", author=AUTHOR))

    def fresh() -> object:
        answer = alice.call(mode, "config.serve_config", etag=before, **NOT_MODIFIED)
        return answer.value if answer.status == 200 else None

    config = eventually(fresh, timeout_s=60, what="the new revision")
    assert config["Registry"]["voa"]["Support"]["Message"] == f"changed for {mode}"  # type: ignore[index]
