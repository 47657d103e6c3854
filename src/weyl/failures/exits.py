"""What the exit code of a program means, and what may be done about it, in words for its author."""

import signal
from collections.abc import Mapping
from typing import NamedTuple


class Meaning(NamedTuple):
    """What happened, and what may be done about it."""

    cause: str
    cure: str


_LOOK = "Read the last lines of its error output (weyl jobs logs --stderr ID)"
_EXITS: Mapping[int, Meaning] = {
    0: Meaning("The program ended well", "The program is not to blame: see what the job says after it"),
    1: Meaning("The program ended with an error of its own: its output says which", _LOOK),
    2: Meaning(
        "The program or the shell refused its arguments",
        "Compare Arguments in the description with what the program expects, and try the command by hand",
    ),
    126: Meaning(
        "The file exists but cannot be executed",
        "Make it executable (chmod +x) before you submit it, and check its first line (#!) and that it was built for"
        " the node's processor",
    ),
    127: Meaning(
        "The shell did not find a program: it is not on the node, or its name is misspelled",
        "Add the program to InputSandbox, or call it by a path that exists on the node, as under /cvmfs",
    ),
}
_CWL_EXITS: Mapping[int, Meaning] = {
    1: Meaning(
        "A step of the workflow failed (permanentFail)",
        "Read which step it was and what it wrote: weyl jobs logs --stderr ID, and the steps of the job",
    ),
    33: Meaning(
        "The workflow needs a feature of CWL that the engine does not support",
        "The error output names the feature: leave it out, or write the step in another way",
    ),
}
_SIGNALS: Mapping[int, Meaning] = {
    signal.SIGKILL: Meaning(
        "it was killed from outside, most often because it used more memory than it had",
        "Ask for more memory, or let it read less at a time; `weyl jobs show --params ID` shows what it used",
    ),
    signal.SIGSEGV: Meaning(
        "it touched memory that is not its own: a fault of the program",
        "Run it with the same input in a debugger, and look for bad pointers and for libraries of another version",
    ),
    signal.SIGABRT: Meaning("it stopped itself (abort), as after a failed assertion", _LOOK),
    signal.SIGTERM: Meaning(
        "it was asked to end, as by a batch system or at the end of its time",
        "Ask for more time, or do less in one job",
    ),
    signal.SIGXCPU: Meaning("it used more CPU time than it was allowed", "Ask for more time, or do less in one job"),
    signal.SIGBUS: Meaning(
        "it read memory that is not there: a file was cut short, or the node's memory is broken",
        "Run it again; if it happens at one host only, tell the site",
    ),
    signal.SIGFPE: Meaning(
        "it made an arithmetic error, such as a division by zero",
        "Look for a division by zero, or for numbers that become too large, with the same input",
    ),
    signal.SIGILL: Meaning(
        "it was built for a newer processor than the node has",
        "Build it for an older processor, or ask for the level that it needs (Platform, or an architecture level)",
    ),
    signal.SIGPIPE: Meaning(
        "it wrote to a program that had ended", "Find out why the program at the other end of the pipe ended first"
    ),
    signal.SIGXFSZ: Meaning("it wrote a larger file than it was allowed", "Write smaller files, or several"),
}
_OWN = Meaning("The program ended with an error of its own: its author knows which", _LOOK)
_SENT = Meaning("somebody sent it", _LOOK)
_SHELL_SIGNALS_FROM = 128


def meaning_of(exit_code: int, *, is_workflow: bool = False) -> Meaning:
    """Return what an exit code means; a negative one, or one above 128, tells a signal.

    That of a workflow is the engine's, which says how its steps went.
    """
    known = _CWL_EXITS.get(exit_code) if is_workflow else None
    known = known or _EXITS.get(exit_code)
    if known is not None:
        return known
    number = -exit_code if exit_code < 0 else exit_code - _SHELL_SIGNALS_FROM
    if number not in set(signal.Signals):
        return _OWN
    meaning = _SIGNALS.get(number, _SENT)
    return meaning._replace(cause=f"The program ended by the signal {signal.Signals(number).name}: {meaning.cause}")
