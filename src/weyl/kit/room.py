"""What a room hands in, as one value; the list of rooms makes up weyl, and an extension is a room from outside."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from weyl.kit import view_rules
from weyl.kit.changes import Feed
from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.kit.operations import operations_of, signature, signatures_of
from weyl.kit.points import mapping, sequence
from weyl.kit.services import Key, Open, Services
from weyl.kit.task import BoundTask
from weyl.kit.views import View, ViewAddition

FeedFactory = Callable[[Services], Feed]
FigureSource = Callable[[Tx], Awaitable[Sequence[Figure]]]

PROPERTIES: Key[frozenset[str]] = Key("the properties")
VIEWS: Key[Sequence[View]] = Key("the views")
FEEDS: Key[Mapping[str, FeedFactory]] = Key("the feeds of changes")
FIGURES: Key[Mapping[str, FigureSource]] = Key("the figures")


def _view_problems(part: Any, whole: Any) -> Iterator[str]:
    signatures = signatures_of(whole.routers)
    yield from view_rules.addition_problems(part.name, part.views, whole.views)
    names = view_rules.names_of(part.views)
    yield from view_rules.entry_problems(whole.views, of=names)
    yield from view_rules.problems(
        [view for view in whole.views if view.name in names],
        routes=lambda method, path: signature(method, path) in signatures,
        known=[view.name for view in whole.views],
        properties=frozenset(whole.properties),
    )


@dataclass(frozen=True, kw_only=True)
class Room:
    """What one room adds to weyl; every field is optional."""

    routers: Sequence[APIRouter] = sequence(claims={"The operation {}": operations_of, "The route {}": signatures_of})
    """Routes that are added to the API; each router names its own prefix and tag."""
    properties: Collection[str] = sequence(merge=frozenset, key=PROPERTIES)
    """Properties that groups may have and logins may ask for."""
    state: Sequence[Open] = sequence()
    """What every process holds, server or worker; opened from the lowest room to the highest, extensions last."""
    serving: Sequence[Open] = sequence()
    """What a server holds beside it for its routes; opened after the state of all rooms."""
    tasks: Sequence[Callable[[Services], Sequence[BoundTask]]] = sequence()
    """Functions that return background tasks, bound to what the worker holds that will run them."""
    views: Sequence[View | ViewAddition] = sequence(
        merge=view_rules.merged, claims=view_rules.CLAIMS, check=_view_problems, key=VIEWS
    )
    """Views for the web pages, and columns, actions and tabs for views of others, by their names."""
    feeds: Mapping[str, FeedFactory] = mapping("The topic {} of changes", key=FEEDS)
    """What tells open pages of changes, by the topic that views name."""
    figures: Mapping[str, FigureSource] = mapping("The group {} of figures", key=FIGURES)
    """Figures for operators that are read from the database, by the name of their group."""
