"""What the room of storage elements hands in."""

from weyl.kit.room import Room

ROOM = Room()
