"""One grammar says which jobs a command is about."""

from typing import Any

import pytest
from typer.main import get_command

from weyl.client.errors import UsageFault
from weyl.jobs.cli.app import app
from weyl.jobs.cli.selection import COLUMNS, Selection

ON_JOBS = (
    *("show", "status", "logs", "peek", "output", "input", "kill", "delete", "reschedule", "edit", "wait", "watch"),
    *("why", "sandbox list", "sandbox get", "sandbox unassign"),
)
FILTERS = {"--where", "--job-group", "--mine", "--last"}


def options_of(words: str) -> tuple[set[str], list[Any]]:
    command: Any = get_command(app)
    for word in words.split():
        command = command.commands[word]
    options = {option for each in command.params for option in each.opts if each.param_type_name == "option"}
    return options, [each for each in command.params if each.param_type_name == "argument"]


@pytest.mark.parametrize("words", ON_JOBS)
def test_every_command_on_jobs_takes_ids_and_all_filters(words: str) -> None:
    options, [ids] = options_of(words)
    assert options >= FILTERS
    assert (ids.nargs, ids.required, ids.metavar) == (-1, False, "ID")


@pytest.mark.parametrize("words", ["search", "summary"])
def test_lists_take_the_same_filters(words: str) -> None:
    assert options_of(words)[0] >= FILTERS


@pytest.mark.parametrize("said", [{"where": "Status = Done"}, {"job_group": "g"}, {"mine": True}, {"last": "2d"}])
def test_jobs_are_named_by_ids_or_by_filters(said: dict[str, Any]) -> None:
    assert Selection(**said).checked().is_filter
    assert not Selection(("12",)).checked().is_filter
    with pytest.raises(UsageFault, match="not by both"):
        Selection(("12",), **said).checked()
    with pytest.raises(UsageFault, match="Say which jobs"):
        Selection().checked()
    with pytest.raises(UsageFault, match="Say which jobs"):
        Selection(where="", job_group="").checked()


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ("Status = Faild", "Did you mean: Failed?"),
        ("Status = failed", "Did you mean: Failed?"),
        ("Status in (Done, Runing)", "Did you mean: Running?"),
        ("Status != Xyzzy", "It is one of Submitting, Received"),
    ],
)
def test_a_status_that_there_is_not_is_refused(where: str, meant: str) -> None:
    with pytest.raises(UsageFault) as fault:
        COLUMNS.conditions(where=where)
    assert fault.value.hint.startswith(meant)
    assert COLUMNS.conditions(where="Status = Fai* and Site = Faild and Status like D%")
    with pytest.raises(UsageFault, match="no Status 'Doen'"):
        COLUMNS.check_values("Status", {"Done", "Doen"})
