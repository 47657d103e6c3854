"""Kinds of failures that are known: what each means and what cures it, by the text that all of a kind share."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from weyl.failures.exits import meaning_of

RESCHEDULE = "reschedule"
"""The action of the jobs' page that runs a job again."""


class Cure(NamedTuple):
    """What a kind of failure means, what may be done, and the action of the jobs' page that does it, if one does."""

    cause: str
    cure: str
    action: str | None = None


@dataclass(frozen=True, slots=True)
class KnownKind:
    """Failures whose texts begin alike: in lower case and without particulars, as `job_failure` makes them."""

    begins: str
    cure: Cure


_MEMORY = Cure(
    "The job used more memory than it had",
    "Ask for more memory (MaxRAM, or --memory), or let the program read less at a time",
)
_AGAIN = "The program is not to blame: run the job again"
_PILOT_LOST = Cure("The pilot that ran the job was lost with its worker node or batch job", _AGAIN, RESCHEDULE)
_SILENT = Cure("Nothing was heard of the job for so long that it was given up", _AGAIN, RESCHEDULE)

KNOWN = (
    KnownKind(
        "application not found",
        Cure(
            "The program of the job is neither in its input sandbox nor on the worker node",
            "Is the program in the input sandbox? Add it to InputSandbox and name it without a path in Executable, or"
            " name a program that is on the node by its path",
        ),
    ),
    KnownKind("job has exceeded its memory limit", _MEMORY),
    KnownKind(
        "job has exceeded maximum wall clock time: the pilot",
        Cure(
            "The pilot's time in the batch system ended before the job did",
            "Ask for the time that the job needs (CPUTime), so that only pilots with enough time take it",
        ),
    ),
    KnownKind(
        "job has exceeded maximum wall clock time",
        Cure("The job ran longer than it had asked for", "Ask for more time (CPUTime), or do less in one job"),
    ),
    KnownKind(
        "job has insufficient disk space to continue: used",
        Cure(
            "The job wrote more than the scratch space that it had asked for",
            "Ask for more scratch space, or remove intermediate files while the job runs",
        ),
    ),
    KnownKind(
        "job has insufficient disk space to continue",
        Cure("The disk of the worker node was full", _AGAIN, RESCHEDULE),
    ),
    KnownKind(
        "watchdog identified this job as stalled: less than",
        Cure(
            "The program used almost no CPU for 30 minutes: it probably waited for something",
            "Look in the output for what it waited for, as input from a terminal, a server or a lock; a job that may"
            " be idle sets DISABLE_WATCHDOG_CPU_WALLCLOCK_CHECK=1 in ExecutionEnvironment",
        ),
    ),
    KnownKind("watchdog identified this job as stalled", _SILENT),
    KnownKind("job stalled", _PILOT_LOST),
    KnownKind(
        "job may have started",
        Cure(
            "The pilot took the job and was not heard of again: the job may or may not have run",
            "Look whether its results are there; if not, run it again",
            RESCHEDULE,
        ),
    ),
    KnownKind(
        "received kill signal",
        Cure("The pilot was told to stop while the job ran", _AGAIN, RESCHEDULE),
    ),
    KnownKind(
        "failed downloading inputsandbox",
        Cure(
            "The input sandbox could not be fetched to the worker node",
            "Look whether the sandbox is still there (weyl jobs sandbox list ID); if it is, run the job again",
            RESCHEDULE,
        ),
    ),
    KnownKind(
        "input data not available",
        Cure(
            "A file that the job reads is not in the catalogue, or no replica of it can be read",
            "Look at its replicas (weyl data replicas LFN) and correct the name, or run the job again once one is good",
            RESCHEDULE,
        ),
    ),
    KnownKind(
        "uploading outputs",
        Cure(
            "The program ended well, but its output data could not be stored",
            "Look whether it left all files of OutputData, and what the storage elements say; then run it again",
            RESCHEDULE,
        ),
    ),
    KnownKind(
        "uploading output",
        Cure(
            "The program ended well, but its output could not be stored",
            "Look whether it left all files that its description names, and how large they are; then run it again",
            RESCHEDULE,
        ),
    ),
    KnownKind(
        "no candidate sites available",
        Cure(
            "There is no site left at which the job may run",
            "Compare Site and BannedSites with `weyl sites list`, and the places of its input data with both",
        ),
    ),
    KnownKind(
        "illegal job jdl",
        Cure(
            "The description asks for something that cannot be",
            "Correct what the text names, check it (weyl jobs submit FILE --dry-run), and submit it again",
        ),
    ),
    KnownKind(
        "no match within ttl",
        Cure(
            "No pilot took the job for as long as your VO lets jobs wait",
            "Ask for less or for other sites: `weyl jobs submit FILE --dry-run` says what no pilot offers",
        ),
    ),
    KnownKind(
        "maximum of reschedulings reached",
        Cure(
            "The job was run again as often as your VO allows",
            "Look why its runs failed (weyl jobs show --history ID) before you submit it anew",
        ),
    ),
    KnownKind(
        "job wrapper initialization",
        Cure("The worker node could not prepare the job", _AGAIN, RESCHEDULE),
    ),
    KnownKind(
        "jobwrapper execution",
        Cure(
            "A command that your VO runs around every job failed",
            "Send the text of the failure to the administrators of your VO",
        ),
    ),
    KnownKind("exception during execution", Cure("The pilot itself failed", _AGAIN, RESCHEDULE)),
)
# The words that the signature keeps of an exit code; see `job_failure_text`.
_EXIT = re.compile(
    r"(?:exit(?:ed)?(?: with)?(?: (?:status|code))*|(?:ended|returned)(?: with)? (?:status|code)|signal)"
    r"[:=]? *(-?[0-9]{1,3})(?![.]?[0-9a-z_])"
)


def cure_of(text: str, *, exit_code: int | None = None, is_workflow: bool = False) -> Cure | None:
    """Return what the text of a kind of failures means and what cures it; None if nobody knows.

    Of programs that ended by themselves the exit code says it: the one that is given, or the one in the text.
    """
    for kind in KNOWN:
        if text.startswith(kind.begins):
            return kind.cure
    if exit_code is None and (found := _EXIT.search(text)) is not None:
        exit_code = int(found[1])
    if not exit_code:
        return None
    return Cure(*meaning_of(exit_code, is_workflow=is_workflow))
