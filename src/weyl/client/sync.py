"""The client for scripts and the command line: sends calls and waits for the answers."""

import random
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, TypeVar

from weyl.client import environment
from weyl.client.credentials import CredentialFile, TokenFile, TokenStore
from weyl.client.exchange import (
    Incoming,
    Received,
    Setting,
    call_exchange,
    download_exchange,
    fresh_tokens,
    upload_exchange,
)
from weyl.client.paging import Pager, RowStream
from weyl.client.streams import Piece, get_exchange, put_exchange
from weyl.kit.call import Call

T = TypeVar("T")

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An answer with what travelled beside it; names of headers are in lower case."""

    value: T
    status: int
    headers: Mapping[str, str]


def load_transport() -> ModuleType:
    """Import the HTTP library, which costs more start-up time than all the rest, when something is really sent."""
    from weyl.client import transport  # noqa: PLC0415

    return transport


def default_store(profile: str | None = None) -> TokenStore:
    """Return where the login is: the file that WEYL_TOKEN_FILE names, else the credentials file of the profile."""
    token_file = environment.variable("TOKEN_FILE")
    if token_file:
        return TokenFile(Path(token_file))
    return CredentialFile(environment.credentials_path(profile))


class Client:
    """Talks to one installation with one login.

    ```python
    with Client() as client:
        jobs = client.rows(calls.search(SearchParams()), limit=0)
    ```
    """

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

    def send(self, call: Call[T]) -> T:
        """Send a call and return the parsed answer, or raise what the answer means."""
        return self.answer(call).value

    def answer(self, call: Call[T]) -> Answer[T]:
        """Send a call and return the answer with its status and headers; a 304 has no value."""
        received = self._drive(call_exchange(call, self._setting))
        value: Any = None if received.status == 304 else load_transport().decode(call.returns, received.content)
        return Answer(value, received.status, received.headers)

    def rows(self, call: Call[Any], *, limit: int | None = None, per_page: int | None = None) -> RowStream:
        """Return rows of a search: `limit` of them over many pages, 0: all of them, None: the call's own page."""
        pager = Pager(call, limit, per_page)
        return RowStream(pager, self._rows(pager), lambda: self._count(call))

    def upload(self, url: str, fields: Mapping[str, str], file: Path) -> None:
        """Post a file to the object store by a presigned form."""
        self._drive(upload_exchange(url, fields, file, self._setting))

    def download(self, url: str, file: Path) -> None:
        """Fetch a presigned address into a file, which appears when it is complete."""
        self._drive(download_exchange(url, file, self._setting))

    def put_bytes(self, url: str, piece: Piece, *, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Send bytes of a file by a request that the server made, once; returns the headers of storage's answer."""
        received: Received = self._drive(put_exchange(url, headers, piece))
        return received.headers

    def get_bytes(self, url: str, sink: Incoming, *, headers: Mapping[str, str], offset: int = 0) -> None:
        """Fetch a file by a request that the server made, from an offset on, once."""
        self._drive(get_exchange(url, headers, sink, offset=offset))

    def token(self) -> str:
        """Return an access token with at least five minutes left."""
        return str(self._drive(fresh_tokens(self._setting)).access_token)

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, pager: Pager) -> Iterator[Any]:
        while (call := pager.next_call()) is not None:
            answer = self.answer(call)
            yield from pager.accept(answer.value, answer.headers.get("content-range"), answer.headers.get("link"))

    def _count(self, call: Call[Any]) -> int | None:
        """Ask how many rows a search has; where counting takes long the server stops above `COUNT_MAX`."""
        counting = Pager(call.with_query(page=1, per_page=1))
        deque(self._rows(counting), maxlen=0)
        return counting.total()

    def _drive(self, exchange: Any) -> Any:
        transport = load_transport()
        if self._http is None:
            timeout_s, ca_path, observe, wire = self._travel
            self._options = transport.Options(timeout_s, ca_path, observe, wire)
            self._http = transport.sync_http(self._options)
        return transport.drive(exchange, self._http, self._options)
