"""What one process holds: one typed key for each thing, filled in by rooms and asked for by routes and tasks."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, ParamSpec, TypeVar

from fastapi import Request

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class NotHeld(Exception):
    """This process does not hold what a key stands for; the text names the key."""


class HeldTwice(Exception):
    """Two rooms or extensions hold something under one key; the text names both and the key."""


class Key(Generic[T]):
    """Stands for one thing that a process holds; a route asks for it with `Depends(KEY.dependency)`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        """What the thing is called in messages."""

    def of(self, request: Request) -> T:
        """Return the thing, in the process that serves a request; raises `NotHeld`."""
        services: Services = request.app.state.services
        return services[self]

    async def dependency(self, request: Request) -> T:
        """Return the thing, as a dependency of a route."""
        return self.of(request)


class Services:
    """What one process holds, by key; each thing is put here once, before requests and tasks begin."""

    def __init__(self) -> None:
        self._held: dict[Key[Any], Any] = {}
        self._holders: dict[Key[Any], str] = {}
        self.opener = "weyl.app"
        """The module whose state is being opened, for messages."""

    def hold(self, key: Key[T], value: T) -> None:
        """Hold a thing for the life of the process; raises `HeldTwice` if there is one under this key."""
        if key in self._held:
            both = f"{self._holders[key]} and {self.opener}"
            raise HeldTwice(f"{key.name} is provided by {both}; only one of them can be active")
        self._held[key], self._holders[key] = value, self.opener

    def __getitem__(self, key: Key[T]) -> T:
        try:
            value: T = self._held[key]
        except KeyError:
            raise NotHeld(f"This process does not hold {key.name}") from None
        return value

    def later(self, key: Key[Callable[P, R]]) -> Callable[P, R]:
        """Return a function that calls the one under `key`; a higher room provides it by the time of the call."""

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return self[key](*args, **kwargs)

        return call


Open = Callable[[Services], AbstractAsyncContextManager[None] | None]
"""Puts things under their keys; returns a context manager if something must be closed when the process ends."""

BEFORE_STOP: Key[list[Callable[[], None]]] = Key("the calls before shutdown")
"""Called before shutdown, while requests are still under way: they end long polls."""
