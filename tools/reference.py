"""Writes the reference pages that are made from the code. `--check` only tells which are stale."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.meanings import MEANINGS  # noqa: E402

from weyl.app import create_app  # noqa: E402
from weyl.cli.reference import render_reference  # noqa: E402
from weyl.config.models import Config  # noqa: E402
from weyl.config.operations import Operations  # noqa: E402
from weyl.settings import Settings  # noqa: E402

DOCS = ROOT / "docs"
HINT = "<!-- Made by `make docs` from the code; do not edit. -->\n\n"
# How a name that the administrator chooses is written in a path of the document.
PLACES = {
    "Registry": "<VO>",
    "Operations": "<VO>",
    "Users": "<subject>",
    "Groups": "<group>",
    "Sites": "<site>",
    "CEs": "<CE>",
    "Queues": "<queue>",
    "StorageElementBases": "<base>",
    "StorageElements": "<SE>",
    "Endpoints": "<endpoint>",
    "FTS": "<server>",
    "PerSite": "<site>",
    "PerJobType": "<job type>",
    "Schedules": "<task>",
    "Limits": "<key>",
    "Files": "<LFN>",
}
TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false", dict: "mapping", Any: "anything"}
ROUTES = """# Routes

Every route of the API. Parameters, bodies and answers are in the OpenAPI document of your installation,
`/api/openapi.json`, which `/api/docs` shows; how it may change: [The API](api.md).
"""
CONFIGURATION = """# Configuration reference

Every section and key of `default.yml`, with its default. What the parts are for, and examples:
[Configuration](configuration.md). A key that is not listed here is refused, and the error names the nearest known one;
`weyl config validate default.yml` tells it before you commit. Words in angle brackets are names that you choose.
"""


def settings_page() -> str:
    """Return the page of all environment variables."""
    lines = [
        HINT + "# Settings",
        "",
        "Every environment variable that `weyl serve`, `weyl worker` and `weyl db` read. Lists and the like are JSON.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `WEYL_{name.upper()}` | {f'`{shown}`' if shown not in (None, '', []) else ''} | {text} |")
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """Return the page of every section of the configuration."""
    parts = [HINT + CONFIGURATION]
    for path, model in sections(Config, ""):
        heading = f"## {path or 'The document'}".replace("<", "\\<")
        parts.append(f"{heading}\n\n{(model.__doc__ or '').strip()}\n\n{_table(model)}")
    return "\n".join(parts)


def sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section below a model with its path; a status is told once, where it first stands."""
    told: set[type[BaseModel]] = set()

    def walk(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
        if model in told:
            return
        told.add(model)
        yield path, model
        for alias, field in _keys(model):
            plain, is_named = _plain(field.annotation)
            if isinstance(plain, type) and issubclass(plain, BaseModel):
                step = f"{alias}.{PLACES[alias]}" if is_named else alias
                yield from walk(plain, f"{path}.{step}".lstrip("."))
            elif get_origin(plain) is list and getattr(get_args(plain)[0], "__name__", "") in MEANINGS:
                yield from walk(get_args(plain)[0], f"{path}.{alias}.{PLACES[alias]}".lstrip("."))

    yield from walk(model, path)


def _table(model: type[BaseModel]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    free = []
    for alias, field in _keys(model):
        if model is Operations and alias not in MEANINGS["Operations"]:
            free.append(f"`{alias}`")
            continue
        meaning = MEANINGS[model.__name__][alias].replace("|", "\\|")
        lines.append(f"| `{alias}` | {_type_name(field.annotation)} | {_default(field)} | {meaning} |")
    if free:
        lines += ["", f"Kept as they are for clients that read them, and not looked into: {', '.join(free)}."]
    return "\n".join(lines) + "\n"


def _keys(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _plain(annotation: object) -> tuple[object, bool]:
    """Return the type of a value without `Annotated` and `| None`, or of the values of a mapping, and which it was."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _plain(next(choice for choice in get_args(annotation) if choice is not type(None)))
    if get_origin(annotation) is dict:
        return _plain(get_args(annotation)[1])[0], True
    return annotation, False


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _type_name(next(choice for choice in get_args(annotation) if choice is not type(None)))
    if get_origin(annotation) in (list, set, frozenset):
        return f"list of {_type_name(get_args(annotation)[0])}"
    if get_origin(annotation) is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "section" if _is_section(annotation) else "mapping"
    if annotation in TYPES:
        return TYPES[annotation]
    words = get_args(annotation) if get_origin(annotation) is Literal else annotation
    return "one of " + ", ".join(f"`{word}`" for word in words)


def _is_section(annotation: Any) -> bool:
    plain, _ = _plain(annotation)
    return isinstance(plain, type) and issubclass(plain, BaseModel)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ({}, [], frozenset()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def routes_page() -> str:
    """Return the page of every route, those that the OpenAPI document leaves out included."""
    app = create_app(Settings())
    rows = []
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            told = " ".join(operation.get("description", operation["summary"]).split("\n\n")[0].split())
            rows.append((path, method.upper(), f"`{operation['operationId']}`", told.replace("|", "\\|")))
    documented = {(path, method) for path, method, *_ in rows}
    for route in _all_routes(app.routes):
        for method in sorted(route.methods or ()):
            if (route.path, method) not in documented and method != "HEAD":
                rows.append((route.path, method, "not in the document", _first_sentence(route.endpoint.__doc__)))
    lines = [f"| {method} | `{path}` | {name} | {text} |" for path, method, name, text in sorted(rows)]
    return (
        HINT + ROUTES + "\n".join(["", "| method | path | operation | what it does |", "|---|---|---|---|", *lines, ""])
    )


def _all_routes(routes: Any) -> Iterator[APIRoute]:
    """Yield every route with a whole path; FastAPI keeps routers as they were included, prefixes beside them."""
    for route in routes:
        if isinstance(route, APIRoute):
            if route.path.startswith(("/api/", "/.well-known/")):
                yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from _all_routes(router.routes)


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def pages() -> dict[Path, str]:
    """Return every generated page with its text."""
    return {
        DOCS / "admin" / "settings.md": settings_page(),
        DOCS / "admin" / "configuration-reference.md": configuration_page(),
        DOCS / "developer" / "routes.md": routes_page(),
        DOCS / "user" / "commands.md": HINT + render_reference(),
    }


def main() -> int:
    """Write the pages, or tell which are stale."""
    found = pages()
    stale = [path for path, text in found.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
