"""What a higher room adds to the catalogue: storage says at which places its uploads may be writing."""

from collections.abc import Awaitable, Callable, Collection

from weyl.kit.db import Tx
from weyl.kit.services import Key

FindPlaces = Callable[[Tx, Collection[tuple[str, str]]], Awaitable[set[tuple[str, str]]]]
"""Returns those places (storage element, storage path) that uploads have: they write there, or left something there."""

PLACES_OF_UPLOADS: Key[FindPlaces] = Key("the places of uploads")
"""Filled in by the room of storage."""
