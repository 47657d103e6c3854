"""A grid with files, and catalogues and stagers as extensions bring them; nothing of it is weyl's own."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tests.infra.app import config_document

from weyl.config.models import Config
from weyl.file_catalog.drivers.catalog import CatalogUnavailable, File, Replica
from weyl.file_catalog.drivers.stager import StageRequest, StagerUnavailable
from weyl.file_catalog.drivers.static import StaticCatalog
from weyl.preparation.additions import PreparationRules

ALPHA, BETA = "LCG.Alpha.org", "LCG.Beta.org"
FILES = {
    "/voa/alpha": ["ALPHA-DISK"],
    "/voa/beta": ["BETA-DISK"],
    "/voa/both": ["ALPHA-DISK", "BETA-DISK"],
    "/voa/tape": ["ALPHA-TAPE"],
    "/voa/tape2": ["ALPHA-TAPE"],
    "/voa/beta-tape": ["BETA-TAPE"],
    "/voa/many/": ["BETA-DISK"],
}
STORAGE = {
    "ALPHA-DISK": {"Sites": [ALPHA]},
    "ALPHA-TAPE": {"Sites": [ALPHA], "Medium": "tape"},
    "BETA-DISK": {"Sites": [BETA]},
    "BETA-TAPE": {"Sites": [BETA], "Medium": "tape"},
}
PLAIN = 'Executable = "/bin/date";'


def grid(*, banned: Mapping[str, str] | None = None, matching: Mapping[str, Any] | None = None, **data: Any) -> Config:
    """Return the suite's configuration with files; `banned` storage elements cannot be read."""
    document: dict[str, Any] = config_document()
    storage: dict[str, Any] = {name: dict(each) for name, each in STORAGE.items()}
    for name, reason in (banned or {}).items():
        storage[name]["Status"] = {"Read": {"Status": "Banned", "Reason": reason}}
    document["Resources"]["StorageElements"] = storage
    files = {name: {"StorageElements": places, "Size": 10} for name, places in FILES.items()}
    options = {"Catalog": "static", "Files": files, **data}
    document["Operations"] = {"voa": {"InputData": options, "Matching": dict(matching or {})}}
    return Config.model_validate(document)


STATIC = PreparationRules(catalogs={"static": StaticCatalog()})


class Recording:
    """A catalogue that remembers what it was asked, and does something else meanwhile."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        self.questions: list[tuple[str, list[str]]] = []
        self.meanwhile = meanwhile

    async def locate(self, vo: str, lfns: Sequence[str], config: Config) -> Mapping[str, File]:
        """Answer as the configured catalogue does."""
        self.questions.append((vo, list(lfns)))
        if self.meanwhile is not None:
            await self.meanwhile()
        return await StaticCatalog().locate(vo, lfns, config)


class OverHTTP:
    """A catalogue on the network: one request a question, names out, places back."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def locate(self, vo: str, lfns: Sequence[str], config: Config) -> Mapping[str, File]:
        """Ask the server; whatever keeps it from answering is told."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            body = json.dumps(list(lfns)).encode()
            writer.write(b"POST /%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (vo.encode(), len(body), body))
            await writer.drain()
            head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
        except OSError as error:
            raise CatalogUnavailable(f"connection failed: {type(error).__name__}") from error
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise CatalogUnavailable(head.split(b"\r\n")[0].decode())
        return {lfn: File(tuple(map(Replica, places))) for lfn, places in json.loads(answer).items()}


async def serve_catalog(answer: Callable[[list[str]], tuple[int, dict[str, list[str]]]]) -> asyncio.Server:
    """Start the server that `OverHTTP` asks."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        status, places = answer(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.0 %d Said\r\n\r\n%s" % (status, json.dumps(places).encode()))
        await writer.drain()
        writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


class Tapes:
    """A stager that takes requests while it is up, and remembers them by their number."""

    def __init__(self) -> None:
        self.requests: dict[int, StageRequest] = {}
        self.fault: Exception | None = None

    async def stage(self, request: StageRequest, config: Config) -> None:
        """Take a request."""
        if self.fault is not None:
            raise self.fault
        self.requests[request.request_id] = request


DOWN = StagerUnavailable("the robot is being repaired")
