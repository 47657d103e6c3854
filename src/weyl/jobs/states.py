"""The life of a job as a value: which moves exist, and how a set of dated status reports changes a job."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

SOURCE_CHARACTERS_MAX = 32
MINOR_CHARACTERS_MAX = 128
APPLICATION_CHARACTERS_MAX = 255
REFUSED_SUFFIX = "(SM)"
CLOCK_ERROR_MAX = timedelta(seconds=4)
"""How far a pilot's clock may be behind ours: it corrects itself from 3 s on, by times that are known to a second."""
# How far the output data of a job are; null, as in the column, where none are asked for.
WANTED, REGISTERED = "wanted", "registered"
MINOR_DONE = "Execution Complete"
OUTPUTS_LOST = ("Uploading Outputs", "It ended without registering its output data")
"""The minor and application status of a job that was to leave output data, and is said to be done without."""
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class JobStatus(StrEnum):
    """A status that may be sent over the wire."""

    SUBMITTING = "Submitting"
    RECEIVED = "Received"
    CHECKING = "Checking"
    STAGING = "Staging"
    WAITING = "Waiting"
    MATCHED = "Matched"
    RUNNING = "Running"
    STALLED = "Stalled"
    COMPLETING = "Completing"
    DONE = "Done"
    COMPLETED = "Completed"
    FAILED = "Failed"
    DELETED = "Deleted"
    KILLED = "Killed"
    RESCHEDULED = "Rescheduled"


# A job may stand in Scouting (productions put it there), but nobody may ask for it over the wire.
SCOUTING = "Scouting"
STATUSES = (*map(str, JobStatus), SCOUTING)
"""Every status that a job may have."""

MOVES: Mapping[str, frozenset[str]] = {
    source: frozenset(targets.split())
    for source, targets in {
        "Submitting": "Received Checking Deleted Killed",
        "Received": "Scouting Checking Staging Waiting Failed Deleted Killed",
        "Checking": "Scouting Staging Waiting Rescheduled Failed Deleted Killed",
        "Scouting": "Checking Failed Stalled Killed",
        "Staging": "Checking Waiting Failed Killed",
        "Waiting": "Matched Rescheduled Deleted Killed",
        "Matched": "Running Failed Rescheduled Killed",
        "Running": "Stalled Done Failed Rescheduled Completing Killed Received",
        "Stalled": "Running Failed Killed",
        "Completing": "Done Failed Completed Stalled Killed",
        "Completed": "Done Failed",
        "Done": "Deleted",
        "Failed": "Rescheduled Deleted",
        "Killed": "Deleted",
        "Rescheduled": "Waiting Received Deleted Failed Killed",
        "Deleted": "",
    }.items()
}

FINAL: frozenset[str] = frozenset({"Done", "Completed", "Failed", "Killed"})
# A pilot has the job, whose payload may be alive on a worker node; in SQL: `job_is_active(status)`.
ACTIVE: frozenset[str] = frozenset({"Matched", "Running", "Stalled", "Completing"})
# The job must leave the task queue, and whatever still runs must die.
ENDED_BY_HAND: frozenset[str] = frozenset({"Killed", "Deleted"})


def is_allowed(source: str, target: str) -> bool:
    """Tell whether a job may move from one status to another."""
    return target in MOVES.get(source, frozenset())


@dataclass(frozen=True, slots=True)
class Report:
    """One dated report about a job; None leaves the field as it is."""

    at: datetime
    status: str | None = None
    minor_status: str | None = None
    application_status: str | None = None
    source: str = "Unknown"
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """What the walk needs to know of a job; `last` is the newest time in its history."""

    status: str
    last: datetime
    start_exec_time: datetime | None = None
    end_exec_time: datetime | None = None
    wants_outputs: bool = False
    """Output data are asked for and not registered: it cannot be Done."""
    has_outputs: bool = False
    """They are registered."""


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """One line of a job's history; None is read back as the value before it."""

    at: datetime
    status: str | None
    minor_status: str | None
    application_status: str | None
    source: str


@dataclass(slots=True)
class Change:
    """What a set of reports changes: columns (None = untouched), and the lines for the history."""

    status: str | None = None
    minor_status: str | None = None
    application_status: str | None = None
    last_update_time: datetime | None = None
    start_exec_time: datetime | None = None
    end_exec_time: datetime | None = None
    heart_beat_time: datetime | None = None
    history: list[HistoryRecord] = field(default_factory=list)
    # Statuses that reports asked for and got, those that the job had already included.
    accepted: set[str] = field(default_factory=set)

    def touches_row(self) -> bool:
        """Tell whether more than the history changes."""
        return any(value is not None for value in (self.status, *self.times()))

    def times(self) -> tuple[datetime | None, ...]:
        """List the times that may have been set beside the status."""
        return self.start_exec_time, self.end_exec_time, self.heart_beat_time


def merge(state: JobState, reports: Iterable[Report], now: datetime, *, force: bool = False) -> Change:
    """Merge dated reports into a job: by their own time, through the machine, late ones into the history only.

    Reports older than the newest known one say nothing about where the job stands now, but they still prove when
    it started or ended. A move that does not exist leaves the status alone and is marked in the history's source.
    """
    ordered = sorted(reports, key=lambda report: report.at)
    if not ordered:
        raise ValueError("a job needs at least one report")
    change = Change()
    is_current = ordered[-1].at >= state.last
    status = "Running" if state.status == "Stalled" else state.status
    for report in ordered:
        refused = False
        if is_current and report.at >= state.last:
            if report.status is not None and report.status != status:
                refused = not (force or is_allowed(status, report.status))
                status = status if refused else report.status
            if report.status is not None and not refused:
                change.accepted.add(report.status)
            change.minor_status = _cut(report.minor_status, MINOR_CHARACTERS_MAX) or change.minor_status
            change.application_status = (
                _cut(report.application_status, APPLICATION_CHARACTERS_MAX) or change.application_status
            )
        if not refused:
            _note_times(change, state, report)
        if report.source.startswith("Job") or report.source == "Heartbeat":
            change.heart_beat_time = report.at
        change.history.append(_history_record(report, status if refused else report.status, refused=refused))
    if is_current:
        change.status = status
        change.last_update_time = now
    return change


def as_outputs_are(state: JobState, reports: Sequence[Report]) -> Sequence[Report]:
    """Read reports by how far output data are: none of Done while they are wanted, none that waits once they are there.

    A wrapper that was told to wait may be slower than what it waits for.
    """
    if state.has_outputs and any(report.status == "Completed" for report in reports):
        return [
            replace(report, status="Done", minor_status=MINOR_DONE) if report.status == "Completed" else report
            for report in reports
        ]
    return not_without_outputs(state, reports)


def not_without_outputs(state: JobState, reports: Sequence[Report]) -> Sequence[Report]:
    """Turn reports of Done into failures while output data are wanted: the files of such a job are nowhere."""
    if not state.wants_outputs or all(report.status != "Done" for report in reports):
        return reports
    minor, application = OUTPUTS_LOST
    return [
        replace(
            report,
            status="Failed",
            minor_status=minor,
            application_status=application,
            error_class="output_upload",
        )
        if report.status == "Done"
        else report
        for report in reports
    ]


def not_late(state: JobState, reports: Sequence[Report]) -> list[Report]:
    """Move reports behind the newest known one: for what the server itself observes or orders."""
    late = max(state.last - min(report.at for report in reports) + timedelta(microseconds=1), timedelta())
    return [replace(report, at=_later(report.at, late)) for report in reports]


def _later(at: datetime, by: timedelta) -> datetime:
    """Return a later time, or the last of the calendar: histories of before may end there."""
    return _END_OF_TIME if _END_OF_TIME - at < by else at + by


def not_before_match(state: JobState, reports: Sequence[Report]) -> Sequence[Report]:
    """Move what a run reports from shortly before its match right behind it: the clock of its node is a little behind.

    Otherwise the start of a short job is late, its end then no move that exists, and the job never counts as run.
    """
    if state.status != "Matched":
        return reports
    moved, least = [], state.last
    for report in sorted(reports, key=lambda each: each.at):
        is_early = timedelta() < least - report.at <= CLOCK_ERROR_MAX
        moved.append(replace(report, at=_later(least, timedelta(microseconds=1))) if is_early else report)
        least = max(least, moved[-1].at)
    return moved


def follow(state: JobState, change: Change) -> JobState:
    """Give the state of a job after a change, for the next set of reports in the same batch."""
    return JobState(
        status=change.status or state.status,
        last=max([state.last, *(record.at for record in change.history)]),
        start_exec_time=state.start_exec_time or change.start_exec_time,
        end_exec_time=state.end_exec_time or change.end_exec_time,
        wants_outputs=state.wants_outputs,
        has_outputs=state.has_outputs,
    )


def fill(records: Iterable[HistoryRecord]) -> list[HistoryRecord]:
    """Replace what a history line left open by the value before it; the input is ordered by time."""
    filled: list[HistoryRecord] = []
    status, minor, application = "Unknown", "Unknown", "Unknown"
    for record in records:
        status = record.status or status
        minor = record.minor_status or minor
        application = record.application_status or application
        filled.append(HistoryRecord(record.at, status, minor, application, record.source))
    return filled


def _note_times(change: Change, state: JobState, report: Report) -> None:
    if report.status == "Running" and not (state.start_exec_time or change.start_exec_time):
        change.start_exec_time = report.at
    if report.status in FINAL and not (state.end_exec_time or change.end_exec_time):
        change.end_exec_time = report.at


def _history_record(report: Report, status: str | None, *, refused: bool) -> HistoryRecord:
    source = report.source[:SOURCE_CHARACTERS_MAX]
    if refused:
        source = source[: SOURCE_CHARACTERS_MAX - len(REFUSED_SUFFIX)] + REFUSED_SUFFIX
    minor = _cut(report.minor_status, MINOR_CHARACTERS_MAX)
    return HistoryRecord(report.at, status, minor, _cut(report.application_status, APPLICATION_CHARACTERS_MAX), source)


def _cut(text: str | None, characters: int) -> str | None:
    return None if text is None else text[:characters]
