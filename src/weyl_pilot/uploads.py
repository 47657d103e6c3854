"""Output data of a job: announced, written to the first storage element that takes each file, registered together."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, Mapping, Optional, Sequence

from weyl_pilot.connection import FileBody, Refused, Unreachable
from weyl_pilot.errand import Errand
from weyl_pilot.products import Product
from weyl_pilot.server import AGENT, Limits, Server
from weyl_pilot.streams import Streams, TransferFailed, is_final, trouble

log = logging.getLogger("weyl_pilot.uploads")

PAUSES_S = (0.0, 10.0, 60.0, 300.0)
"""Before each round through the targets."""
PART_TRIES = 3
FRESH_S = 60.0
COMMIT_TIMEOUT_S = 120.0
NOT_ALLOWED, ALREADY_THERE, CONDITION_FAILED = (401, 403), (409, 412), 412
REGISTERED, VERIFYING = "registered", "verifying"


class NotStored(Exception):
    """Output data could not be stored or registered; the text names them."""

    def __init__(self, text: str, *, may_pass: bool = False) -> None:
        super().__init__(text)
        self.may_pass = may_pass
        """Whether that could be otherwise later."""


@dataclass(frozen=True)
class Stored:
    """What became of output data: registered, or still looked at."""

    state: str
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Logical name and storage element, by the name that the job has for a file."""


@dataclass(frozen=True)
class Stock:
    """The files of one job, and how they are opened."""

    job_id: int
    products: Sequence[Product]
    open: Callable[[Product], IO[bytes]]
    elsewhere: Sequence[str] = ()
    """Outputs of a workflow whose files need not be stored: they were there before."""


class Uploads:
    """Stores output data through the network."""

    pauses_s: Sequence[float] = PAUSES_S

    def __init__(self, server: Server, *, ends_at: float) -> None:
        self._server = server
        self._ends_at = ends_at

    def store(self, stock: Stock, errand: Errand) -> Stored:
        """Returns once all files are stored and the server has them; raises NotStored or Halted."""
        return _Upload(self._server, stock, errand, ends_at=self._ends_at, pauses_s=self.pauses_s).run()


class _Upload:
    def __init__(
        self, server: Server, stock: Stock, errand: Errand, *, ends_at: float, pauses_s: Sequence[float]
    ) -> None:
        self._server = server
        self._stock = stock
        self._errand = errand
        self._streams = Streams(server.connections, errand, agent=AGENT)
        self._ends_at = ends_at
        self._pauses_s = pauses_s
        self._opened: Mapping[str, Any] = {}
        self._etags: Dict[str, Dict[int, str]] = {}
        """By name and storage element, of parts that are stored."""

    def run(self) -> Stored:
        self._open()
        landed: Dict[str, Dict[str, Any]] = {}
        for number, product in enumerate(self._stock.products):
            if self._file(product).get("state") == REGISTERED:
                continue
            self._errand.told = "output %d of %d: %s" % (number + 1, len(self._stock.products), product.name)
            landed[product.name] = self._write(product)
        return self._commit(landed)

    # -- the server ---------------------------------------------------------------------------------------------------

    def _limits(self) -> Limits:
        # As long as the pilot lives: what is stored already would be lost with the job.
        return Limits(max(60.0, self._ends_at - time.monotonic()), COMMIT_TIMEOUT_S, self._errand.pause)

    def _open(self) -> None:
        told = [product.told() for product in self._stock.products]
        try:
            opened = self._server.open_outputs(
                self._stock.job_id, told, elsewhere=self._stock.elsewhere, limits=self._limits()
            )
        except (Refused, Unreachable) as error:
            raise NotStored("where they go cannot be asked: %s" % error, may_pass=_may_pass(error)) from error
        if self._opened and opened.get("upload_id") != self._opened.get("upload_id"):
            raise NotStored("another run has this job")
        self._opened = opened
        _demand(opened.get("failed") or {})

    def _file(self, product: Product) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self._opened.get("files") or {}).get(product.name) or {}
        return found

    def _commit(self, landed: Mapping[str, Mapping[str, Any]]) -> Stored:
        upload_id = self._opened.get("upload_id")
        if upload_id is None:
            return Stored(REGISTERED)
        self._errand.told = "registering %d outputs" % len(landed)
        try:
            answer = self._server.commit_outputs(self._stock.job_id, str(upload_id), landed, limits=self._limits())
        except (Refused, Unreachable) as error:
            raise NotStored("they are not registered: %s" % error, may_pass=_may_pass(error)) from error
        _demand(answer.get("failed") or {})
        state = str(answer.get("state"))
        if state not in (REGISTERED, VERIFYING):
            raise NotStored("they are not registered: the upload is %s" % state)
        files = {**(self._opened.get("files") or {}), **(answer.get("files") or {})}
        places = {
            name: {"lfn": str(said.get("lfn") or ""), "se": str((landed.get(name) or {}).get("se") or "")}
            for name, said in files.items()
        }
        return Stored(state, places)

    # -- one file -----------------------------------------------------------------------------------------------------

    def _write(self, product: Product) -> Dict[str, Any]:
        """Writes a file to the first target that takes it; returns where that was."""
        out: Dict[str, bool] = {}
        """Targets that failed, and whether they would fail again."""
        reasons: Dict[str, str] = {}
        for pause_s in self._pauses_s:
            self._errand.pause(pause_s)
            for se in [str(target["se"]) for target in self._file(product).get("targets") or ()]:
                if out.get(se):
                    continue
                try:
                    return self._put(product, se)
                except TransferFailed as error:
                    log.warning("job %d: %s does not take %s: %s", self._stock.job_id, se, product.name, error)
                    is_there = error.status in ALREADY_THERE and se in out
                    if is_there:
                        return {
                            "se": se
                        }  # the answer to an earlier attempt was lost; the server compares what is there
                    is_first_refusal = error.status in NOT_ALLOWED and se not in reasons
                    reasons[se] = str(error)
                    out[se] = is_final(error.status) and not is_first_refusal
                    if is_first_refusal:
                        self._open()
            if out and all(out.values()):
                break
        text = ", ".join("%s: %s" % item for item in reasons.items()) or "no storage element takes it"
        raise NotStored("%s: %s" % (product.name, text), may_pass=not all(out.values()))

    def _request(self, product: Product, se: str) -> Mapping[str, Any]:
        """How a file is written there; asked for again if the permission is about to end."""
        for is_fresh in (False, True):
            targets = self._file(product).get("targets") or ()
            request = next((target.get("request") or {} for target in targets if target.get("se") == se), None)
            if request is None:
                raise TransferFailed("it is no target any more", 404)
            left_s = self._server.clock.seconds_until(str(request.get("expires_at") or ""))
            if is_fresh or left_s is None or left_s > FRESH_S:
                break
            self._open()
        assert request is not None
        return request

    def _put(self, product: Product, se: str) -> Dict[str, Any]:
        request = self._request(product, se)
        protocol = str(request.get("protocol"))
        if protocol == "file":
            self._lay(product, request)
        elif request.get("parts"):
            return {"se": se, "etags": self._put_parts(product, se)}
        elif request.get("url"):
            self._put_whole(product, request)
        else:
            raise TransferFailed("this pilot cannot speak %s" % protocol[:20], 400)
        return {"se": se}

    def _put_whole(self, product: Product, request: Mapping[str, Any]) -> None:
        try:
            self._send(product, request, offset=0, size=product.size)
        except TransferFailed as error:
            is_conditional = any(str(name).lower() == "if-none-match" for name in request.get("headers") or ())
            if error.status != CONDITION_FAILED or not is_conditional:
                raise
            # What must not be written over is there: whether it is this file, the server sees when it compares.
            log.info("job %d: something is there already in place of %s", self._stock.job_id, product.name)

    def _put_parts(self, product: Product, se: str) -> List[str]:
        etags = self._etags.setdefault("%s %s" % (se, product.name), {})
        numbers = [int(part["number"]) for part in self._request(product, se)["parts"]]
        for number in numbers:
            for attempt in range(1, PART_TRIES + 1):
                if number in etags:
                    break
                part = next(p for p in self._request(product, se).get("parts") or () if int(p["number"]) == number)
                try:
                    etags[number] = self._send(product, part, offset=int(part["offset"]), size=int(part["size"]))
                except TransferFailed as error:
                    if attempt == PART_TRIES or is_final(error.status):
                        raise
                    self._errand.pause(attempt)
        return [etags[number] for number in sorted(numbers)]

    def _send(self, product: Product, request: Mapping[str, Any], *, offset: int, size: int) -> str:
        body = FileBody(lambda: self._stock.open(product), size, offset)
        headers = {str(name): str(value) for name, value in (request.get("headers") or {}).items()}
        method = str(request.get("method") or "PUT")
        answer = self._streams.put(method, str(request["url"]), headers, body)
        return answer.headers.get("etag", "")

    def _lay(self, product: Product, request: Mapping[str, Any]) -> None:
        """Writes into a mounted directory: beside the place, then by its name, so that nobody sees half a file."""
        path, temporary = Path(str(request.get("path"))), Path(str(request.get("temporary") or ""))
        if not path.parent.is_dir() or temporary.parent != path.parent:
            raise TransferFailed("its directory is not here", 404)
        try:
            self._fill(product, temporary)
            if os.path.lexists(str(path)):
                raise TransferFailed("something is there already", 409)
            os.rename(str(temporary), str(path))
        except OSError as error:
            raise TransferFailed(trouble(error)) from error

    def _fill(self, product: Product, temporary: Path) -> None:
        if os.path.lexists(str(temporary)):
            temporary.unlink()
        descriptor = os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as sink:
            for block in FileBody(lambda: self._stock.open(product), product.size, errand=self._errand):
                sink.write(block)
            sink.flush()
            os.fsync(descriptor)


def _may_pass(error: Exception) -> bool:
    return isinstance(error, Unreachable)


def _demand(failed: Mapping[str, Any]) -> None:
    """Raises NotStored, naming what the server will not have."""
    if failed:
        text = "; ".join("%s: %s" % (name, _detail(said)) for name, said in failed.items())
        raise NotStored(text)


def _detail(said: Optional[Mapping[str, Any]]) -> str:
    return str((said or {}).get("detail") or (said or {}).get("code") or "refused")
