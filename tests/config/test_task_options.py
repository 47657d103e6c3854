"""What the document says of background work, as the task engine gets it."""

import pytest

from weyl.config.errors import InvalidConfig
from weyl.config.source import parse_config
from weyl.config.task_options import options_of
from weyl.kit.task import Task
from weyl.tasks.options import Limit, Options
from weyl.tasks.schedule import plan

DOCUMENT = """
DIRAC: {}
Registry:
  voa: &vo
    IdP: {URL: "https://idp.example.org", ClientID: weyl}
    DefaultGroup: user
    Users: {}
    Groups: {user: {Properties: [NormalUser], Users: []}}
  vob: *vo
Tasks:
  Schedules:
    sandboxes.clean: {Every: 600}
    jobs.housekeeping: {Cron: "0 4 * * *"}
  Limits:
    "task:pilots.submit": {Concurrent: 2}
    "se:*": {Rate: 10, Per: 1, Burst: 20}
Operations:
  Defaults:
    Tasks:
      Limits: {"*": {Concurrent: 50}}
  vob:
    Tasks:
      Schedules: {room.each: {Enabled: false}}
      Limits: {room.each: {Concurrent: 1}}
"""


def _options(text: str = DOCUMENT) -> Options:
    return options_of(parse_config(text), revision="r1")


def test_limits_are_found_by_key_pattern_and_vo() -> None:
    options = _options()
    assert options.limit("task:pilots.submit") == Limit(concurrent=2)
    assert options.limit("se:CERN") == Limit(rate=10, per_s=1, burst=20)
    assert options.limit("vo:voa") == options.limit("vo:vob") == Limit(concurrent=50)
    assert options.limit("task:room.each@vob") == Limit(concurrent=1)
    assert options.limit("task:other") is None


def test_schedules_are_changed_for_the_installation_and_for_one_vo() -> None:
    each = Task("room.each", cron="0 3 * * *", per_vo=True)
    rows = plan([Task("sandboxes.clean", cron="* * * * *"), each], _options())
    assert [(row.task, row.vo, row.rule, row.enabled) for row in rows] == [
        ("sandboxes.clean", "", "every 600 s", True),
        ("room.each", "voa", "cron 0 3 * * *", True),
        ("room.each", "vob", "cron 0 3 * * *", False),
    ]


def test_two_rules_for_one_task_are_refused_with_their_place() -> None:
    with pytest.raises(InvalidConfig, match="one of Every, Cron and RRule"):
        _options(DOCUMENT.replace("{Every: 600}", '{Every: 600, RRule: "FREQ=DAILY"}'))


def test_a_document_that_says_nothing_of_tasks_is_served_without_them() -> None:
    document = parse_config(DOCUMENT.split("Tasks:", maxsplit=1)[0]).model_dump(by_alias=True)
    assert "Tasks" not in document
