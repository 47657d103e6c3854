"""What higher rooms add to the answers of the matcher."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weyl.kit.services import Key

CommandsOf = Callable[[str, str], Sequence[Mapping[str, Any]]]
"""Returns, for a VO and a job type, the commands that run before and after such payloads; it is asked for each job."""

WORK_COMMANDS: Key[CommandsOf] = Key("the commands around payloads")
"""Filled in by a higher room, which knows what extensions bring."""


def no_commands(vo: str, job_type: str) -> Sequence[Mapping[str, Any]]:
    """Return no commands, as long as nobody has any."""
    return ()
