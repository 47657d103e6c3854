"""What the configuration says of tasks, as plain values: pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Limit:
    """How many runs there may be at a time, and how many may start in `per_s` seconds (up to `burst` at once)."""

    concurrent: int | None = None
    rate: float | None = None
    per_s: float = 60
    burst: int | None = None

    @property
    def tokens_max(self) -> float:
        """Return how many runs may start at once after a pause."""
        return float(self.burst) if self.burst is not None else max(self.rate or 0, 1)

    @property
    def tokens_per_s(self) -> float:
        """Return how quickly starts become free."""
        return (self.rate or 0) / self.per_s


@dataclass(frozen=True, slots=True)
class ScheduleOverride:
    """What replaces parts of a schedule that the code declares."""

    enabled: bool = True
    rule: str | None = None
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The VOs, the schedules that differ from the code, and the limits, as of one revision of the configuration."""

    revision: str = ""
    vos: Sequence[str] = ()
    schedules: Mapping[tuple[str, str], ScheduleOverride] = field(default_factory=dict)
    """By task and VO; an empty VO is the installation, which counts where the VO says nothing."""
    limits: Mapping[str, Limit] = field(default_factory=dict)
    """By key; `se:*` holds for each key that begins so, each counted alone."""

    def override(self, task: str, vo: str) -> ScheduleOverride:
        """Return what holds for a schedule."""
        return self.schedules.get((task, vo)) or self.schedules.get((task, "")) or ScheduleOverride()

    def limit(self, key: str) -> Limit | None:
        """Return the limit of a key: its own, else that of the longest pattern that fits."""
        if key in self.limits:
            return self.limits[key]
        fitting = [name for name in self.limits if name.endswith("*") and key.startswith(name[:-1])]
        return self.limits[max(fitting, key=len)] if fitting else None


OptionsSource = Callable[[], Options]


def no_options() -> Options:
    """Return the options of an installation whose configuration says nothing of tasks."""
    return _NOTHING


_NOTHING = Options()


def rule_of(*, every_s: float | None, cron: str | None, rrule: str | None) -> str | None:
    """Return the stored form of what the configuration says; none if it leaves the rule alone."""
    if every_s is not None:
        return f"every {every_s:g} s"
    if cron is not None:
        return f"cron {cron}"
    return f"rrule {rrule}" if rrule is not None else None
