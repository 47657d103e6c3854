"""The client for programs with an event loop: the same calls, the same login, the same errors as the sync one."""

import random
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from weyl.client import environment
from weyl.client.credentials import TokenStore
from weyl.client.exchange import (
    Incoming,
    Received,
    Setting,
    call_exchange,
    download_exchange,
    fresh_tokens,
    upload_exchange,
)
from weyl.client.paging import Pager
from weyl.client.streams import Piece, get_exchange, put_exchange
from weyl.client.sync import TIMEOUT_S, Answer, default_store, load_transport
from weyl.kit.call import Call

T = TypeVar("T")


class AsyncClient:
    """Talks to one installation with one login, without blocking the event loop."""

    def __init__(
        self,
        url: str | None = None,
        store: TokenStore | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        ca_path: str | None = None,
        observe: Any = None,
        transport: Any = None,
    ) -> None:
        self.url = environment.checked_url(url, "Correct it.") if url else environment.server_url()
        self.store = store if store is not None else default_store()
        self._setting = Setting(self.url, self.store, time.time, random.random)
        self._travel = (timeout_s, ca_path or environment.variable("CA_PATH"), observe, transport)
        self._http: Any = None
        self._options: Any = None

    async def send(self, call: Call[T]) -> T:
        """Send a call and return the parsed answer, or raise what the answer means."""
        return (await self.answer(call)).value

    async def answer(self, call: Call[T]) -> Answer[T]:
        """Send a call and return the answer with its status and headers."""
        received = await self._drive(call_exchange(call, self._setting))
        value: Any = None if received.status == 304 else load_transport().decode(call.returns, received.content)
        return Answer(value, received.status, received.headers)

    async def rows(
        self, call: Call[Any], *, limit: int | None = None, per_page: int | None = None
    ) -> AsyncIterator[Any]:
        """Iterate over the rows of a search: `limit` of them, 0 for all, None for the page that the call names."""
        pager = Pager(call, limit, per_page)
        while (page := pager.next_call()) is not None:
            answer = await self.answer(page)
            for row in pager.accept(answer.value, answer.headers.get("content-range"), answer.headers.get("link")):
                yield row

    async def upload(self, url: str, fields: Mapping[str, str], file: Path) -> None:
        """Post a file to the object store by a presigned form."""
        await self._drive(upload_exchange(url, fields, file, self._setting))

    async def download(self, url: str, file: Path) -> None:
        """Fetch a presigned address into a file, which appears when it is complete."""
        await self._drive(download_exchange(url, file, self._setting))

    async def put_bytes(self, url: str, piece: Piece, *, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Send bytes of a file by a request that the server made, once; returns the headers of storage's answer."""
        received: Received = await self._drive(put_exchange(url, headers, piece))
        return received.headers

    async def get_bytes(self, url: str, sink: Incoming, *, headers: Mapping[str, str], offset: int = 0) -> None:
        """Fetch a file by a request that the server made, from an offset on, once."""
        await self._drive(get_exchange(url, headers, sink, offset=offset))

    async def token(self) -> str:
        """Return an access token with at least five minutes left."""
        return str((await self._drive(fresh_tokens(self._setting))).access_token)

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _drive(self, exchange: Any) -> Any:
        transport = load_transport()
        if self._http is None:
            timeout_s, ca_path, observe, wire = self._travel
            self._options = transport.Options(timeout_s, ca_path, observe, wire)
            self._http = transport.async_http(self._options)
        return await transport.drive_async(exchange, self._http, self._options)
