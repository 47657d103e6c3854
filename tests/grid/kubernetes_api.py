"""An imitation of the Kubernetes API, since no cluster can be had here: what a pilot needs of it, and nothing else.

It refuses fields that the API does not have (`kubernetes_fields.json` was recorded from its OpenAPI document), answers
with the statuses and documents that the API documents, and keeps its objects in files, so that it may be away for a
while. `kubelet.py` runs the pods.

    python kubernetes_api.py DIRECTORY PORT TOKEN
"""

import base64
import binascii
import json
import re
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

MODELS = json.loads((Path(__file__).parent / "kubernetes_fields.json").read_text())["models"]
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
KINDS = {"jobs": "V1Job", "secrets": "V1Secret", "configmaps": "V1ConfigMap"}
OBJECT_BYTES_MAX = 1_048_576
QUOTA = re.compile(r"quota-(\d+)")


class Refused(Exception):
    """An answer of the kind `Status`."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.document = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }


def validate(value: Any, kind: str, path: str) -> None:
    """Refuse what the API would: unknown fields, missing ones, values of the wrong kind."""
    if kind in MODELS:
        demand(value, dict, path)
        fields, required = MODELS[kind]["fields"], MODELS[kind]["required"]
        for name in value:
            if name not in fields:
                raise Refused(400, "BadRequest", f'strict decoding error: unknown field "{path}.{name}"')
            validate(value[name], fields[name], f"{path}.{name}")
        for name in required:
            if name not in value:
                raise Refused(422, "Invalid", f"{path}.{name}: Required value")
    elif kind.startswith("List["):
        demand(value, list, path)
        for number, item in enumerate(value):
            validate(item, kind[5:-1], f"{path}[{number}]")
    elif kind.startswith("Dict["):
        demand(value, dict, path)
        for name, item in value.items():
            validate(item, kind[5:-1].split(", ", 1)[1], f"{path}.{name}")
    else:
        demand(value, {"bool": bool, "int": int}.get(kind, str), path)


def demand(value: Any, kind: type, path: str) -> None:
    """Refuse a value of another type."""
    if type(value) is not kind:
        raise Refused(400, "BadRequest", f"{path}: expected {kind.__name__}, got {type(value).__name__}")


def validate_object(body: Any, kind: str) -> None:
    """Refuse what is no object of a kind."""
    validate(body, kind, kind)
    metadata = body.get("metadata") or {}
    if not NAME.fullmatch(metadata.get("name", "")):
        raise Refused(422, "Invalid", f"metadata.name: Invalid value: {metadata.get('name')!r}")
    for value in (metadata.get("labels") or {}).values():
        if not LABEL.fullmatch(value):
            raise Refused(422, "Invalid", f"metadata.labels: Invalid value: {value!r}")
    size = 0
    for value in [*(body.get("data") or {}).values(), *(body.get("binaryData") or {}).values()]:
        try:
            size += len(base64.b64decode(value, validate=True))
        except binascii.Error as error:
            raise Refused(400, "BadRequest", "illegal base64 data") from error
    if size > OBJECT_BYTES_MAX:
        raise Refused(422, "Invalid", "data: Too long: may not be more than 1048576 bytes")
    if kind == "V1Job":
        pod = body["spec"]["template"].get("spec") or {}
        if pod.get("restartPolicy") not in ("Never", "OnFailure"):
            raise Refused(422, "Invalid", "spec.template.spec.restartPolicy: Required value: valid values: Never")


class Store:
    """Objects in files: those of the API, and what the kubelet says of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, namespace: str, kind: str, name: str) -> Path:
        """Where an object is."""
        if not NAME.fullmatch(name) or not NAME.fullmatch(namespace):
            raise Refused(404, "NotFound", f'{kind} "{name}" not found')
        return self._directory / namespace / kind / f"{name}.json"

    def read(self, namespace: str, kind: str, name: str) -> dict[str, Any]:
        """Return an object with its status."""
        path = self.path(namespace, kind, name)
        try:
            found: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError as error:
            raise Refused(404, "NotFound", f'{kind} "{name}" not found') from error
        status = self._directory / namespace / "jobs-status" / f"{name}.json"
        if kind == "jobs":
            found["status"] = json.loads(status.read_text()) if status.exists() else {}
        return found

    def write(self, namespace: str, kind: str, body: dict[str, Any]) -> None:
        """Keep an object."""
        path = self.path(namespace, kind, body["metadata"]["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps({key: value for key, value in body.items() if key != "status"}))
        new.replace(path)

    def names(self, namespace: str, kind: str) -> list[str]:
        """Return the names of all objects."""
        return sorted(path.stem for path in (self._directory / namespace / kind).glob("*.json"))

    def read_all(self, namespace: str, kind: str) -> list[dict[str, Any]]:
        """Return all objects that are there; some may go meanwhile."""
        found = []
        for name in self.names(namespace, kind):
            with suppress(Refused):
                found.append(self.read(namespace, kind, name))
        return found

    def delete(self, namespace: str, kind: str, name: str) -> None:
        """Remove an object, and what belongs to it."""
        uid = self.read(namespace, kind, name)["metadata"]["uid"]
        self.path(namespace, kind, name).unlink()
        for other in self.names(namespace, "secrets"):
            owners = self.read(namespace, "secrets", other)["metadata"].get("ownerReferences", [])
            if any(owner["uid"] == uid for owner in owners):
                self.path(namespace, "secrets", other).unlink()


def selects(selector: str, labels: dict[str, str]) -> bool:
    """Tell whether labels are what a selector asks for."""
    for part in re.findall(r"[^,(]+(?:\([^)]*\))?", selector):
        inside = re.fullmatch(r"\s*(\S+) in \(([^)]*)\)", part)
        name, _, value = part.partition("=")
        if inside:
            if labels.get(inside[1]) not in inside[2].split(","):
                return False
        elif labels.get(name) != value:
            return False
    return True


class Api:
    """The routes."""

    def __init__(self, directory: Path, token: str) -> None:
        self._store = Store(directory)
        self._directory = directory
        self._token = token

    @web.middleware
    async def edge(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Refuse strangers, and answer refusals in the API's way."""
        try:
            if request.headers.get("Authorization") != f"Bearer {self._token}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            answer: web.StreamResponse = await handler(request)
            return answer
        except Refused as refused:
            return web.json_response(refused.document, status=refused.document["code"])

    async def create(self, request: web.Request) -> web.Response:
        """POST of an object."""
        namespace, kind = request.match_info["namespace"], request.match_info["kind"]
        body = await request.json()
        validate_object(body, KINDS[kind])
        name = body["metadata"]["name"]
        quota = QUOTA.fullmatch(namespace)
        if quota and kind == "jobs" and len(self._store.names(namespace, "jobs")) >= int(quota[1]):
            message = f'jobs.batch "{name}" is forbidden: exceeded quota: pilots, requested: count/jobs.batch=1'
            raise Refused(403, "Forbidden", message)
        if self._store.path(namespace, kind, name).exists():
            raise Refused(409, "AlreadyExists", f'{kind} "{name}" already exists')
        body["metadata"] |= {"uid": str(uuid.uuid4()), "namespace": namespace}
        self._store.write(namespace, kind, body)
        return web.json_response(body, status=201)

    async def list(self, request: web.Request) -> web.Response:
        """GET of many, page by page."""
        namespace, kind = request.match_info["namespace"], request.match_info["kind"]
        after, limit = request.query.get("continue", ""), int(request.query.get("limit", "500"))
        found = self._store.read_all(namespace, kind)
        selector = request.query.get("labelSelector", "")
        found = [item for item in found if selects(selector, item["metadata"].get("labels", {}))]
        rest = [item for item in found if item["metadata"]["name"] > after]
        metadata = {"continue": rest[limit - 1]["metadata"]["name"]} if len(rest) > limit else {}
        return web.json_response({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": rest[:limit]})

    async def patch(self, request: web.Request) -> web.Response:
        """PATCH of a Job: a merge patch."""
        if request.content_type != "application/merge-patch+json":
            raise Refused(415, "UnsupportedMediaType", f"the body of the request was {request.content_type}")
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        found = self._store.read(namespace, "jobs", name)
        found.pop("status", None)
        merge(found, await request.json())
        metadata = {key: value for key, value in found["metadata"].items() if key not in ("uid", "namespace")}
        validate_object({**found, "metadata": metadata}, "V1Job")
        self._store.write(namespace, "jobs", found)
        return web.json_response(self._store.read(namespace, "jobs", name))

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE of a Job and what belongs to it."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        if request.can_read_body:
            validate(await request.json(), "V1DeleteOptions", "V1DeleteOptions")
        self._store.delete(namespace, "jobs", name)
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    async def log(self, request: web.Request) -> web.Response:
        """GET of what a pod has written."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        pod = self._store.read(namespace, "pods", name)
        container = request.query["container"]
        if pod["status"]["phase"] == "Pending":
            message = f'container "{container}" in pod "{name}" is waiting to start: PodInitializing'
            raise Refused(400, "BadRequest", message)
        content = (self._directory / namespace / "logs" / f"{name}-{container}.log").read_bytes()
        return web.Response(body=content[: int(request.query.get("limitBytes", "1000000"))])


def merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """Apply a merge patch (RFC 7396)."""
    for key, value in patch.items():
        if isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = value


def main(directory: str, port: str, token: str) -> None:
    """Serve."""
    api = Api(Path(directory), token)
    application = web.Application(middlewares=[api.edge], client_max_size=3_000_000)
    core, batch = "/api/v1/namespaces/{namespace}", "/apis/batch/v1/namespaces/{namespace}"
    for kind in KINDS:
        route = f"{batch if kind == 'jobs' else core}/{{kind:{kind}}}"
        application.router.add_post(route, api.create)
        application.router.add_get(route, api.list)
    application.router.add_get(f"{core}/{{kind:pods}}", api.list)
    application.router.add_get(f"{core}/pods/{{name}}/log", api.log)
    application.router.add_patch(f"{batch}/jobs/{{name}}", api.patch)
    application.router.add_delete(f"{batch}/jobs/{{name}}", api.delete)
    web.run_app(application, host="127.0.0.1", port=int(port), print=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
