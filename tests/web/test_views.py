"""Every view works: what it declares exists, its calls are answered, and its columns are in what they answer."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.infra.app import GROUPS, Application

from weyl.activation import activate
from weyl.app import create_app
from weyl.builtin import BUILTIN
from weyl.cli.tree import root_command
from weyl.kit.view_rules import calls_of
from weyl.kit.views import ApiCall, Column, View
from weyl.settings import Settings

PAGES_TS = Path(__file__).resolve().parents[2] / "web" / "src" / "pages.ts"
VIEWS = {view.name: view for view in activate([BUILTIN]).views}
DOCUMENT = create_app(Settings()).openapi()
# But for the one that makes a person a pilot, who reads nothing.
EVERYTHING = sorted(
    {name for names in GROUPS.values() for name in names} - {"GenericPilot"} | {"Operator", "SiteManager"}
)
# Hand-written pages, by the entry of the navigation that they are or belong to: `web/src/pages.ts`.
WRITTEN = re.findall(r'title: "(.*?)"(?:(?!title:).)*?(?:entry: "(.*?)"|load:)', PAGES_TS.read_text(), re.DOTALL)
ENTRIES_MAX = 12
LISTS = ("in", "not in", "between")
# What makes sense only in a form of its own.
VALUES = {"GUID": "0bd06b5c-51f6-4d1a-9a46-1c1f4c1c7d6c", "Checksum": "adler32:0a1b2c3d"}
Login = Callable[..., dict[str, str]]

FILLED: dict[str, Any] = {
    "{$home}": "/voa/user/a/alice",
    "{$under}": None,
    "{$depth}": None,
    "{$node}": "",
    "{$cursor}": "",
    "{$me}": "alice",
    "{$vo}": "voa",
    "{$search}": [],
    "{$sort}": [],
}


def filled(value: Any, given: Mapping[str, Any]) -> Any:
    """Return a template with its placeholders replaced, as the page does it."""
    if isinstance(value, str):
        return given.get(value, value)
    if isinstance(value, Mapping):
        return {key: filled(each, given) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, given) for each in value]
    return value


def top_level(columns: Iterable[Column]) -> set[str]:
    """Return the names that an answer must have for columns, some of which lead into mappings of it."""
    return {column.name.partition(".")[0] for column in columns if column.shown}


async def ask(client: httpx2.AsyncClient, headers: dict[str, str], call: ApiCall, **given: Any) -> httpx2.Response:
    """Send a call that needs no row."""
    values = FILLED | {f"{{${name}}}": value for name, value in given.items()}
    body = None if call.body is None else filled(call.body, values)
    query = {name: value for name, value in filled(call.query, values).items() if value != ""}
    return await client.request(call.method, call.path, params=query, json=body, headers=headers)


def operation(call: ApiCall) -> dict[str, Any]:
    """Return what the API's document says of the route of a call, whatever the names in its path are."""
    wanted = _unnamed(call.path)
    for path, operations in DOCUMENT["paths"].items():
        if _unnamed(path) == wanted and call.method.lower() in operations:
            return dict(operations[call.method.lower()])
    raise AssertionError(f"{call.method} {call.path} is not in the document")


def _unnamed(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema or "allOf" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    return schema


def answered(call: ApiCall) -> Mapping[str, Any]:
    """Return the schema of what a call is made for."""
    answers = operation(call)["responses"]
    schema = resolved(answers["200"]["content"]["application/json"]["schema"])
    if call.under is not None:
        schema = resolved(schema["properties"][call.under])
    return resolved(schema["items"]) if schema.get("type") == "array" else schema


def test_the_navigation_stays_short() -> None:
    entries = {view.nav_entry or view.title for view in VIEWS.values() if view.nav_group}
    entries |= {entry or title for title, entry in WRITTEN}
    assert {"Home", "Submit", "Jobs", "Sites"} <= entries
    assert len(entries) <= ENTRIES_MAX, f"make related views tabs of one entry (`nav_entry`): {sorted(entries)}"


def every_call() -> Iterator[tuple[View, str, ApiCall]]:
    for view in VIEWS.values():
        for place, call, _ in calls_of(view):
            yield view, place, call


@pytest.mark.parametrize(("view", "place", "call"), [(v.name, p, c) for v, p, c in every_call()])
def test_every_call_is_in_the_document(view: str, place: str, call: ApiCall) -> None:
    known = operation(call)
    queries = {each["name"] for each in known.get("parameters", ()) if each["in"] == "query"}
    assert set(call.query) <= queries, f"{view}: {place}"
    if call.body is None or "requestBody" not in known:
        assert (call.body is None) == ("requestBody" not in known), f"{view}: {place}"
        return
    schema = resolved(known["requestBody"]["content"]["application/json"]["schema"])
    schema = resolved(schema["items"]) if call.each else schema
    if isinstance(call.body, list):
        assert schema["type"] == "array", f"{view}: {place}"
        return
    fields = schema.get("properties", {})
    assert set(call.body) <= set(fields), f"{view}: {place}"
    required = {name for name in schema.get("required", ()) if name not in call.body}
    assert required == set(), f"{view}: {place}"


@pytest.mark.parametrize("name", sorted(VIEWS))
async def test_every_list_is_answered_and_has_its_columns(application: Application, name: str) -> None:
    view, headers = VIEWS[name], application.login(group="admin", properties=EVERYTHING)
    columns = [column.name for column in view.columns if column.shown]
    if not view.search.filters:
        answer = await ask(application.client, headers, view.search)
        assert answer.status_code == 200, answer.text
        rows = answer.json() if view.search.under is None else answer.json()[view.search.under]
        wanted = top_level(view.columns)
        assert rows == [] or wanted <= set(rows[0])
        fields = answered(view.search).get("properties")
        assert fields is None or wanted <= set(fields)
        return
    since = (datetime.now(UTC) - timedelta(days=7)).isoformat()
    conditions = [
        each.model_dump(exclude_none=True) | ({"value": since} if each.value == "-7d" else {})
        for each in view.default_filter
        if each.operator != "under"
    ]
    sorts = [[key.model_dump()] for key in view.default_sort]
    sorts += [[{"parameter": column.name, "direction": "asc"}] for column in view.columns if column.sortable]
    for sort in sorts:
        answer = await ask(
            application.client, headers, view.search, columns=columns, search=filled(conditions, FILLED), sort=sort
        )
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", [name for name, view in sorted(VIEWS.items()) if view.search.filters])
async def test_every_operator_that_a_column_declares_is_understood(application: Application, name: str) -> None:
    view, headers = VIEWS[name], application.login(group="admin", properties=EVERYTHING)
    samples = {"int": "1", "bytes": "1", "float": "1", "duration": "1", "time": "2026-11-25", "bool": "true"}
    for column in filter(lambda column: column.filterable, view.columns):
        value = VALUES.get(column.name) or samples.get(column.type, "x")
        for operator in column.operators:
            condition = {"parameter": column.name, "operator": operator, **_said(operator, value)}
            answer = await ask(
                application.client,
                headers,
                view.search,
                columns=[column.name] if column.shown else [],
                search=[] if operator == "under" else [condition],
                # Some conditions alone would look at every row of a VO.
                under="/voa" if view.tree_column else None,
            )
            assert answer.status_code == 200, f"{column.name} {operator}: {answer.text}"


def _said(operator: str, value: str) -> dict[str, Any]:
    if operator in ("exists", "missing"):
        return {}
    return {"values": [value] * (2 if operator == "between" else 1)} if operator in LISTS else {"value": value}


@pytest.mark.parametrize("name", [name for name, view in sorted(VIEWS.items()) if view.summary])
async def test_every_grouping_is_counted(application: Application, name: str) -> None:
    view, headers = VIEWS[name], application.login(group="admin", properties=EVERYTHING)
    assert view.summary is not None
    for grouping in view.groupings:
        answer = await ask(application.client, headers, view.summary, grouping=[grouping])
        assert answer.status_code == 200, answer.text
    for column in view.columns:
        if isinstance(column.values, ApiCall):
            assert (await ask(application.client, headers, column.values)).status_code == 200


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_the_columns_of_tabs_are_answered(name: str) -> None:
    for tab in VIEWS[name].tabs:
        if tab.call is not None and tab.columns:
            assert top_level(tab.columns) - {"name"} <= _names_in(answered(tab.call)), tab.name


def _names_in(schema: Mapping[str, Any]) -> set[str]:
    """Return the names in an answer; of a mapping, or of several lists under their names, those in each part."""
    if isinstance(schema.get("additionalProperties"), Mapping):
        return set(resolved(schema["additionalProperties"])["properties"])
    parts = [resolved(part) for part in schema["properties"].values() if "$ref" in part]
    lists = [resolved(part["items"]) for part in schema["properties"].values() if part.get("type") == "array"]
    inner = (set(part.get("properties", ())) for part in (*parts, *lists))
    return set(schema["properties"]).union(*inner)


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_commands_that_a_view_tells_exist(name: str) -> None:
    view = VIEWS[name]
    told = [view.cli, *(action.cli for action in view.actions)]
    for command in filter(None, told):
        group: Any = root_command()
        program, *words = command.split()
        assert program == "weyl"
        while words and hasattr(group, "get_command"):
            group = group.get_command(None, words.pop(0))
            assert group is not None, command
        options = {option for parameter in group.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, command


async def served(client: httpx2.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    answer = await client.get("/api/ui/views", headers=headers)
    assert answer.status_code == 200, answer.text
    return {view["name"]: view for view in answer.json()["views"]}


def _ban_form(views: Mapping[str, Any]) -> Mapping[str, Any]:
    [ban] = [action for action in views["sites"]["actions"] if action["name"] == "ban"]
    return dict(ban["fields"]["properties"])


async def test_everybody_sees_what_they_may_use(client: httpx2.AsyncClient, login: Login) -> None:
    user, keeper = await served(client, login()), await served(client, login(group="service"))
    assert {"jobs", "pilots", "sites"} <= user.keys()
    assert not {"tasks", "dead-letters", "task-queues"} & user.keys()
    assert {"tasks", "dead-letters", "task-queues", "sites"} <= keeper.keys()
    assert "jobs" not in keeper
    # Nor the jobs of a site: a tab of a list that is not theirs is not there either.
    assert [tab["name"] for tab in keeper["sites"]["tabs"]] == ["overview", "said", "history", "pilots", "ces"]
    assert "jobs" in {tab["name"] for tab in user["sites"]["tabs"]}
    # They would be refused the changes of jobs, and have those of the queues.
    assert {keeper[name]["events_topic"] for name in ("task-queues", "shares", "limits")} == {"queues"}
    assert user["jobs"]["events_topic"] == "jobs"
    assert [action["name"] for action in user["jobs"]["actions"]] == ["kill", "reschedule", "delete"]
    assert user["sites"]["actions"] == []
    operator = await served(client, login(properties=["Operator"]))
    assert [action["name"] for action in operator["sites"]["actions"]] == ["ban", "allow", "drain", "undrain"]
    # Only who may speak for every VO is asked for which.
    assert list(_ban_form(operator)) == ["reason", "expires_at"]
    manager = await served(client, login(properties=["SiteManager"]))
    for views in (keeper, manager):
        assert _ban_form(views)["vo"]["enum"] == ["", "all"]
        assert _ban_form(views)["vo"]["x-labels"] == ["Your VO", "Every VO"]
    assert list(user) == [view.name for view in sorted(VIEWS.values(), key=_place) if view.name in user]


def _place(view: View) -> tuple[int, str]:
    return view.nav_order, view.name


async def test_a_view_is_sent_once_until_it_changes(client: httpx2.AsyncClient, login: Login) -> None:
    first = await client.get("/api/ui/views", headers=login())
    assert first.headers["cache-control"] == "private, no-cache"
    again = await client.get("/api/ui/views", headers={**login("bob"), "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get("/api/ui/views", headers={**login(group="admin"), "If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
