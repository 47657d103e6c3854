"""How a job ends, also if that is because the pilot itself fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

GOOD_STATUSES = ("Done", "Completed")


@dataclass(frozen=True)
class Outcome:
    """What a job's last report will say. `status` None leaves the status to the server."""

    status: Optional[str]
    minor: str
    application: Optional[str] = None
    error_class: Optional[str] = None

    @property
    def is_good(self) -> bool:
        """Whether the job did what it was to do, as far as is known on the node."""
        return self.status in GOOD_STATUSES


class StageFailure(Exception):
    """A stage ended the job before its payload could start."""

    def __init__(self, minor: str, application: str, *, error_class: str) -> None:
        super().__init__(application)
        self.outcome = Outcome("Failed", minor, application, error_class)


def broken(error: Exception, outcome: Optional[Outcome] = None) -> Outcome:
    """How a job ends of which the pilot itself fails: as it had failed before, else because of this host."""
    if outcome is not None and not outcome.is_good:
        return outcome
    return Outcome("Failed", "Exception During Execution", short(error), "host")


def short(error: object) -> str:
    """The text of an error, as long as a status may be."""
    return str(error)[:255] or type(error).__name__


def account(outcome: Outcome, stages_s: Mapping[str, float], facts: Mapping[str, Any]) -> bytes:
    """What went wrong, for whoever opens the output of a failed job."""
    lines = ["%s: %s" % (outcome.status or "Killed", outcome.minor)]
    if outcome.application:
        lines.append(outcome.application)
    lines += ["stage %-8s %8.3f s" % item for item in stages_s.items()]
    lines += ["%s: %s" % item for item in facts.items()]
    return ("\n".join(lines) + "\n").encode()
