"""Where the input data of a job are, and how one of them is had: from the nearest copy that is what it should be."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from weyl_pilot.connection import Refused
from weyl_pilot.server import Limits, Server
from weyl_pilot.streams import Streams, TransferFailed, Wanted

log = logging.getLogger("weyl_pilot.sources")

PATIENCE_S = 600.0
FRESH_S = 60.0
"""A request that ends sooner is asked for again."""


class Unavailable(Exception):
    """Files cannot be had; the text names each with its storage elements."""

    def __init__(self, lost: Mapping[str, str]) -> None:
        super().__init__("; ".join("%s: %s" % item for item in lost.items()))


@dataclass(frozen=True)
class InputFile:
    """One file, and whom it can be had from, nearest first."""

    wanted: Wanted
    replicas: Tuple[Mapping[str, Any], ...]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> InputFile:
        """Reads one file of the server's answer."""
        size = document.get("size")
        checksums = {str(k): None if v is None else str(v) for k, v in (document.get("checksums") or {}).items()}
        wanted = Wanted(None if size is None else int(size), checksums)
        return cls(wanted, tuple(document.get("replicas") or ()))


class Sources:
    """The input data of one job."""

    def __init__(self, server: Server, job_id: int, streams: Streams, *, patience_s: float = PATIENCE_S) -> None:
        self._server = server
        self._job_id = job_id
        self._streams = streams
        self._patience_s = patience_s
        self.files: Dict[str, InputFile] = {}
        """By logical name, once they have been asked for."""

    def ask(self) -> None:
        """Asks the server where they are; raises Unavailable, Unreachable or Halted."""
        try:
            limits = Limits(self._patience_s, pause=self._streams.errand.pause)
            answer = self._server.job_inputs(self._job_id, limits=limits)
        except Refused as error:
            raise Unavailable({"where they are": str(error)}) from error
        failed = answer.get("failed") or {}
        if failed:
            raise Unavailable({lfn: str((said or {}).get("detail") or "it is lost") for lfn, said in failed.items()})
        self.files = {lfn: InputFile.from_document(said) for lfn, said in (answer.get("files") or {}).items()}

    @property
    def size(self) -> int:
        """Bytes of all, as far as they are known."""
        return sum(file.wanted.size or 0 for file in self.files.values())

    def fetch(self, lfn: str, path: Path, room: int) -> None:
        """Brings a file of no more than `room` bytes; raises Unavailable, DiskFault, Unreachable or Halted."""
        reasons: List[str] = []
        for number in range(len(self.files[lfn].replicas)):
            file = self._fresh(lfn, number)
            replica = file.replicas[number]
            try:
                self._fetch(replica.get("request") or {}, path, file.wanted, room)
                log.info("job %d: %s from %s", self._job_id, lfn, replica.get("se"))
                return
            except TransferFailed as error:
                log.warning("job %d: %s cannot be had from %s: %s", self._job_id, lfn, replica.get("se"), error)
                reasons.append("%s: %s" % (replica.get("se"), error))
        raise Unavailable({lfn: ", ".join(reasons) or "no storage element has it that can be read from here"})

    def _fresh(self, lfn: str, number: int) -> InputFile:
        """The file, asked for again if the permission to read this replica is about to end."""
        before = self.files[lfn]
        request = before.replicas[number].get("request") or {}
        left_s = self._server.clock.seconds_until(str(request.get("expires_at") or ""))
        if left_s is None or left_s > FRESH_S:
            return before
        self.ask()
        now = self.files.setdefault(lfn, before)
        return now if len(now.replicas) > number else before

    def _fetch(self, request: Mapping[str, Any], path: Path, wanted: Wanted, room: int) -> None:
        wanted = Wanted(wanted.size, wanted.checksums, room)
        if request.get("protocol") == "file":
            self._streams.copy(Path(str(request.get("path") or "")), path, wanted)
        elif request.get("url"):
            self._streams.fetch(str(request["url"]), dict(request.get("headers") or {}), path, wanted)
        else:
            raise TransferFailed("this pilot cannot speak %s" % str(request.get("protocol"))[:20])
