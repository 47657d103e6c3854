"""The pilots that a worker plays: each speaks to the server as one on a node does, with tokens of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from weyl.kit.clock import utcnow
from weyl.pilots.need import QueueKey
from weyl.pilots.queries import credentials as queries
from weyl.pilots.service.submission import secret_row
from weyl.pilots.service.yard import Yard
from weyl_pilot.connection import Connections, Refused, Unreachable
from weyl_pilot.sandbox import Sandboxes, SandboxFailure
from weyl_pilot.server import Server
from weyl_pilot.spool import Spool

PATIENCE_S = 20.0
TRANSFER_PATIENCE_S = 60.0
DOORS_MAX = 1_000
SECRET_LIFETIME = timedelta(minutes=10)

REFUSED_FOR_GOOD = (400, 413, 422)

DOOR_FAULTS = (Refused, Unreachable, OSError)
"""What asking the server may end in."""

__all__ = ["DOOR_FAULTS", "Door", "Doors", "Refused", "SandboxFailure", "Unreachable"]


@dataclass(frozen=True, slots=True)
class Door:
    """One such pilot; its calls block, and so are made in threads."""

    server: Server
    options: Mapping[str, Any]
    """What the queue gives to payloads, as every pilot is told."""

    async def match(self, offer: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
        """Ask for jobs that may each use the whole offer."""
        request = {"offer": offer, "count": count, "fill": False, "wait_s": 0}
        answer = await asyncio.to_thread(self.server.match, request, patience_s=PATIENCE_S)
        for job in answer.get("jobs") or ():
            # Kept here and nowhere else: it is written neither into the database nor into what is sent.
            if token := job.pop("token", None):
                self.server.accept_job_token(int(job["job_id"]), str(token))
        return [dict(job) for job in answer.get("jobs") or ()]

    async def fetch(self, job_id: int, pfns: Sequence[str]) -> dict[str, bytes]:
        """Return the archives of a job's input sandboxes, in their order, in a form that every node can read."""
        return await asyncio.to_thread(self._fetch, job_id, pfns)

    async def tell(self, job_id: int, states: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        """Report parameters and states; what the server will not have is not repeated."""
        if parameters:
            await asyncio.to_thread(self.server.set_parameters, job_id, parameters, patience_s=PATIENCE_S)
        if states:
            await asyncio.to_thread(self.server.set_status, job_id, states, patience_s=PATIENCE_S)

    async def beat(self, job_id: int, sample: Mapping[str, Any]) -> list[str]:
        """Report that a job lives; returns the commands that wait for it."""
        commands = await asyncio.to_thread(self.server.heartbeat, job_id, sample, patience_s=PATIENCE_S)
        return [str(command.get("command")) for command in commands]

    async def workflow(self, job_id: int, bundle: str) -> bytes:
        """Return the files of the workflow that a job runs, as a tar."""
        return await asyncio.to_thread(self.server.workflow_archive, job_id, bundle, patience_s=TRANSFER_PATIENCE_S)

    async def input_object(self, job_id: int) -> bytes:
        """Return the input object of a job that runs a workflow, as it is stored."""
        return await asyncio.to_thread(self.server.input_object, job_id, patience_s=PATIENCE_S)

    async def upload(self, job_id: int, content: bytes) -> str:
        """Store a job's output sandbox and return its name; saying it twice is not an error."""
        return await asyncio.to_thread(self._upload, job_id, content)

    async def record(self, job_id: int, pfn: str, manifest: Mapping[str, Any]) -> None:
        """Store what a workflow has put out; raises `SandboxFailure` for what the server will never have."""
        try:
            await asyncio.to_thread(self.server.record_outputs, job_id, pfn, manifest, patience_s=PATIENCE_S)
        except Refused as error:
            if error.status not in REFUSED_FOR_GOOD:
                raise
            raise SandboxFailure(f"what it has put out is refused: {error.detail}") from error

    async def log(self, number: int, content: bytes) -> None:
        """Keep what a wrapper wrote, as a piece of this pilot's log."""
        await asyncio.to_thread(self.server.send_log, number, content, patience_s=PATIENCE_S)

    def _upload(self, job_id: int, content: bytes) -> str:
        spool = Spool(None, bytes_max=len(content))
        spool.write(content)
        with TemporaryDirectory() as cache:
            sandboxes = Sandboxes(self.server, Path(cache))
            return sandboxes.upload(job_id, spool, patience_s=TRANSFER_PATIENCE_S)

    def _fetch(self, job_id: int, pfns: Sequence[str]) -> dict[str, bytes]:
        found = {}
        with TemporaryDirectory() as cache:
            sandboxes = Sandboxes(self.server, Path(cache), reads_zstd=False)
            for number, pfn in enumerate(pfns):
                path = sandboxes.fetch(job_id, pfn, patience_s=TRANSFER_PATIENCE_S)
                found[f"input-{number}{''.join(path.suffixes[-2:])}"] = path.read_bytes()
        return found


@dataclass(slots=True)
class Doors:
    """Those of one worker. Another worker that takes over a queue lets its pilots in anew."""

    yard: Yard
    _open: dict[str, Door] = field(default_factory=dict)

    async def open(self, key: QueueKey, stamp: str) -> Door:
        """Return the door of a pilot; its secret is made on the spot and used at once."""
        known = self._open.get(stamp)
        if known is not None:
            return known
        secret, mac = self.yard.ring.mint()
        async with self.yard.db.transaction() as tx:
            row = secret_row(key, stamp, mac, now=utcnow(), lifetime=SECRET_LIFETIME)
            await queries.insert_secrets(tx, [row])
        server = Server(self.yard.url, Connections())
        welcome = await asyncio.to_thread(server.redeem, secret, stamp=stamp, host=key.ce, patience_s=PATIENCE_S)
        if len(self._open) >= DOORS_MAX:
            self._open.clear()
        names = ("payload_environment", "payload_software", "payload_engine")
        options = {name: welcome.settings[name] for name in names if welcome.settings.get(name)}
        door = self._open[stamp] = Door(server, options)
        return door

    def close(self, stamp: str) -> None:
        """Forget a pilot whose tokens are of no use any more."""
        door = self._open.pop(stamp, None)
        if door is not None:
            door.server.connections.close()
