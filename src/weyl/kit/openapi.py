"""Rewrites FastAPI's document into the dialect that the field's generated clients read, and adds every refusal."""

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI

PROBLEM = {
    "title": "Problem",
    "description": "Why a request was refused",
    "type": "object",
    "properties": {
        "detail": {"description": "What was wrong and what to do, as a sentence or, for malformed requests, a list"},
        "error": {"type": "string", "description": "The word that OAuth 2 has for it"},
        "request_id": {"type": "string", "description": "The id under which an internal error is logged"},
    },
    # `detail` is always there but in one answer: RFC 8628 wants `authorization_pending` alone.
}
_REFUSALS = {
    304: "The copy that the client has is still good",
    400: "Understood, but wrong",
    401: "No token, or none that is accepted",
    403: "Not allowed for whoever asks",
    404: "No such thing, as far as whoever asks can tell",
    409: "It exists already, or changed meanwhile",
    413: "The body is larger than is accepted",
    429: "Too many attempts; see Retry-After",
    502: "A service behind this one failed",
    503: "This cannot be served now, and nothing was done; see Retry-After",
    504: "The database was lost while it committed: nobody knows whether this was done",
}
_MALFORMED = "The request is malformed (422), or something else went wrong"


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of refusals that its parameters do not tell of (those are added to every route)."""
    return {status: _refusal(status) for status in statuses}


def _refusal(status: int) -> dict[str, Any]:
    if status < 400:
        return {"description": _REFUSALS[status]}
    return _problem(_REFUSALS[status])


def _problem(description: str) -> dict[str, Any]:
    """Return an answer that generated clients raise; without the mark they would return it as if all were well."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content, "x-ms-error-response": True}


def downgrade(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document as 3.0.2 says the same.

    `anyOf null` becomes `nullable`, `const` an `enum` of one, exclusive bounds become flags, `propertyNames` and
    `prefixItems` go, and the 422 answers become the default: AutoRest cannot read any of them.
    """
    rewritten: dict[str, Any] = _rewrite(document)
    rewritten["openapi"] = "3.0.2"
    rewritten.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for operations in rewritten.get("paths", {}).values():
        for method, operation in operations.items():
            operation.setdefault("security", [])
            answers = operation.setdefault("responses", {})
            if answers.pop("422", None) is not None:
                answers["default"] = _problem(_MALFORMED)
            if "206" in answers:
                answers["416"] = _beyond_the_end(answers["206"])
            for status in _statuses(method, operation):
                answers.setdefault(str(status), _refusal(status))
            operation["responses"] = dict(sorted(answers.items()))
    return rewritten


def _beyond_the_end(part: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a page that begins behind the last element: it is empty, and the header tells the size."""
    return {**part, "description": "The page begins behind the last element", "x-ms-error-response": True}


def _statuses(method: str, operation: dict[str, Any]) -> Iterator[int]:
    """Yield what may be answered to anything of this shape."""
    names = {(parameter["in"], parameter["name"].lower()) for parameter in operation.get("parameters", ())}
    has_body = "requestBody" in operation
    yield from (400, 503, 504)
    if ("header", "if-none-match") in names:
        yield 304
    if operation["security"]:
        yield 403
    if method in ("post", "put", "patch"):
        yield 413  # a body that is large needs a good token, also where nobody has to log in
    if operation["security"] or method in ("post", "put", "patch"):
        yield 401
    if has_body or any(place in ("path", "query") for place, _ in names):
        yield 404
    if method != "get" and (has_body or any(place == "path" for place, _ in names)):
        yield 409


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


def install(app: FastAPI, *, body_bytes_max: Callable[[str, str], int]) -> None:
    """Make `app` serve the rewritten document, built once at the first request.

    How many bytes a body may have, which OpenAPI has no word for, is `x-body-bytes-max` there.
    """
    original: Callable[[], dict[str, Any]] = app.openapi
    rewritten: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not rewritten:
            rewritten.update(downgrade(original()))
            for path, operations in rewritten["paths"].items():
                for method in operations.keys() & {"post", "put", "patch"}:
                    operations[method]["x-body-bytes-max"] = body_bytes_max(method.upper(), path)
        return rewritten

    app.openapi = openapi  # type: ignore[method-assign]
