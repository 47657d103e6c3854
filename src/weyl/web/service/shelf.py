"""The descriptions of all views, and what of them each caller may use."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from weyl.kit.ids import sha256_hex
from weyl.kit.services import Key
from weyl.kit.views import View
from weyl.web.models import Views

# Sets of properties: there are about as many as groups.
KEPT_MAX = 256


class ViewShelf:
    """Hands out the views that a set of properties may use, as bytes that are written once."""

    def __init__(self, views: Sequence[View], version: str) -> None:
        self.views = tuple(sorted(views, key=lambda view: (view.nav_order, view.name)))
        self._version = version
        self._written: dict[frozenset[str], tuple[bytes, str]] = {}

    def document(self, properties: frozenset[str], revision: str) -> tuple[bytes, str]:
        """Return the document for whoever has these properties, and its tag under a revision of the configuration."""
        if properties not in self._written:
            if len(self._written) >= KEPT_MAX:
                self._written.clear()
            hidden = {view.name for view in self.views if not _is_met(view.needs, properties)}
            views = [allowed(view, properties, hidden) for view in self.views if view.name not in hidden]
            body = Views(version=self._version, views=views).model_dump_json().encode()
            self._written[properties] = body, sha256_hex(body)[:16]
        body, digest = self._written[properties]
        return body, f"{revision[:12]}-{digest}"


def allowed(view: View, properties: frozenset[str], hidden: Collection[str]) -> View:
    """Return a view without the actions, choices in their forms, and tabs that these properties do not give.

    Tabs of views that are `hidden` are left out, and so are the changes of what only those show.
    """
    return view.model_copy(
        update={
            "events_topic": None if view.events_topic in hidden else view.events_topic,
            "tree_view": None if view.tree_view in hidden else view.tree_view,
            "actions": tuple(
                action.model_copy(update={"fields": _form(action.fields, properties)})
                for action in view.actions
                if _is_met(action.needs, properties)
            ),
            "tabs": tuple(tab for tab in view.tabs if _is_met(tab.needs, properties) and tab.view not in hidden),
        }
    )


def _form(fields: Mapping[str, Any] | None, properties: frozenset[str]) -> dict[str, Any] | None:
    """Return a form without the choices that these properties do not give; where one is left, nothing is asked."""
    if fields is None:
        return None
    left = {name: _choices(field, properties) for name, field in fields.get("properties", {}).items()}
    asked = {name: field for name, field in left.items() if field is not None}
    return {**fields, "properties": asked} if asked else None


def _choices(field: Mapping[str, Any], properties: frozenset[str]) -> dict[str, Any] | None:
    rest = dict(field)
    needs = rest.pop("x-needs", None)
    if needs is None:
        return rest
    labels = rest.get("x-labels", rest["enum"])
    given = [pair for pair in zip(rest["enum"], labels, strict=True) if _is_met(needs.get(pair[0], ()), properties)]
    if len(given) < 2:
        return None
    values, words = zip(*given, strict=True)
    return {**rest, "enum": list(values), "x-labels": list(words)}


def _is_met(needs: Sequence[str], properties: frozenset[str]) -> bool:
    return not needs or not properties.isdisjoint(needs)


VIEW_SHELF: Key[ViewShelf] = Key("the shelf of views")
