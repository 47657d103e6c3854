"""Whether a run that was lost may have started its payload: only one that did not is given out again for nothing."""

from collections.abc import Mapping, Set
from enum import StrEnum

Starts = Mapping[str, Set[int]]
"""The payloads that pilots started, by stamp: the word of pilots that start nothing any more. Without a stamp there is
no word of that pilot."""

NO_WORD: Starts = {}
MAY_HAVE_STARTED = "Job may have started: pilot not running"
NOT_HEARD_OF = "Job may have started: no report from its pilot"
LOST_IN_SETUP = "Job not started: pilots were lost while they set it up"


class Start(StrEnum):
    """What is known of the start of a payload."""

    NO = "no"
    SETUP = "setup"
    """It did not start; the pilot was setting the job up, which may be what ended it."""
    PERHAPS = "perhaps"
    YES = "yes"


def start_of(job_id: int, status: str, started: Set[int] | None) -> Start:
    """Judge a lost run by the status of its job, and by the payloads that its pilot started; None: it left no word.

    The pilot writes a start down before it happens, and reports it when the server can be reached. So a job that is
    still Matched may have run to its end, and one that is Running may be without a payload: its input arrives first.
    """
    if started is None:
        return Start.PERHAPS if status == "Matched" else Start.YES
    if job_id in started or status not in ("Matched", "Running"):
        return Start.YES
    return Start.NO if status == "Matched" else Start.SETUP
