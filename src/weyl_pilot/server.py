"""The pilot's view of the weyl server: its own tokens, the tokens of its jobs, and one method a call."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence
from urllib.parse import quote, urlencode

from weyl_pilot.clock import ServerClock
from weyl_pilot.connection import Answer, Connections, Dismissed, Refused, Request, Unreachable, persist

log = logging.getLogger("weyl_pilot.server")

AGENT = "weyl-pilot/0.1"
PROTOCOLS = ("s3", "https", "file")
"""How this program speaks to storage elements."""


def new_request_id() -> str:
    """The id of a question that was not asked before."""
    return str(uuid.uuid4())


@dataclass
class Token:
    """An access token and the moment, by the monotonic clock, when a new one should be asked for."""

    text: str
    renew_at: float

    @classmethod
    def issued(cls, text: str, expires_in_s: float) -> Token:
        """Renewed after three quarters of its life, so that no request carries one about to expire."""
        return cls(text, time.monotonic() + 0.75 * expires_in_s)

    def is_stale(self) -> bool:
        """Whether it is time to renew."""
        return time.monotonic() >= self.renew_at


@dataclass(frozen=True)
class Limits:
    """How long to keep trying, and how long to wait for one answer."""

    patience_s: float
    timeout_s: float = 60.0
    pause: Callable[[float], object] = time.sleep
    """Waits before the next attempt; what it raises ends them."""


@dataclass(frozen=True)
class Welcome:
    """What the server says when the secret is accepted."""

    stamp: str
    site: str
    vo: str
    settings: Mapping[str, Any] = field(default_factory=dict)


class Server:
    """Every call that a pilot makes. Safe to use from several threads."""

    has_tokens = True
    """Whether payloads can be given tokens of their own."""

    def __init__(self, url: str, connections: Connections) -> None:
        self._url = url
        self.connections = connections
        self.clock = ServerClock()
        self._lock = threading.Lock()
        self._pilot: Optional[Token] = None
        self._refresh = ""
        self._jobs: Dict[int, Token] = {}
        self._job_locks: Dict[int, threading.Lock] = {}
        self._token_watchers: Dict[int, Callable[[str], None]] = {}
        self.secrets: List[str] = []
        """All that must never show in a log."""

    # -- the pilot itself ------------------------------------------------------------------------------------------

    def redeem(self, secret: str, *, stamp: Optional[str], host: str, patience_s: float = 300) -> Welcome:
        """Turns the secret into tokens, once and for all."""
        self.secrets.append(secret)
        body: Dict[str, Any] = {"secret": secret, "host": host}
        if stamp:
            body["stamp"] = stamp
        answer = self._send("POST", "/api/pilots/token", body, token=None, limits=Limits(patience_s)).json()
        self._keep_tokens(answer)
        settings = dict(answer.get("settings") or {})
        if "payload_environment" in answer:
            settings.setdefault("payload_environment", answer["payload_environment"])
        left_s = self.clock.seconds_until(str(answer.get("not_after") or ""))
        if left_s is not None:
            settings["token_life_s"] = left_s
        return Welcome(str(answer["stamp"]), str(answer.get("site") or ""), str(answer.get("vo") or ""), settings)

    def match(self, request: Mapping[str, Any], *, patience_s: float = 120) -> Dict[str, Any]:
        """Asks for jobs. A repeated request carries the same id, so that a lost answer loses no job."""
        body = {"request_id": new_request_id(), **request}
        limits = Limits(patience_s, 60 + float(request.get("wait_s", 0)))
        return dict(self._as_pilot("POST", "/api/matcher/match", body, limits=limits).json())

    def report_pilot(self, stamp: str, fields: Mapping[str, Any], *, patience_s: float = 5) -> None:
        """Writes fields of the pilot's own row."""
        self._as_pilot("PATCH", "/api/pilots/metadata", {stamp: dict(fields)}, limits=Limits(patience_s))

    def send_log(self, number: int, chunk: bytes, *, patience_s: float = 10) -> None:
        """Stores one numbered, gzipped piece of the pilot's log."""
        self._as_pilot("POST", "/api/pilots/logs?chunk=%d" % number, chunk, limits=Limits(patience_s))

    def archive_url(self, kind: str, sha256: str, *, patience_s: float) -> str:
        """Presigned address of an archive; the kinds are `engines` and `commands`."""
        path = "/api/pilots/%s/%s" % (kind, sha256)
        return str(self._as_pilot("GET", path, None, limits=Limits(patience_s)).json()["url"])

    # -- one job ---------------------------------------------------------------------------------------------------

    def accept_job_token(self, job_id: int, text: str, *, expires_in_s: float = 1200) -> str:
        """Keeps a token that came with the match answer."""
        self.secrets.append(text)
        with self._lock:
            self._jobs[job_id] = Token.issued(text, expires_in_s)
            watcher = self._token_watchers.get(job_id)
        if watcher is not None:
            try:
                watcher(text)
            except OSError as error:
                log.info("job %d: its new token was not needed any more: %s", job_id, error)
        return text

    def watch_job_token(self, job_id: int, watcher: Callable[[str], None]) -> None:
        """Calls back with each new token of the job, so that its payload never holds an expired one."""
        with self._lock:
            self._token_watchers[job_id] = watcher

    def job_token(self, job_id: int, *, renew: bool = False, patience_s: float = 60) -> str:
        """The job's own token: the only one that a payload may see, and the one that writes for the job."""
        with self._lock:
            known = self._jobs.get(job_id)
            fetching = self._job_locks.setdefault(job_id, threading.Lock())
        with fetching:
            with self._lock:
                token = self._jobs.get(job_id)
            # Another thread may have renewed it while this one waited.
            if token is not None and not token.is_stale() and (not renew or token is not known):
                return token.text
            return self._fetch_job_token(job_id, patience_s)

    def _fetch_job_token(self, job_id: int, patience_s: float) -> str:
        path = "/api/matcher/jobs/%d/token" % job_id
        answer = self._as_pilot("POST", path, None, limits=Limits(patience_s)).json()
        if isinstance(answer, str):
            return self.accept_job_token(job_id, answer)
        text = str(answer.get("access_token") or answer["token"])
        return self.accept_job_token(job_id, text, expires_in_s=float(answer.get("expires_in") or 1200))

    def forget_job(self, job_id: int) -> None:
        """Drops the token of a job that needs nothing any more."""
        with self._lock:
            self._jobs.pop(job_id, None)
            self._token_watchers.pop(job_id, None)
            self._job_locks.pop(job_id, None)

    def unwatch_job_token(self, job_id: int) -> None:
        """Ends the call-backs: the payload is over."""
        with self._lock:
            self._token_watchers.pop(job_id, None)

    def set_status(self, job_id: int, updates: Mapping[str, Mapping[str, str]], *, patience_s: float) -> None:
        """Reports a time-stamped set of states."""
        self._as_job(job_id, "PATCH", "/api/jobs/status", {str(job_id): updates}, limits=Limits(patience_s))

    def set_parameters(self, job_id: int, parameters: Mapping[str, Any], *, patience_s: float) -> None:
        """Writes job parameters."""
        self._as_job(job_id, "PATCH", "/api/jobs/metadata", {str(job_id): parameters}, limits=Limits(patience_s))

    def heartbeat(self, job_id: int, sample: Mapping[str, Any], *, patience_s: float) -> List[Dict[str, Any]]:
        """Tells that the job lives, and brings back what is to be done with it."""
        body = {str(job_id): sample}
        answer = self._as_job(job_id, "PATCH", "/api/jobs/heartbeat", body, limits=Limits(patience_s)).json()
        return [dict(command) for command in answer or []]

    def sandbox_url(self, job_id: int, pfn: str, *, archive_format: Optional[str], patience_s: float) -> str:
        """Presigned address of a sandbox."""
        path = "/api/jobs/sandbox?pfn=" + quote(pfn, safe="")
        if archive_format:
            path += "&format=" + archive_format
        return str(self._as_job(job_id, "GET", path, None, limits=Limits(patience_s)).json()["url"])

    def announce_sandbox(self, job_id: int, description: Mapping[str, Any], *, patience_s: float) -> Dict[str, Any]:
        """Asks where an output sandbox is to be put."""
        return dict(self._as_job(job_id, "POST", "/api/jobs/sandbox", description, limits=Limits(patience_s)).json())

    def assign_output(self, job_id: int, pfn: str, *, patience_s: float) -> None:
        """Ties an uploaded output sandbox to its job; saying it twice is not an error."""
        path = "/api/jobs/%d/sandbox/output" % job_id
        try:
            self._as_job(job_id, "PATCH", path, pfn, limits=Limits(patience_s))
        except Refused as refused:
            if "already assigned" not in refused.detail:
                raise

    def workflow_archive(self, job_id: int, bundle: str, *, patience_s: float) -> bytes:
        """The files of the bundle that the job runs, as a tar."""
        return self._as_job(
            job_id, "GET", "/api/workflows/%s/archive" % bundle, None, limits=Limits(patience_s, 300)
        ).body

    def input_object(self, job_id: int, *, patience_s: float) -> bytes:
        """The job's CWL input object, byte for byte as it is stored."""
        return self._as_job(job_id, "GET", "/api/jobs/%d/input-object" % job_id, None, limits=Limits(patience_s)).body

    def record_outputs(self, job_id: int, pfn: str, manifest: Mapping[str, Any], *, patience_s: float) -> None:
        """Stores what came of a CWL job, and in which sandbox it is; a repeated one replaces itself."""
        body = {"sandbox": pfn, "manifest": dict(manifest)}
        self._as_job(job_id, "PUT", "/api/jobs/%d/outputs" % job_id, body, limits=Limits(patience_s))

    def job_inputs(self, job_id: int, *, limits: Limits) -> Dict[str, Any]:
        """Where the job's input data are, nearest first, and how each of them is asked for."""
        path = "/api/jobs/%d/inputs?%s" % (job_id, urlencode([("protocols", name) for name in PROTOCOLS]))
        return dict(self._as_job(job_id, "GET", path, None, limits=limits).json() or {})

    def open_outputs(
        self, job_id: int, files: Sequence[Mapping[str, Any]], *, elsewhere: Sequence[str] = (), limits: Limits
    ) -> Dict[str, Any]:
        """Says what the job has made, and brings back where it goes; said again it is the same, with fresh requests."""
        body: Dict[str, Any] = {"files": [dict(file) for file in files], "protocols": list(PROTOCOLS)}
        if elsewhere:
            body["elsewhere"] = list(elsewhere)
        return dict(self._as_job(job_id, "POST", "/api/jobs/%d/outputs" % job_id, body, limits=limits).json())

    def commit_outputs(
        self, job_id: int, upload_id: str, landed: Mapping[str, Mapping[str, Any]], *, limits: Limits
    ) -> Dict[str, Any]:
        """Says where each file has been put; returns whether all are registered, or are still looked at."""
        path = "/api/jobs/%d/outputs/%s/commit" % (job_id, quote(upload_id, safe=""))
        return dict(self._as_job(job_id, "POST", path, {"landed": dict(landed)}, limits=limits).json())

    # -- tokens ----------------------------------------------------------------------------------------------------

    def _as_pilot(self, method: str, path: str, body: Any, *, limits: Limits) -> Answer:
        try:
            return self._send(method, path, body, token=self._pilot_token(), limits=limits)
        except Refused as refused:
            if refused.status != 401:
                raise
        return self._send(method, path, body, token=self._pilot_token(renew=True), limits=limits)

    def _as_job(self, job_id: int, method: str, path: str, body: Any, *, limits: Limits) -> Answer:
        try:
            return self._send(method, path, body, token=self.job_token(job_id), limits=limits)
        except Refused as refused:
            if refused.status != 401 or isinstance(refused, Dismissed):
                raise
        try:
            return self._send(method, path, body, token=self.job_token(job_id, renew=True), limits=limits)
        except Refused as refused:
            if refused.status != 401 or isinstance(refused, Dismissed):
                raise
            # One server has just issued it: another that cannot read it lags behind, after a change of keys or release.
            raise Unreachable("a new token of job %d is refused: %s" % (job_id, refused)) from refused

    def _pilot_token(self, *, renew: bool = False) -> str:
        # One thread at a time: a refresh token used twice revokes the whole family.
        with self._lock:
            if self._pilot is None:
                raise Unreachable("the pilot has no token yet")
            if renew or self._pilot.is_stale():
                body = {"refresh_token": self._refresh}
                try:
                    answer = self._send("POST", "/api/pilots/token/refresh", body, token=None, limits=Limits(60))
                except Refused as refused:
                    if refused.status != 401:
                        raise
                    raise Dismissed(refused.status, refused.detail) from refused
                self._keep_tokens(answer.json())
            return self._pilot.text

    def _keep_tokens(self, answer: Mapping[str, Any]) -> None:
        self._pilot = Token.issued(str(answer["access_token"]), float(answer.get("expires_in") or 1200))
        self.clock.hear(self._pilot.text)
        self._refresh = str(answer["refresh_token"])
        self.secrets.extend((self._pilot.text, self._refresh))

    def _send(self, method: str, path: str, body: Any, *, token: Optional[str], limits: Limits) -> Answer:
        kind = "application/gzip" if isinstance(body, bytes) else "application/json"
        headers = {"User-Agent": AGENT, "Accept": "application/json", "Content-Type": kind}
        if token:
            headers["Authorization"] = "Bearer " + token
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = Request(method, self._url + path, headers, content, limits.timeout_s)
        return persist(lambda: self.connections.send(request), patience_s=limits.patience_s, sleep=limits.pause)
