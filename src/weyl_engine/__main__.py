"""`python -I -m weyl_engine COMMAND`: compiles CWL for the server, evaluates its expressions, runs it on nodes."""

import importlib
import sys

# Imported when they run: each needs other libraries, and those take long.
COMMANDS = {
    "compile": "weyl_engine.compiling.serving",
    "evaluate": "weyl_engine.compiling.evaluating",
    "run": "weyl_engine.running.run",
    "check": "weyl_engine.running.check",
}


def main(argv: list[str]) -> int:
    """Run one command with its arguments; returns the exit code, 2 for a command that there is not."""
    module = COMMANDS.get(argv[0]) if argv else None
    if module is None:
        print(f"usage: weyl_engine {'|'.join(COMMANDS)} …", file=sys.stderr)
        return 2
    return int(importlib.import_module(module).main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
