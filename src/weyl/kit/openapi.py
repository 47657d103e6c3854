"""Rewrites FastAPI's document into the dialect that the field's generated clients read: OpenAPI 3.0.2, no 422."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI


def downgrade(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document as 3.0.2 says the same.

    `anyOf null` becomes `nullable`, `const` an `enum` of one, exclusive bounds become flags, `propertyNames` and
    `prefixItems` go, and the 422 answers are left out: AutoRest cannot read any of them.
    """
    rewritten: dict[str, Any] = _rewrite(document)
    rewritten["openapi"] = "3.0.2"
    for operations in rewritten.get("paths", {}).values():
        for operation in operations.values():
            operation.get("responses", {}).pop("422", None)
            operation.setdefault("security", [])
    return rewritten


def _rewrite(node: Any) -> Any:
    if isinstance(node, list):
        return [_rewrite(item) for item in node]
    if not isinstance(node, dict):
        return node
    rewritten = {key: _rewrite(value) for key, value in node.items() if key not in ("propertyNames", "prefixItems")}
    _flatten_null(rewritten)
    if "const" in rewritten and not isinstance(rewritten["const"], dict):
        rewritten["enum"] = [rewritten.pop("const")]
    for bound in ("Minimum", "Maximum"):
        exclusive = f"exclusive{bound}"
        if exclusive in rewritten and not isinstance(rewritten[exclusive], bool | dict):
            rewritten[bound.lower()] = rewritten[exclusive]
            rewritten[exclusive] = True
    return rewritten


def _flatten_null(schema: dict[str, Any]) -> None:
    branches = schema.get("anyOf")
    if not isinstance(branches, list) or {"type": "null"} not in branches:
        return
    others = [branch for branch in branches if branch != {"type": "null"}]
    del schema["anyOf"]
    if len(others) == 1 and "$ref" in others[0]:
        schema["allOf"] = others  # 3.0 ignores what stands beside a $ref
    elif len(others) == 1:
        for key, value in others[0].items():
            schema.setdefault(key, value)
    else:
        schema["anyOf"] = others
    schema["nullable"] = True


def install(app: FastAPI) -> None:
    """Make `app` serve the rewritten document, built once at the first request."""
    original: Callable[[], dict[str, Any]] = app.openapi
    rewritten: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not rewritten:
            rewritten.update(downgrade(original()))
        return rewritten

    app.openapi = openapi  # type: ignore[method-assign]
