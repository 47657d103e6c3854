"""Commands of the community, before and after a payload: their files, and what their ends mean."""

from __future__ import annotations

import os
from typing import Callable, List, Sequence

from weyl_pilot.archive import BadArchive, unpack
from weyl_pilot.isolation import Cell
from weyl_pilot.outcome import StageFailure, short
from weyl_pilot.payload import Streams
from weyl_pilot.shop import Shop
from weyl_pilot.work import CommandWork

DIRECTORY = "commands"
PLACEHOLDER = "{archive}"
FETCH_PATIENCE_S = 600.0
UNPACKED_MAX = 1 << 30

Run = Callable[[Sequence[str], Streams], int]
"""Runs a command behind the walls of the job; returns its exit code."""


class Commands:
    """The commands of one job."""

    def __init__(self, commands: Sequence[CommandWork], shop: Shop) -> None:
        self._commands = commands
        self._shop = shop

    def bring(self, cell: Cell) -> None:
        """Unpacks their files where the payload may read them. Raises StageFailure, of class host."""
        for command in self._commands:
            directory = cell.token / DIRECTORY / command.name
            try:
                if os.path.basename(command.name) != command.name or command.name in ("", ".", ".."):
                    raise BadArchive("%r is not the name of a command" % command.name)
                if self._shop.shelf is None:
                    raise BadArchive("this pilot takes no commands")
                packed = self._shop.shelf.fetch("commands", command.sha256, command.size, patience_s=FETCH_PATIENCE_S)
                directory.mkdir(parents=True, mode=0o755)
                unpack(packed, directory, bytes_max=UNPACKED_MAX)
            except (BadArchive, OSError) as error:
                text = "command %s: %s" % (command.name, error)
                raise StageFailure("Job Wrapper Initialization", short(text), error_class="host") from error

    def of(self, stage: str, *, is_good: bool = True) -> List[CommandWork]:
        """Those of a stage; after a failure only those that always run."""
        return [command for command in self._commands if command.stage == stage and (is_good or command.is_always)]

    def run(self, command: CommandWork, cell: Cell, run: Run) -> None:
        """Runs one; raises StageFailure, of class payload, when it fails."""
        inside = os.path.join(os.path.dirname(self._shop.walls.token_path(cell)), DIRECTORY, command.name)
        words = [word.replace(PLACEHOLDER, inside) for word in command.words]
        log = cell.run / _log_name(command)
        code = run(words, Streams(log, log))
        if code != 0:
            text = "%s command %s exited with status %d" % (command.stage, command.name, code)
            raise StageFailure("JobWrapper execution", text, error_class="payload")

    def logs(self) -> List[str]:
        """What their output is called in the job's directory."""
        return [_log_name(command) for command in self._commands]


def _log_name(command: CommandWork) -> str:
    return "command-%s.log" % command.name
