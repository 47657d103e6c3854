"""Tells the task engine, which lies below, what the configuration says of background work."""

from weyl.config.background import LimitOptions, ScheduleOptions, TaskOptions
from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.tasks.options import Limit, Options, ScheduleOverride, rule_of


class ConfiguredOptions:
    """Returns the options of the revision that is served now, made once a revision."""

    def __init__(self, store: ConfigStore) -> None:
        self._store = store
        self._options: Options | None = None

    def __call__(self) -> Options:
        """Return the options; called for every task that runs."""
        snapshot = self._store.current()
        if self._options is None or self._options.revision != snapshot.revision:
            self._options = options_of(snapshot.config, revision=snapshot.revision)
        return self._options


def options_of(config: Config, *, revision: str) -> Options:
    """Return what the document says: the top section for the installation, each VO's for its own work."""
    schedules = _schedules(config.tasks, "")
    limits = {key: _limit(limit) for key, limit in config.tasks.limits.items()}
    for vo, operations in config.operations.items():
        schedules |= _schedules(operations.tasks, vo)
        limits |= {_key(name, vo): _limit(limit) for name, limit in operations.tasks.limits.items()}
    return Options(revision=revision, vos=sorted(config.registry), schedules=schedules, limits=limits)


def _key(name: str, vo: str) -> str:
    """Give the key of a VO's limit: of one task for it, or of all its work together (`*`)."""
    return f"vo:{vo}" if name == "*" else f"task:{name}@{vo}"


def _schedules(options: TaskOptions, vo: str) -> dict[tuple[str, str], ScheduleOverride]:
    return {(task, vo): _override(schedule) for task, schedule in options.schedules.items()}


def _override(schedule: ScheduleOptions) -> ScheduleOverride:
    rule = rule_of(every_s=schedule.every, cron=schedule.cron, rrule=schedule.rrule)
    return ScheduleOverride(schedule.enabled, rule, schedule.arguments)


def _limit(limit: LimitOptions) -> Limit:
    return Limit(limit.concurrent, limit.rate, limit.per, limit.burst)
