"""What the room of storage elements hands in."""

from weyl.kit.room import Room
from weyl.storage import tables  # noqa: F401 - they are declared with the room

ROOM = Room()
