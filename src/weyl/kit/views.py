"""What web pages show, as values: views with their columns, statuses, actions and tabs; no page knows an entity.

Everything refers to routes of the public API. A reference holds placeholders in braces, which the page fills:

- `{Name}`: the value of that column in the row that is open or meant;
- `{form.name}`: what was typed into that field of an action's form; left empty, the key that it stands for is left out;
- `{$ids}`: the ids of the chosen rows; `{$file}`: one of the files that a tab lists;
- `{$each.Name}`: the values of that column in the chosen rows, where a call takes something other than ids;
- `{$search}`, `{$under}`, `{$depth}`, `{$sort}`, `{$columns}`, `{$grouping}`: what the list is asked for;
- `{$node}`, `{$cursor}`: the node of a tree whose children are wanted, and where the list of them goes on;
- `{$home}`: the node at which the tree says that the caller begins;
- `{$name}`, `{$value}`: what is set by somebody who edits named values;
- `{$me}`, `{$vo}`, `{$group}`: who is logged in;
- `{$dry_run}`, `{$plan_token}`: the two steps of a plan.

A text that is one placeholder and nothing else becomes the value itself, a number or a list; in a longer text its words
are put in. A path has its values quoted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Tone = Literal["neutral", "info", "progress", "success", "warning", "danger"]
Operator = Literal[
    "eq",
    "neq",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "in",
    "not in",
    "like",
    "not like",
    "regex",
    "exists",
    "missing",
    "under",
]
ColumnType = Literal[
    "int",
    "float",
    "text",
    "bool",
    "status",
    "time",
    "duration",
    "bytes",
    "percent",
    "progress",
    "json",
    "list",
    "link",
]
TabKind = Literal[
    "fields",
    "table",
    "timeline",
    "log",
    "text",
    "json",
    "chart",
    "graph",
    "why",
    "files",
    "values",
    "metadata",
    "module",
]

TEXT_OPERATORS: tuple[Operator, ...] = ("eq", "neq", "in", "not in", "like", "not like", "regex")
CHOICE_OPERATORS: tuple[Operator, ...] = ("eq", "neq", "in", "not in")
ORDER_OPERATORS: tuple[Operator, ...] = ("eq", "neq", "gt", "lt", "in", "not in")
TIME_OPERATORS: tuple[Operator, ...] = ("gt", "lt")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Described(BaseModel):
    """What a description is made of: nothing in it changes, and a name that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiCall(Described):
    """A reference to a route of the public API, with placeholders for what the page fills in."""

    method: Method
    path: str
    """The path as the OpenAPI document has it, but with the names of columns between its braces."""
    query: Mapping[str, Any] = {}
    body: Any = None
    under: str | None = None
    """Under which key of the answer lies what is asked for; none: the answer itself is it."""
    paging: Literal["none", "page", "cursor"] = "none"
    """`page`: understands `page` and `per_page`, and tells the total in `Content-Range`; `cursor`: understands `cursor`
    and `per_page`, and leads on by the header `Link`, whose page may be short; `none`: answers everything."""
    each: bool = False
    """The body that is sent is a list: what `body` says, once for each chosen row."""
    filters: bool = False
    """Whether it filters, sorts and projects (`{$search}`, `{$sort}`, `{$columns}`); if not, the page does."""

    def placeholders(self) -> frozenset[str]:
        """Return the names between braces, wherever they stand."""
        return frozenset(_names([self.path, self.query, self.body]))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, Mapping):
        for each in (*value, *value.values()):
            yield from _names(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _names(each)


def placeholders_of(text: str | None) -> frozenset[str]:
    """Return the names between braces in a template."""
    return frozenset(_names(text))


class Condition(Described):
    """A condition of a list; a time may be relative (`-7d`), a value may be a placeholder (`{$me}`).

    `under` is no operator of the API: a call takes its values as `{$under}` and, where only so many levels below it are
    meant, `{$depth}`; all other conditions are `{$search}`.
    """

    parameter: str
    operator: Operator
    value: str | int | None = None
    values: list[str] | list[int] | None = None


class SortKey(Described):
    """One key of the order of a list."""

    parameter: str
    direction: Literal["asc", "desc"] = "asc"


class Status(Described):
    """A value of a status: how it is shown. The tone is what it means to people; themes turn it into a colour."""

    value: str
    tone: Tone
    icon: str
    terminal: bool = False
    help: str = ""


class Column(Described):
    """A column of a list, or a field of what is open."""

    name: str
    """The name in the API's answer."""
    title: str
    type: ColumnType = "text"
    format: str | None = None
    unit: str | None = None
    width: int | None = None
    align: Literal["left", "right", "center"] | None = None
    sortable: bool = True
    filterable: bool = True
    operators: tuple[Operator, ...] = TEXT_OPERATORS
    values: list[str] | ApiCall | None = None
    """What may be chosen: a list, or a call that answers `[{<name>: value, "count": n}, ...]`."""
    link: str | None = None
    """Where a click leads, as a template: `/sites/{Site}`."""
    help: str = ""
    expensive: bool = False
    """Not asked for unless it is shown."""
    shown: bool = True
    """Whether answers have it; if not, it is only to be searched by."""


class Action(Described):
    """Something that may be done to rows."""

    name: str
    title: str
    icon: str | None = None
    call: ApiCall
    """Does it, to one row or to `{$ids}`."""
    plan: ApiCall | None = None
    """Plans it for ids or a filter, and does it when it is given the plan's token."""
    needs: tuple[str, ...] = ()
    """Properties of which one is needed to do it to what belongs to others; none: whoever sees the row."""
    bulk: Literal["none", "ids", "filter"] = "none"
    destructive: bool = False
    undo_s: int | None = None
    fields: dict[str, Any] | None = None
    """JSON Schema of the form that is filled in before; for choices, `x-labels` has what people read in place of each
    value, and `x-needs` for a value the properties of which one is needed to choose it."""
    when: tuple[str, ...] = ()
    """Statuses in which it can be done; none: in all."""
    cli: str | None = None
    """The command that does the same, as a template: `weyl jobs kill {$ids}`. Values are quoted for a shell, and
    `{form.until|never}` says what stands where nothing was entered; not shown where the form or the rows say more."""
    view: bool = False
    """Whether it is about the view as a whole, not about rows: making something new."""
    undo: ApiCall | None = None
    """Takes it back, with the same placeholders: the page offers it once it is done. With it a plan is made only for
    all rows that match, not for those that were chosen one by one."""
    way_back: str = ""
    """How it is taken back later, and by whom: what people read in place of the warning that it cannot be undone."""
    opens: bool = False
    """Its call changes nothing, and answers with the address (`url`) that the browser is to fetch."""
    drafts: bool = False
    """Its call is not made: the page *Submit* opens with the description in JDL that is the call's body, to be changed
    and submitted. `{$each.Name}` becomes a list of JDL."""
    help: str = ""


class Tab(Described):
    """A tab of the page of one entity."""

    name: str
    title: str
    kind: TabKind
    call: ApiCall | None = None
    """None: shows the entity itself."""
    columns: tuple[Column, ...] = ()
    """Of a table, a timeline or the fields; none: whatever the answer has."""
    view: str | None = None
    """Of a table: shows that view, narrowed down by `filter`, in place of a call."""
    filter: tuple[Condition, ...] = ()
    file: ApiCall | None = None
    """Of files, values and logs: answers with the address (`url`) under which `{$file}`, one of those named, is
    fetched.

    The call of a log may answer with `{text, sandbox, file, note, heard_at}` in place of a text: once its entity is
    over, the page fetches `sandbox`, a packed archive, shows its member `file`, and says `note` if there is none.
    """
    edit: ApiCall | None = None
    """Of metadata: sets `{$name}` to `{$value}`, or takes its own value away where that is null."""
    stream: bool = False
    """A log that grows, a graph whose states change: asked for again while the entity lives."""
    statuses: tuple[Status, ...] = ()
    """Of a graph: how the states of its nodes are shown; of a table: how its own statuses are."""
    needs: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    """Statuses in which there is something to see; none: in all."""
    has: str | None = None
    """The column that must have a value for there to be something to see; none: always."""
    module: str | None = None
    """Of kind `module`: the ES module below `/ext/<extension>/` that renders it."""


class View(Described):
    """A list of entities and the page of one of them."""

    name: str
    """The first word of the address: `/jobs`, `/jobs/12`."""
    title: str
    icon: str
    nav_group: str
    """The heading under which the navigation has it; empty: other pages lead to it, the navigation does not."""
    nav_order: int = 100
    nav_entry: str = ""
    """The entry of the navigation that it is a tab of; empty: one under its own title. Views of one entry are tabs of
    one page, in the order of `nav_order`; the first one gives the entry its icon."""
    id_column: str
    """The column by which one is opened."""
    key: tuple[str, ...] = ()
    """The columns that together tell rows apart; none: the id alone does."""
    name_column: str | None = None
    """The column by which people call one; none: its id."""
    search: ApiCall
    summary: ApiCall | None = None
    """Counts by `{$grouping}`: answers `[{<column>: value, "count": n}, ...]`."""
    count: ApiCall | None = None
    get: ApiCall | None = None
    """Answers with one entity; none: `search` with the id as its condition."""
    tree: ApiCall | None = None
    """Answers with the children of `{$node}`, or the topmost nodes: a pane beside the list, whose choice filters."""
    tree_column: str | None = None
    """The column that the choice filters by, with the operator `under`."""
    tree_view: str | None = None
    """The view whose pages show a node of the tree; none: nodes have no page."""
    more_columns: ApiCall | None = None
    """Answers with the columns that are known at run time only: `[{"name", "type", "unit", "values", "help"}, ...]`."""
    columns: tuple[Column, ...] = Field(min_length=1)
    default_columns: tuple[str, ...]
    default_sort: tuple[SortKey, ...] = ()
    default_filter: tuple[Condition, ...] = ()
    groupings: tuple[str, ...] = ()
    time_column: str | None = None
    status_column: str | None = None
    statuses: tuple[Status, ...] = ()
    actions: tuple[Action, ...] = ()
    tabs: tuple[Tab, ...] = ()
    events_topic: str | None = None
    needs: tuple[str, ...] = ()
    """Properties of which one is needed to see it; none: everybody who is logged in."""
    cli: str | None = None
    """The command that lists the same, as a template: `weyl jobs search --where '{$where}'`."""
    doc: str = ""


class ViewAddition(Described):
    """What an extension adds to a view of somebody else."""

    view: str
    columns: tuple[Column, ...] = ()
    actions: tuple[Action, ...] = ()
    tabs: tuple[Tab, ...] = ()
