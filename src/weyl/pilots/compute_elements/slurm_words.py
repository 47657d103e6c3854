"""The words of Slurm and what they mean: pure, and the same for its commands and its REST API."""

from collections.abc import Collection
from math import ceil

from weyl.pilots.compute_elements.driver import CEState, CEStatus, PilotSpec

_STATES = {
    CEState.WAITING: "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT",
    CEState.RUNNING: "RUNNING COMPLETING SUSPENDED STOPPED SIGNALING STAGE_OUT RESIZING",
    CEState.DONE: "COMPLETED",
    CEState.FAILED: "FAILED TIMEOUT OUT_OF_MEMORY NODE_FAIL PREEMPTED DEADLINE LAUNCH_FAILED RECONFIG_FAIL",
    CEState.DELETED: "CANCELLED REVOKED",
    CEState.ABORTED: "BOOT_FAIL",
}
STATES = {word: state for state, words in _STATES.items() for word in words.split()}

IDENTITY = "identity=$SLURM_JOB_ID"


def status_of(words: Collection[str], reason: str = "") -> CEStatus:
    """Return what a job's state means; a job that also completes, or starts anew, has not ended yet."""
    known = [STATES[word] for word in words if word in STATES]
    detail = " ".join([*words, *([reason] if reason not in ("", "None") else [])])
    for state in (CEState.RUNNING, CEState.WAITING):
        if state in known:
            return CEStatus(state, detail)
    return CEStatus(known[0] if known else CEState.UNKNOWN, detail or "Slurm names no state")


def minutes(spec: PilotSpec) -> int | None:
    """Return the time of a pilot as Slurm counts it."""
    return None if spec.wall_s is None else max(1, ceil(spec.wall_s / 60))
