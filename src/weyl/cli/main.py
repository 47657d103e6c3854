"""The program `weyl`: runs one command of the tree, prints what it returns, turns failures into exit codes."""

import os
import re
import sys
import time
from collections.abc import Sequence

from weyl.cli import completion
from weyl.cli.errors import report
from weyl.cli.output import print_result
from weyl.cli.screen import clear
from weyl.cli.session import CommandSession
from weyl.cli.tree import root_command
from weyl.client.environment import load_dotenv

# What `--watch` alone stands for.
WATCH = "--watch=2"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if completion.is_asked(os.environ):
        completion.answer(root_command(), os.environ)
        sys.exit(0)
    sys.exit(run(words))


def cwl_runner() -> None:
    """Run the program `weyl-cwl-runner`, for those who name a runner by one word."""
    main(["cwl-runner", *sys.argv[1:]])


def run(words: Sequence[str]) -> int:
    """Run one command line and return the exit code."""
    words = with_values(words)
    session = CommandSession(words)
    try:
        load_dotenv()
        code = _once(words, session)
        while code == 0 and session.options.watch_s is not None:
            time.sleep(session.options.watch_s)
            if session.stdout_is_terminal:
                clear()
            code = _once(words, session)
        return code
    except BrokenPipeError:
        # The reader has seen enough (`weyl jobs search | head`): no failure, and nothing more to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        return report(error, session)
    finally:
        session.close()


def with_values(words: Sequence[str]) -> list[str]:
    """Give a bare `--watch`, whose seconds may be left out, its value; what follows `--` is somebody else's."""
    end = words.index("--") if "--" in words else len(words)
    bare = (
        word == "--watch" and (i + 1 >= end or re.fullmatch(r"\d+(\.\d+)?", words[i + 1]) is None)
        for i, word in enumerate(words[:end])
    )
    return [WATCH if is_bare else word for word, is_bare in zip(words, bare, strict=False)] + list(words[end:])


def _once(words: Sequence[str], session: CommandSession) -> int:
    result = root_command(words).main(list(words), prog_name="weyl", standalone_mode=False, obj=session)
    if isinstance(result, int):
        # Help was shown, or the command ended itself.
        return result
    code = print_result(result, session)
    sys.stdout.flush()
    return code
