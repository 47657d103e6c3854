"""What can go wrong with workflows."""

from collections.abc import Sequence
from typing import Any

from weyl.kit.errors import BadRequest, Conflict, NotFound


class InvalidWorkflow(BadRequest):
    """A document or its inputs have errors; `problems` names each of them, a hundred at most."""

    def __init__(self, detail: str, problems: Sequence[dict[str, Any]]) -> None:
        super().__init__(detail, extra={"problems": list(problems)})


class WorkflowNotFound(NotFound):
    """No such workflow in the caller's VO."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"Your VO has no workflow {workflow_id}")


class NoWorkflow(NotFound):
    """The job runs an executable, not a workflow."""

    def __init__(self, job_id: int) -> None:
        super().__init__(f"Job {job_id} runs no workflow")


class FileNotInBundle(NotFound):
    """The bundle has no file of this path."""


class AmbiguousLabel(Conflict):
    """Several bundles have the label by which one is meant."""

    def __init__(self, workflow_id: str, bundle_ids: Sequence[str]) -> None:
        detail = f"{len(bundle_ids)} workflows of your VO have the label {workflow_id}: submit by the id of a bundle"
        super().__init__(detail, extra={"bundle_ids": list(bundle_ids)})


class FilesMissing(Conflict):
    """A bundle has files that the VO does not have, and that were not sent."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"{len(missing)} files are missing: send their content", extra={"missing": list(missing)})


class WrongBundle(BadRequest):
    """A bundle is not what its id, or the hash of a file, says."""
