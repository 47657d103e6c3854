"""A small server that speaks to pilots, for tests of what the pilot does alone.

The real server is the peer of the flow tests; here one test needs a server that fails on purpose, that is cut off, and
that remembers every request in order.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.infra import pace
from tests.infra.waiting import NotSeenInTime
from tests.weyl_pilot.elements import Catalogue

SECRET = "weylp_k1_" + "s" * 43


@dataclass
class Job:
    """What the server knows of a job."""

    document: dict[str, Any]
    states: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    input_object: str = "{}"
    manifests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the recorded CWL outputs."""
    tokens: int = 0

    def minors(self) -> list[str]:
        """Minor states in the order of their times."""
        return [update["MinorStatus"] for _, update in sorted(self.states) if "MinorStatus" in update]

    def last(self, name: str) -> str | None:
        """The last value given for a field."""
        values = [update[name] for _, update in sorted(self.states) if name in update]
        return values[-1] if values else None


class StandIn:
    """State of the server; tests fill `waiting` and look at the rest."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.jobs: dict[int, Job] = {}
        self.waiting: list[int] = []
        self.requests: list[tuple[str, str]] = []
        self.matches: list[dict[str, Any]] = []
        self.settings: dict[str, Any] = {"report_every_s": 0.3}
        self.objects: dict[str, bytes] = {}
        self.archives: dict[str, bytes] = {}
        """Engines, commands and bundles, by their hash."""
        self.catalogue: Catalogue | None = None
        self.refuses_outputs = self.holds_outputs = False
        self.pilot: dict[str, Any] = {}
        self.log: list[str] = []
        self.action = "continue"
        self.is_down = False
        self.goes_down_after_match = False
        """Whether a match answer with jobs is the last answer that anybody gets."""
        self.unread_tokens = 0
        """How many tokens of jobs are still to be refused."""
        self.is_revoked = False
        self.refreshes = 0
        self.pilot_token = "pilot-token-0"
        self.url = ""

    def add(self, job_id: int, **work: Any) -> Job:
        """Puts a job into the queue."""
        document = {
            "job_id": job_id,
            "allocated": {"cores": 1, "ram_mb": 100},
            "limits": work.pop("limits", {}),
            "work": {"std_output": "std.out", "std_error": "std.err", **work},
        }
        with self.changed:
            job = self.jobs[job_id] = Job(document)
            self.waiting.append(job_id)
            self.changed.notify_all()
        return job

    def wait(self, condition: Callable[[], object], timeout_s: float = 60) -> None:
        """Waits until a request has made the condition true."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout_s * pace.factor()):
                raise NotSeenInTime("the pilot's request")

    def put_sandbox(self, files: dict[str, bytes], kind: str = "tar.bz2", compress: Any = None) -> str:
        """Stores an input sandbox; returns its name."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:bz2" if compress is None else "w") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        content = buffer.getvalue() if compress is None else compress(buffer.getvalue())
        key = f"/S3/box/vo/group/user/sha256:{hashlib.sha256(content).hexdigest()}.{kind}"
        self.objects[key] = content
        return "SB:SandboxSE|" + key

    def put_archive(self, content: bytes) -> dict[str, Any]:
        """Stores an engine or a command; returns what the pilot is told of it."""
        digest = hashlib.sha256(content).hexdigest()
        self.archives[digest] = content
        return {"sha256": digest, "size": len(content)}

    def put_bundle(self, **files: str) -> dict[str, Any]:
        """Stores a bundle whose entry is `main.cwl`; returns the `workflow` of a work document."""
        archive = bundle_archive({f"{name}.cwl": text.encode() for name, text in files.items()})
        bundle = hashlib.sha256(archive[0]).hexdigest()
        self.archives[bundle] = archive[1]
        return {"bundle": bundle, "fragment": None}

    def output(self, job_id: int) -> dict[str, bytes]:
        """Files of a job's output sandbox."""
        content = self.objects[self.jobs[job_id].outputs[-1].partition("|")[2]]
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:bz2") as tar:
            return {m.name: stream.read() for m in tar if (stream := tar.extractfile(m)) is not None}

    # -- routes -----------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, *, token: str, body: bytes) -> tuple[int, Any]:
        """Answers one request; the caller holds the lock."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path.startswith("/store/"):
            return self._store(method, unquote(path), token, body)
        if path == "/api/pilots/logs":
            assert query["chunk"] == [str(len(self.log))]
            self.log.append(gzip.decompress(body).decode())
            return 204, None
        document = json.loads(body) if body else None
        if path.startswith("/api/pilots/token"):
            return self._token(path, document)
        known = re.fullmatch("/api/(?:pilots/(?:engines|commands)|workflows)/([0-9a-f]{64})(?:/archive)?", path)
        if known is not None and path.startswith("/api/pilots"):
            assert token == self.pilot_token
            return (
                (200, {"url": f"{self.url}/store/{known.group(1)}"}) if known.group(1) in self.archives else (404, {})
            )
        if known is not None:
            assert token.startswith("job-token-")
            return 200, self.archives[known.group(1)]
        if path in ("/api/matcher/match", "/api/pilots/metadata") or path.startswith("/api/matcher/jobs/"):
            return self._pilot_route(path, token, document)
        if self.catalogue is not None and token.startswith("job-token-"):
            found = self.catalogue.answer(method, path, document)
            if found is not None:
                return found
        return self._job_route(path, query, token, document)

    def _token(self, path: str, document: dict[str, Any]) -> tuple[int, Any]:
        if path.endswith("/refresh"):
            if self.is_revoked:
                return 401, {"detail": "The pilot secret or refresh token is not valid"}
            if document["refresh_token"] != f"refresh-{self.refreshes:08}":
                return 401, {"detail": "reused"}
            self.refreshes += 1
        elif document["secret"] != SECRET:
            return 401, {"detail": "This secret is not valid"}
        self.pilot_token = f"pilot-token-{self.refreshes}"
        answer = {"access_token": self.pilot_token, "refresh_token": f"refresh-{self.refreshes:08}", "expires_in": 1200}
        stamp = document.get("stamp") or "f" * 32
        return 200, {**answer, "stamp": stamp, "site": "Here", "vo": "vo", "settings": self.settings}

    def _pilot_route(self, path: str, token: str, document: Any) -> tuple[int, Any]:
        if self.is_revoked:
            return 401, {"detail": "This pilot was revoked"}
        if token != self.pilot_token:
            return 401, {"detail": "expired"}
        if path == "/api/pilots/metadata":
            self.pilot.update(next(iter(document.values())))
            return 204, None
        if path.startswith("/api/matcher/jobs/"):
            job_id = int(path.split("/")[4])
            self.jobs[job_id].tokens += 1
            return 200, {"access_token": f"job-token-{job_id}", "expires_in": 1200}
        self.matches.append(document)
        if not self.waiting and self.action == "continue":
            self.changed.wait_for(lambda: self.waiting or self.action != "continue", document["wait_s"])
        ids = [self.waiting.pop(0) for _ in range(min(document["count"], len(self.waiting)))]
        self.is_down = self.is_down or bool(ids and self.goes_down_after_match)
        miss = None if ids else {"condition": "no job"}
        return 200, {"jobs": [self.jobs[i].document for i in ids], "classes": {}, "miss": miss, "action": self.action}

    def _job_route(self, path: str, query: dict[str, list[str]], token: str, document: Any) -> tuple[int, Any]:
        owner = re.fullmatch(r"job-token-(\d+)", token)
        if owner is None:
            return 401, {"detail": "not a job's token"}
        if self.is_revoked:
            return 401, {"detail": "This pilot was revoked"}
        if self.unread_tokens:
            self.unread_tokens -= 1
            return 401, {"detail": "Invalid JWT"}
        job_id = owner.group(1)
        job = self.jobs[int(job_id)]
        if path == "/api/jobs/status":
            job.states.extend(document[job_id].items())
            return 200, {"success": {}, "failed": {}}
        if path == "/api/jobs/metadata":
            job.parameters.update(document[job_id])
            return 204, None
        if path == "/api/jobs/heartbeat":
            job.heartbeats.append(document[job_id])
            commands = [{"job_id": int(job_id), "command": name, "arguments": None} for name in job.commands]
            job.commands.clear()
            return 200, commands
        if path == f"/api/jobs/{job_id}/sandbox/output":
            job.outputs.append(document)
            return 200, None
        if path == f"/api/jobs/{job_id}/input-object":
            return 200, job.input_object.encode()
        if path == f"/api/jobs/{job_id}/outputs":
            job.manifests.append(document)
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self.holds_outputs)
            return (403, {"detail": "Another run has this job"}) if self.refuses_outputs else (200, None)
        assert path == "/api/jobs/sandbox"
        if document is None:
            return 200, {"url": self.url + "/store" + query["pfn"][0].partition("|")[2], "expires_in": 300}
        key = f"/S3/box/vo/group/user/sha256:{document['checksum']}.{document['format']}"
        checksum = base64.b64encode(bytes.fromhex(document["checksum"])).decode()
        fields = {"key": key, "x-amz-checksum-sha256": checksum, "size": str(document["size"])}
        return 200, {"pfn": "SB:SandboxSE|" + key, "url": self.url + "/store/", "fields": fields}

    def _store(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        assert not token, "a token was sent to the object store"
        if method == "GET":
            return 200, self.objects.get(path.removeprefix("/store")) or self.archives[path.removeprefix("/store/")]
        boundary = body.split(b"\r\n", 1)[0]
        parts = [part[2:-2].partition(b"\r\n\r\n") for part in body.split(boundary)[1:-1]]
        fields = {re.search(rb'name="([^"]+)"', head).group(1).decode(): value for head, _, value in parts}  # type: ignore[union-attr]
        assert base64.b64decode(fields["x-amz-checksum-sha256"]) == hashlib.sha256(fields["file"]).digest()
        assert int(fields["size"]) == len(fields["file"])
        self.objects[fields["key"].decode()] = fields["file"]
        return 204, None


def bundle_archive(files: dict[str, bytes], entry: str = "main.cwl") -> tuple[bytes, bytes]:
    """Return the manifest of a bundle, in canonical JSON, and the tar that nodes get."""
    listed = {name: {"sha256": hashlib.sha256(text).hexdigest(), "size": len(text)} for name, text in files.items()}
    document = {"v": 1, "entry": entry, "fragment": None, "files": listed}
    manifest = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in (("manifest.json", manifest), *((f"files/{name}", text) for name, text in files.items())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return manifest, buffer.getvalue()


def _handler(state: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            with state.changed:
                if state.is_down:
                    status, answer = 503, {"detail": "down for a while"}
                else:
                    state.requests.append((self.command, self.path))
                    status, answer = state.answer(self.command, self.path, token=token, body=body)
                state.changed.notify_all()
            content = answer if isinstance(answer, bytes) else b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests look at `requests` instead."""

    return Handler


@contextmanager
def running_stand_in() -> Iterator[StandIn]:
    """Serves on a free loopback port."""
    state = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
