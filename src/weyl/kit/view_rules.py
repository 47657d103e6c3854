"""What a view must keep to, and how additions become part of it; pure, so that a mistake stops the start in words."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import Any

from weyl.kit.views import Action, ApiCall, Described, Tab, View, ViewAddition, placeholders_of

GIVEN = frozenset(
    f"${name}"
    for name in (
        *("ids", "file", "search", "under", "depth", "where", "sort", "columns", "grouping"),
        *("me", "vo", "group", "dry_run", "plan_token"),
    )
)
"""What the page itself can fill in."""
NODE = frozenset({"$node", "$cursor"})
EDITED = frozenset({"$name", "$value"})

Declared = Sequence[View | ViewAddition]


def merged(declared: Iterable[View | ViewAddition]) -> list[View]:
    """Return all views with what is added to them; names that do not exist are a matter of `addition_problems`."""
    declared = list(declared)
    additions: dict[str, list[ViewAddition]] = {}
    for each in declared:
        if isinstance(each, ViewAddition):
            additions.setdefault(each.view, []).append(each)
    return [_joined(view, additions.get(view.name, ())) for view in declared if isinstance(view, View)]


def _joined(view: View, additions: Sequence[ViewAddition]) -> View:
    if not additions:
        return view
    parts = {
        name: (*getattr(view, name), *chain.from_iterable(getattr(each, name) for each in additions))
        for name in ("columns", "actions", "tabs")
    }
    return view.model_copy(update=parts)


def names_of(declared: Declared) -> set[str]:
    """Return the names of the views that are declared or added to."""
    return {each.name if isinstance(each, View) else each.view for each in declared}


def _parts(kind: str) -> Callable[[Declared], Iterator[str]]:
    def names(declared: Declared) -> Iterator[str]:
        for each in declared:
            view = each.name if isinstance(each, View) else each.view
            yield from (f"{part.name} of the view {view}" for part in getattr(each, kind))

    return names


CLAIMS: Mapping[str, Callable[[Declared], Iterable[str]]] = {
    "The view {}": lambda declared: [each.name for each in declared if isinstance(each, View)],
    "The column {}": _parts("columns"),
    "The action {}": _parts("actions"),
    "The tab {}": _parts("tabs"),
}
"""Names that belong to one extension each, by the sentence that tells of two."""


def entry_problems(views: Sequence[View], *, of: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each view, among those named in `of`, that is a tab of an entry under another heading."""
    groups: dict[str, str] = {}
    for view in sorted(views, key=lambda view: (view.nav_order, view.name)):
        if view.nav_group:
            groups.setdefault(view.nav_entry or view.title, view.nav_group)
    for view in views:
        group = groups.get(view.nav_entry)
        if view.name in of and view.nav_entry and view.nav_group != group:
            yield (
                f"The view {view.name} is a tab of {view.nav_entry} with nav_group={view.nav_group!r};"
                f" write nav_group={group!r}, as its first tab does"
            )


def addition_problems(owner: str, declared: Declared, views: Sequence[View]) -> Iterator[str]:
    """Yield a sentence for each view that one extension adds to and nobody has."""
    names = {view.name for view in views}
    for each in declared:
        if isinstance(each, ViewAddition) and each.view not in names:
            yield f"{owner} adds to the view {each.view}, which is no view; {_nearest(each.view, names)}"


def problems(
    views: Sequence[View], *, routes: Callable[[str, str], bool], known: Iterable[str], properties: frozenset[str]
) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong with views.

    `routes` tells whether a method and path exist; `known` are the names of all views.
    """
    names = frozenset(known)
    for view in views:
        for problem in chain(_wrong_names(view, names, properties), _wrong_parts(view), _wrong_calls(view, routes)):
            yield f"The view {view.name} {problem}"


def calls_of(view: View) -> Iterator[tuple[str, ApiCall, frozenset[str]]]:
    """Yield every call of a view: what it is for, and the names that it may hold beside columns."""
    for name in ("search", "summary", "count", "get", "more_columns"):
        if (call := getattr(view, name)) is not None:
            yield f"its {name}", call, GIVEN
    if view.tree is not None:
        yield "its tree", view.tree, GIVEN | NODE
    for column in view.columns:
        if isinstance(column.values, ApiCall):
            yield f"the values of {column.name}", column.values, GIVEN
    each = frozenset(f"$each.{column.name}" for column in view.columns)
    for action in view.actions:
        names = GIVEN | each | _form(action)
        yield f"the action {action.name}", action.call, names
        if action.plan is not None:
            yield f"the plan of {action.name}", action.plan, names
        if action.undo is not None:
            yield f"the way back from {action.name}", action.undo, names
    for tab in view.tabs:
        for call in filter(None, (tab.call, tab.file)):
            yield f"the tab {tab.name}", call, GIVEN
        if tab.edit is not None:
            yield f"the changes in {tab.name}", tab.edit, GIVEN | EDITED


def _form(action: Action) -> frozenset[str]:
    fields: Mapping[str, Any] = (action.fields or {}).get("properties", {})
    return frozenset(f"form.{name}" for name in fields)


def _needed_by_choices(action: Action) -> Iterator[str]:
    for field in (action.fields or {}).get("properties", {}).values():
        yield from chain.from_iterable(field.get("x-needs", {}).values())


def _wrong_names(view: View, views: frozenset[str], properties: frozenset[str]) -> Iterator[str]:
    columns = frozenset(column.name for column in view.columns)
    named: dict[str, Iterable[str]] = {
        "its id": [view.id_column],
        "its key": view.key,
        "its name": filter(None, [view.name_column]),
        "the default columns": view.default_columns,
        "the default order": [key.parameter for key in view.default_sort],
        "the default filter": [condition.parameter for condition in view.default_filter],
        "the groupings": view.groupings,
        "the column of times": filter(None, [view.time_column]),
        "the column of statuses": filter(None, [view.status_column]),
        "the column of its tree": filter(None, [view.tree_column]),
    }
    for place, names in named.items():
        yield from (f"has {name} in {place}, which is no column of it" for name in names if name not in columns)
    parts: list[Action | Tab] = [*view.actions, *view.tabs]
    needed = {*view.needs, *(name for part in parts for name in part.needs)}
    needed |= {name for action in view.actions for name in _needed_by_choices(action)}
    yield from (f"needs {name}, which is no property" for name in sorted(needed - properties))
    statuses = {status.value for status in view.statuses}
    for part in parts:
        unknown = sorted(set(part.when) - statuses)
        yield from (f"has {part.name} for the status {name}, which is none of its statuses" for name in unknown)
    for tab in view.tabs:
        if tab.has is not None and tab.has not in columns:
            yield f"has {tab.has} in the tab {tab.name}, which is no column of it"
        if tab.view is not None and tab.view not in views:
            yield f"shows the view {tab.view} in {tab.name}, which is no view; {_nearest(tab.view, views)}"
    if view.tree_view is not None and view.tree_view not in views:
        yield f"shows nodes of its tree in {view.tree_view}, which is no view; {_nearest(view.tree_view, views)}"


def _wrong_parts(view: View) -> Iterator[str]:
    parts: dict[str, Sequence[Described]] = {"column": view.columns, "action": view.actions, "tab": view.tabs}
    for kind, each in parts.items():
        counted = Counter(getattr(part, "name", "") for part in each)
        yield from (f"has two of the {kind} {name}" for name, count in counted.items() if count > 1)
    for tab in view.tabs:
        yield from (f"has {problem} in the tab {tab.name}" for problem in _wrong_tab(tab))
    yield from _wrong_tree(view)
    for action in view.actions:
        if action.opens and (action.plan or action.undo or action.destructive or action.fields):
            yield f"has {action.name} open an address, which asks for nothing and changes nothing"
        if action.drafts and (action.opens or action.plan or action.undo or action.destructive or action.fields):
            yield f"has {action.name} begin a description, which asks for nothing and changes nothing"
    columns = {column.name for column in view.columns}
    for column in view.columns:
        unknown = sorted(placeholders_of(column.link) - columns)
        yield from (f"links {column.name} by {name}, which is no column" for name in unknown)


def _wrong_tree(view: View) -> Iterator[str]:
    if (view.tree is None) != (view.tree_column is None):
        yield "has a tree without the column that it filters by, or the column without a tree"
    if view.tree is None and view.tree_view is not None:
        yield f"leads to {view.tree_view} from a tree that it does not have"
    begins = [str(condition.value) for condition in view.default_filter]
    if view.tree is None and any("$home" in placeholders_of(text) for text in begins):
        yield "begins at {$home}, which only a tree names"


def _wrong_tab(tab: Tab) -> Iterator[str]:
    if (tab.kind == "module") != (tab.module is not None):
        yield "a module without its kind, or the kind without a module"
    if tab.file is not None and tab.kind not in ("files", "values", "log"):
        yield "a call for files that it does not list"
    if tab.statuses and tab.kind not in ("graph", "table"):
        yield "statuses of nodes that it does not draw"
    if tab.edit is not None and tab.kind != "metadata":
        yield "a call for changes that it does not take"
    if tab.view is not None and tab.call is not None:
        yield "a view and a call, of which it can show one only"
    if tab.kind != "fields" and not (tab.call or tab.view or tab.module):
        yield "nothing to show"


def _wrong_calls(view: View, routes: Callable[[str, str], bool]) -> Iterator[str]:
    columns = {column.name for column in view.columns}
    for place, call, names in calls_of(view):
        if not routes(call.method, call.path):
            yield f"asks for {call.method} {call.path} in {place}, which is no route"
        unknown = sorted(call.placeholders() - names - columns)
        yield from (f"has {{{name}}} in {place}, which nothing fills in" for name in unknown)


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"
