"""What a view must keep to: each mistake is told in a sentence, and additions become part of what they are added to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from weyl.kit import points
from weyl.kit.view_rules import CLAIMS, addition_problems, entry_problems, merged, problems
from weyl.kit.views import Action, ApiCall, Column, Condition, SortKey, Status, Tab, View, ViewAddition, placeholders_of

LIST = ApiCall(method="GET", path="/api/things")
ROUTES = {("GET", "/api/things"), ("POST", "/api/things/{name}")}


@dataclass(frozen=True, kw_only=True)
class Part:
    """What declares views, as rooms and extensions do."""

    name: str
    views: Sequence[View | ViewAddition] = points.sequence(
        merge=merged, claims=CLAIMS, check=lambda part, whole: addition_problems(part.name, part.views, whole.views)
    )


def conflicts(owned: Mapping[str, Sequence[View | ViewAddition]]) -> Iterator[str]:
    parts = [Part(name=name, views=views) for name, views in owned.items()]
    return points.problems(parts, Part(name="all", **points.merged(Part, parts)))


def a_view(**changes: Any) -> View:
    plain = {
        "name": "things",
        "title": "Things",
        "icon": "box",
        "nav_group": "Work",
        "id_column": "name",
        "search": LIST,
        "columns": (Column(name="name", title="Name"), Column(name="state", title="State", type="status")),
        "default_columns": ("name",),
        "status_column": "state",
        "statuses": (Status(value="good", tone="success", icon="check"),),
    }
    return View(**plain | changes)


def wrong(view: View) -> list[str]:
    return list(
        problems(
            [view],
            routes=lambda method, path: (method, path) in ROUTES,
            known=["things"],
            properties=frozenset({"Operator"}),
        )
    )


def an_action(**changes: Any) -> Action:
    call = ApiCall(method="POST", path="/api/things/{name}", body={"why": "{form.why}", "ids": "{$ids}"})
    fields = {"type": "object", "properties": {"why": {"type": "string"}}}
    return Action(**{"name": "mend", "title": "Mend", "call": call, "fields": fields} | changes)


def test_a_good_view_has_no_problem() -> None:
    view = a_view(
        actions=(an_action(needs=("Operator",), when=("good",)),),
        tabs=(
            Tab(name="all", title="All", kind="fields"),
            Tab(name="others", title="O", kind="table", view="things"),
            Tab(name="flow", title="Flow", kind="graph", call=LIST, statuses=STATES, stream=True, has="state"),
            Tab(name="parts", title="Parts", kind="table", call=LIST, statuses=STATES),
            Tab(name="values", title="Values", kind="metadata", call=LIST, edit=SET),
        ),
        tree=TREE,
        tree_column="name",
        tree_view="things",
        more_columns=LIST,
        default_filter=(Condition(parameter="name", operator="under", value="{$home}"),),
        groupings=("state",),
        default_sort=(SortKey(parameter="name"),),
    )
    assert wrong(view) == []


TAB = {"name": "tab", "title": "Tab"}
NAME = Column(name="name", title="Name")
TREE = ApiCall(method="GET", path="/api/things", query={"node": "{$node}", "cursor": "{$cursor}"})
SET = ApiCall(method="POST", path="/api/things/{name}", body={"{$name}": "{$value}"})
EACH = ApiCall(method="POST", path="/api/things/{name}", body={"ages": "{$each.age}"})
STATES = (Status(value="running", tone="progress", icon="player-play"),)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"id_column": "number"}, "has number in its id, which is no column of it"),
        ({"default_columns": ("age",)}, "has age in the default columns"),
        ({"default_sort": (SortKey(parameter="age"),)}, "has age in the default order"),
        ({"default_filter": (Condition(parameter="age", operator="eq"),)}, "has age in the default filter"),
        ({"groupings": ("age",)}, "has age in the groupings"),
        ({"time_column": "age"}, "has age in the column of times"),
        ({"needs": ("King",)}, "needs King, which is no property"),
        ({"actions": (an_action(needs=("King",)),)}, "needs King, which is no property"),
        (
            {"actions": (an_action(fields={"properties": {"vo": {"enum": ["a"], "x-needs": {"a": ["King"]}}}}),)},
            "needs King, which is no property",
        ),
        ({"actions": (an_action(when=("bad",)),)}, "has mend for the status bad, which is none of its statuses"),
        ({"actions": (an_action(fields=None),)}, "has {form.why} in the action mend, which nothing fills in"),
        ({"actions": (an_action(), an_action())}, "has two of the action mend"),
        ({"columns": (NAME, NAME), "status_column": None}, "has two of the column name"),
        (
            {"search": ApiCall(method="GET", path="/api/fish")},
            "asks for GET /api/fish in its search, which is no route",
        ),
        ({"search": ApiCall(method="GET", path="/api/things", query={"x": "{$fish}"})}, "has {$fish} in its search"),
        ({"tabs": (Tab(**TAB, kind="table"),)}, "has nothing to show in the tab tab"),
        ({"tabs": (Tab(**TAB, kind="table", view="fish"),)}, "shows the view fish in tab, which is no view"),
        ({"tabs": (Tab(**TAB, kind="module", call=LIST),)}, "has a module without its kind, or the kind without"),
        ({"tabs": (Tab(**TAB, kind="text", call=LIST, file=LIST),)}, "has a call for files that it does not list"),
        ({"tabs": (Tab(**TAB, kind="table", call=LIST, view="things"),)}, "has a view and a call"),
        ({"tabs": (Tab(**TAB, kind="fields", has="age"),)}, "has age in the tab tab, which is no column of it"),
        ({"tabs": (Tab(**TAB, kind="graph"),)}, "has nothing to show in the tab tab"),
        ({"tabs": (Tab(**TAB, kind="text", call=LIST, statuses=STATES),)}, "has statuses of nodes that it does not"),
        ({"tabs": (Tab(**TAB, kind="table", call=LIST, edit=LIST),)}, "has a call for changes that it does not take"),
        (
            {"tabs": (Tab(**TAB, kind="metadata", call=LIST, edit=SET.model_copy(update={"body": "{$x}"})),)},
            "has {$x} in the changes in tab, which nothing fills in",
        ),
        ({"name_column": "age"}, "has age in its name, which is no column of it"),
        ({"tree": TREE}, "has a tree without the column that it filters by"),
        ({"tree_column": "name"}, "has a tree without the column that it filters by"),
        ({"tree": TREE, "tree_column": "age"}, "has age in the column of its tree"),
        ({"tree": TREE, "tree_column": "name", "tree_view": "fish"}, "shows nodes of its tree in fish, which is no"),
        ({"tree_view": "things"}, "leads to things from a tree that it does not have"),
        (
            {"default_filter": (Condition(parameter="name", operator="under", value="{$home}"),)},
            "begins at {$home}, which only a tree names",
        ),
        ({"search": TREE}, "has {$cursor} in its search, which nothing fills in"),
        (
            {"more_columns": ApiCall(method="GET", path="/api/x")},
            "asks for GET /api/x in its more_columns, which is no",
        ),
        ({"actions": (an_action(opens=True),)}, "has mend open an address, which asks for nothing and changes nothing"),
        ({"actions": (an_action(drafts=True),)}, "has mend begin a description, which asks for nothing and changes"),
        ({"actions": (an_action(undo=SET),)}, "has {$name} in the way back from mend, which nothing fills in"),
        ({"actions": (an_action(call=EACH),)}, "has {$each.age} in the action mend, which nothing fills in"),
        (
            {"columns": (Column(name="name", title="N", link="/x/{age}"),), "status_column": None},
            "links name by age, which is no column",
        ),
    ],
)
def test_each_mistake_is_told(changes: dict[str, Any], sentence: str) -> None:
    assert any(problem.startswith(f"The view things {sentence}") for problem in wrong(a_view(**changes)))


def test_a_word_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Status(value="good", tone="success", icon="check", colour="green")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="tone"):
        Status(value="good", tone="green", icon="check")  # type: ignore[arg-type]


@pytest.mark.parametrize("group", ["Data", ""])
def test_a_tab_stands_under_the_heading_of_its_entry(group: str) -> None:
    entry = a_view(title="Things", nav_order=10)
    tab = a_view(name="parts", title="Parts", nav_order=20, nav_entry="Things")
    assert list(entry_problems([entry, tab], of={"parts"})) == []
    lost = tab.model_copy(update={"nav_group": group})
    [problem] = entry_problems([entry, lost], of={"parts"})
    assert problem.startswith("The view parts is a tab of Things")
    assert problem.endswith("write nav_group='Work', as its first tab does")
    assert list(entry_problems([entry, lost], of={"things"})) == []


def test_additions_become_part_of_the_view() -> None:
    addition = ViewAddition(
        view="things", columns=(Column(name="age", title="Age"),), tabs=(Tab(**TAB, kind="text", call=LIST),)
    )
    [view] = merged([addition, a_view()])
    assert [column.name for column in view.columns] == ["name", "state", "age"]
    assert [tab.name for tab in view.tabs] == ["tab"]
    assert list(conflicts({"one": [a_view()], "two": [addition]})) == []


def test_two_that_claim_one_name_are_both_named() -> None:
    [first, *_] = conflicts({"one": [a_view()], "two": [a_view()]})
    assert first == ("The view things is claimed by one and by two; only one of them can be active")
    addition = ViewAddition(view="things", columns=(NAME,))
    assert list(conflicts({"one": [a_view()], "two": [addition]})) == [
        "The column name of the view things is claimed by one and by two; only one of them can be active"
    ]
    third = ViewAddition(view="things", tabs=(Tab(**TAB, kind="text", call=LIST),))
    assert "The tab tab of the view things is claimed by two and by three" in "".join(
        conflicts({"one": [a_view()], "two": [third], "three": [third]})
    )


def test_an_addition_to_nothing_names_what_was_meant() -> None:
    assert list(conflicts({"one": [a_view()], "two": [ViewAddition(view="thing")]})) == [
        "two adds to the view thing, which is no view; did you mean things?"
    ]


def test_placeholders_are_found_wherever_they_stand() -> None:
    call = ApiCall(method="POST", path="/x/{a}", query={"q": "{b}"}, body=[{"{e}": ["{c} and {d}"]}, 1, None])
    assert call.placeholders() == {"a", "b", "c", "d", "e"}
    assert placeholders_of(None) == frozenset()
