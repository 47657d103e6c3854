"""What the exit code of a program means, in words for its author."""

import signal

_MEANINGS = {
    0: "The program ended well",
    1: "The program ended with an error of its own: its output says which",
    2: "The program, or the shell, was called in a way that it does not know",
    126: "The program cannot be executed: it is no program, or lacks the right to be run",
    127: "The program was not found: it is not on the node, or its name is misspelled",
}
_SIGNALS = {
    signal.SIGKILL: "it was killed from outside, most often because it used more memory than it had",
    signal.SIGSEGV: "it touched memory that is not its own: a fault of the program",
    signal.SIGABRT: "it gave up by itself, as after a failed assertion",
    signal.SIGTERM: "it was asked to end, as by a batch system or at the end of its time",
    signal.SIGXCPU: "it used more CPU time than it was allowed",
    signal.SIGBUS: "it read memory that is not there: a file became shorter, or the node's memory is broken",
    signal.SIGFPE: "it calculated what cannot be calculated, such as a division by zero",
    signal.SIGILL: "it was built for a newer processor than the node has",
    signal.SIGPIPE: "it wrote to a program that had ended",
    signal.SIGXFSZ: "it wrote a larger file than it was allowed",
}
_SHELL_SIGNALS_FROM = 128


def meaning_of(exit_code: int) -> str:
    """Return a sentence about an exit code; a negative one, or one above 128, tells a signal."""
    if exit_code in _MEANINGS:
        return _MEANINGS[exit_code]
    number = -exit_code if exit_code < 0 else exit_code - _SHELL_SIGNALS_FROM
    if number not in set(signal.Signals):
        return "The program ended with an error of its own: its author knows which"
    name = signal.Signals(number).name
    return f"The program ended by the signal {name}: {_SIGNALS.get(signal.Signals(number), 'somebody sent it')}"
