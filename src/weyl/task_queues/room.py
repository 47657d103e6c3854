"""What the room of task queues hands in."""

from weyl.kit.db import DATABASE
from weyl.kit.room import Room
from weyl.task_queues.tasks import tasks
from weyl.task_queues.views import VIEWS

ROOM = Room(tasks=[lambda services: tasks(services[DATABASE])], views=VIEWS)
