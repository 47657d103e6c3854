"""Changing the configuration over HTTP: who may, what is refused, what a commit says, and what editors need."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
import yaml
from tests.infra.app import Application, Installation, config_document, running_application

from weyl.demo.seaweedfs import RunningStore

Login = Callable[..., dict[str, str]]


@pytest.fixture
async def own(database_url: str, object_store: RunningStore, tmp_path: Path) -> AsyncIterator[Application]:
    """An application with a configuration repository of its own."""
    installation = Installation.create(tmp_path / "own")
    async with running_application(installation, database_url, object_store) as application:
        yield application


async def newest(own: Application) -> dict[str, Any]:
    answer = await own.client.get("/api/config/revisions/newest", headers=own.login(group="cs"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def change(own: Application, headers: dict[str, str], **order: object) -> httpx2.Response:
    return await own.client.post("/api/config/changes", json=order, headers=headers)


@pytest.mark.parametrize("group", ["user", "admin", "service", "pilot"])
async def test_only_administrators_of_the_configuration_change_it(own: Application, group: str) -> None:
    before = await newest(own)
    order = {"base": before["Revision"], "document": "DIRAC: {}\nRegistry: {}\n", "message": "x"}
    for dry_run in (True, False):
        assert (await change(own, own.login(group=group), **order, dry_run=dry_run)).status_code == 403
    assert (await change(own, {}, **order)).status_code == 401
    assert (await change(own, own.pilot("0" * 32), **order)).status_code == 403
    assert await newest(own) == before


@pytest.mark.parametrize("group", ["user", "admin", "pilot"])
@pytest.mark.parametrize("path", ["/api/config/revisions/newest", "/api/config/revisions/0123", "/api/config/history"])
async def test_what_the_document_does_not_show_is_for_administrators(own: Application, path: str, group: str) -> None:
    assert (await own.client.get(path, headers=own.login(group=group))).status_code == 403
    assert (await own.client.get(path)).status_code == 401


async def test_a_change_is_a_commit_by_that_user_and_served_at_once(own: Application) -> None:
    headers, before = own.login("bob", group="cs"), await newest(own)
    document = config_document()
    document["Operations"] = {"Defaults": {"JobDescription": {"DefaultPriority": 7}}}
    text = json.dumps(document, indent=1)
    answer = await change(own, headers, base=before["Revision"], document=text, message="Raise it\n\nTwice.")
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["problems"], made["is_current"], made["base"]) == ([], True, before["Revision"])
    assert made["revision"] == made["newest"]
    assert '+    "DefaultPriority": 7' in made["diff"]
    served = await own.client.get("/api/config/", headers=headers)
    assert served.headers["ETag"] == made["revision"]
    assert served.json()["Operations"]["voa"]["JobDescription"]["DefaultPriority"] == 7
    (shown, *_) = (await own.client.get("/api/config/history", headers=headers)).json()
    assert (shown["Author"], shown["Message"]) == ("bob <bob@voa>", "Raise it")
    again = await change(own, headers, base=made["revision"], document=text, message="Again")
    assert (again.json()["revision"], again.json()["diff"]) == (None, "")


async def test_faults_are_told_by_line_and_nothing_is_changed(own: Application) -> None:
    headers, before = own.login(group="cs"), await newest(own)
    for document, line, path in [
        ("DIRAC: {}\nRegistri: {}\n", 2, "Registri"),
        ("DIRAC: {}\nRegistry: [\n", 3, ""),
        ("", 0, ""),
        ("DIRAC: {}\nRegistry:\n  voa: {Users: 3}\n", 3, "Registry.voa.Users"),
        ("\x00", 0, ""),
    ]:
        order = {"base": before["Revision"], "document": document, "message": "x"}
        tried = await change(own, headers, **order, dry_run=True)
        assert tried.status_code == 200, tried.text
        assert (line, path) in [(each["line"], each["path"]) for each in tried.json()["problems"]]
        refused = await change(own, headers, **order)
        assert refused.status_code == 400
        assert refused.json()["problems"] == tried.json()["problems"]
        assert str(refused.json()["detail"])
    assert await newest(own) == before


async def test_a_change_of_something_old_is_409_and_names_the_newest(own: Application) -> None:
    headers, before = own.login(group="cs"), await newest(own)
    first = await change(own, headers, base=before["Revision"], document=before["Text"] + "\n# one\n", message="One")
    assert first.status_code == 200
    order = {"base": before["Revision"], "document": before["Text"] + "\n# two\n", "message": "Two"}
    late = await change(own, headers, **order)
    assert late.status_code == 409
    assert late.json()["newest"] == first.json()["revision"]
    tried = (await change(own, headers, **order, dry_run=True)).json()
    assert (tried["is_current"], tried["newest"]) == (False, first.json()["revision"])
    assert "+# two" in tried["diff"]
    assert (await newest(own))["Text"].endswith("# one\n")
    nowhere = await change(own, headers, base="nowhere", document="DIRAC: {}\nRegistry: {}\n", dry_run=True)
    assert nowhere.status_code == 404


@pytest.mark.parametrize("message", ["", "  \n", "a\x00b"])
async def test_a_change_says_why(own: Application, message: str) -> None:
    before = await newest(own)
    answer = await change(
        own, own.login(group="cs"), base=before["Revision"], document=before["Text"] + "# x\n", message=message
    )
    assert answer.status_code == 400
    assert "message" in answer.json()["detail"].lower()
    assert await newest(own) == before


async def test_nobody_locks_themselves_out(own: Application) -> None:
    headers, before = own.login(group="cs"), await newest(own)
    without_vo = config_document(["vob"])
    without_group, without_property = config_document(), config_document()
    del without_group["Registry"]["voa"]["Groups"]["cs"]  # type: ignore[index]
    without_property["Registry"]["voa"]["Groups"]["cs"]["Properties"] = ["NormalUser"]  # type: ignore[index]
    for document in (without_vo, without_group, without_property):
        order = {"base": before["Revision"], "document": json.dumps(document), "message": "x"}
        assert (
            (await change(own, headers, **order, dry_run=True)).json()["problems"][0]["path"].startswith("Registry.voa")
        )
        refused = await change(own, headers, **order)
        assert refused.status_code == 400
        assert "could not take this back" in refused.json()["detail"]
    assert await newest(own) == before


async def test_line_ends_of_browsers_are_no_change(own: Application) -> None:
    before = await newest(own)
    document = before["Text"].rstrip("\n").replace("\n", "\r\n")
    answer = await change(
        own, own.login(group="cs"), base=before["Revision"], document=document + "\r\n# x", message="x"
    )
    assert [line[:20] for line in answer.json()["diff"].splitlines() if line[:1] in "+-"][:3] == [
        "--- a/default.yml",
        "+++ b/default.yml",
        "-}",
    ]
    assert "\r" not in (await newest(own))["Text"]


async def test_an_old_document_is_put_back_by_a_change(own: Application) -> None:
    headers, before = own.login(group="cs"), await newest(own)
    await change(own, headers, base=before["Revision"], document=json.dumps(config_document()), message="Oh")
    broken = await newest(own)
    assert broken["IsNewest"] is True
    old = (await own.client.get(f"/api/config/revisions/{before['Revision'][:12]}", headers=headers)).json()
    assert old["IsNewest"] is False
    assert old["Document"] == yaml.safe_load(old["Text"])
    back = await change(own, headers, base=broken["Revision"], document=old["Text"], message="Put it back")
    assert back.status_code == 200
    between = {"from": before["Revision"], "to": back.json()["revision"]}
    diff = (await own.client.get("/api/config/diff", params=between, headers=headers)).json()["diff"]
    assert "No newline at end of file" in diff or diff == ""
    again = await change(own, headers, base=back.json()["revision"], document=old["Text"], message="Again")
    assert again.json()["diff"] == ""


async def test_a_revision_that_is_no_configuration_is_shown_with_its_faults(
    own: Application, database_url: str, object_store: RunningStore, tmp_path: Path
) -> None:
    installation = Installation.create(tmp_path / "other")
    async with running_application(installation, database_url, object_store) as other:
        installation.commit_config("DIRAC: {}\nRegistry: [\n", "Break it")
        shown = await newest(other)
        assert shown["Document"] is None
        assert [each["line"] for each in shown["Problems"]] == [3]
        assert shown["Message"] == "Break it"


async def test_history_comes_in_pages_that_new_commits_do_not_shift(own: Application) -> None:
    headers, seen = own.login(group="cs"), []
    for number in range(3):
        before = await newest(own)
        document = before["Text"] + f"\n# {number}\n"
        await change(own, headers, base=before["Revision"], document=document, message=str(number))
    path: str | None = "/api/config/history?limit=2"
    while path:
        answer = await own.client.get(path, headers=headers)
        seen += [each["Message"] for each in answer.json()]
        link = answer.headers.get("Link")
        path = link[1:].partition(">")[0] if link else None
    assert seen == ["2", "1", "0", "Start"]


async def test_the_schema_is_for_editors_and_fits_the_document(own: Application) -> None:
    assert (await own.client.get("/api/config/schema")).status_code == 401
    schema = (await own.client.get("/api/config/schema", headers=own.login())).json()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    document = config_document()
    document["Operations"] = {"Defaults": {"JobHealth": {"ReportEvery": 60}}, "voa": {}}
    assert list(validator.iter_errors(document)) == []
    document["Operations"] = {"Defaults": {"JobHelth": {}}}
    assert list(validator.iter_errors(document))
