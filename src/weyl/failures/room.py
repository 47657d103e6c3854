"""What the room of failures hands in."""

from weyl.failures.routes import router
from weyl.failures.tasks import tasks
from weyl.kit.db import DATABASE
from weyl.kit.room import Room

ROOM = Room(routers=[router], tasks=[lambda services: tasks(services[DATABASE])])
