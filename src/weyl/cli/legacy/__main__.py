"""Runs one old name: `python -m weyl.cli.legacy NAME ARGUMENT...`, as the scripts of `weyl legacy-aliases` do."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from weyl.cli.errors import report
from weyl.cli.legacy.arguments import Alias, Given, help_text, parse
from weyl.cli.legacy.data import ALIASES as DATA
from weyl.cli.legacy.jobs import ALIASES as JOBS
from weyl.cli.legacy.jobs import description_of
from weyl.cli.legacy.others import ALIASES as OTHERS
from weyl.cli.legacy.others import replacement
from weyl.cli.output import print_result
from weyl.cli.screen import put
from weyl.cli.session import CommandSession
from weyl.cli.tree import ENTRIES, root_command
from weyl.client.environment import load_dotenv
from weyl.client.errors import PartlyFailed, UsageFault

ALIASES = {alias.name: alias for alias in (*JOBS, *DATA, *OTHERS)}


def run(name: str, arguments: Sequence[str]) -> int:
    """Run an old program; the exit code is 0 or, as it was, anything else."""
    session = CommandSession()
    # Errors are for people, as they were.
    session.options.output = "table"
    try:
        load_dotenv()
        alias = _known(name)
        given = parse(alias, arguments)
        if given.wants_help:
            put(help_text(alias))
            return 0
        code = _perform(alias, given, session)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every failure becomes an exit code
        return report(error, session)
    finally:
        session.close()


def _known(name: str) -> Alias:
    if name in ALIASES:
        return ALIASES[name]
    home = replacement(name)
    if home is None:
        raise UsageFault(f"There is no alias {name!r}.", hint="See those there are: weyl legacy-aliases --list")
    hint = f"It is replaced by: {home}" + ("" if _is_there(home) else ", which this version does not have yet")
    raise UsageFault(f"weyl has no alias {name!r}.", hint=hint)


def _is_there(home: str) -> bool:
    """Tell whether the first command that a text names is one of ours; a text that names none is."""
    words = home.replace(",", " ").replace(";", " ").split()
    if words[0] != "weyl":
        return True
    entry = ENTRIES.get(words[1])
    if entry is None or entry.children is None or len(words) < 3:
        return entry is not None
    return words[2] in entry.children and "--replica" not in words


def _perform(alias: Alias, given: Given, session: CommandSession) -> int:
    words = alias.words(given)
    session.words = words
    if alias.name == "dsub":
        sys.stdin = io.StringIO(description_of(given))
    result: Any = root_command(words).main(words, prog_name=alias.name, standalone_mode=False, obj=session)
    if alias.show is None or isinstance(result, int):
        return result if isinstance(result, int) else print_result(result, session)
    for line in alias.show(result, given):
        put(line)
    failed = getattr(result, "failed", None)
    if failed:
        details = {str(key): str(reason) for key, reason in failed.items()}
        raise PartlyFailed(f"{len(failed):,} failed.", details=details, hint="")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
