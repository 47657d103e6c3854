"""What the room of the file catalogue hands in."""

from weyl.file_catalog import tables  # noqa: F401 - they are declared with the room
from weyl.kit.room import Room

ROOM = Room()
