"""What the room of the configuration hands in."""

from weyl.config.routes import router
from weyl.kit.room import Room

ROOM = Room(routers=[router])
