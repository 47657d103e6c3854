"""The jobs that tests of this room begin with: those of the room below."""

from tests.jobs.conftest import make_jobs, row, submitted, workflow_jobs, world

__all__ = ["make_jobs", "row", "submitted", "workflow_jobs", "world"]
