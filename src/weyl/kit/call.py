"""One HTTP call as a value: rooms describe what they ask, the sync and the async client send the same description."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote

T = TypeVar("T")

QueryValue = str | int | float | bool | None | Sequence[str]

REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request of the API, and the type of its answer.

    `returns` is what the answer is parsed into: a pydantic model, `list[...]` of them, `dict[str, Any]` or `Any` for
    plain JSON, `str` or `bytes` for the body as it is, `None` for nothing. `body` may hold pydantic models, dataclasses
    and datetimes; bytes are JSON already and are sent as they are.
    """

    method: str
    path: str
    returns: Any = None
    query: Mapping[str, QueryValue] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Sent without a token, and never the reason for a refresh: well-known documents, logins.
    anonymous: bool = False
    # Whether it may be sent again after a lost answer; None: the method and the idempotency key decide.
    repeatable: bool | None = None
    # A search: the unit of its Content-Range (`jobs`, `pilots`); `page` and `per_page` are understood.
    unit: str | None = None

    def may_repeat(self) -> bool:
        """Say whether sending this twice does no more than sending it once."""
        if self.repeatable is not None:
            return self.repeatable
        return self.method in REPEATABLE_METHODS or "Idempotency-Key" in self.headers or self.unit is not None

    def with_query(self, **query: QueryValue) -> "Call[T]":
        """Return the same call with these query parameters set."""
        return replace(self, query={**self.query, **query})


def segment(value: object) -> str:
    """Quote one path segment, slashes included."""
    return quote(str(value), safe="")
