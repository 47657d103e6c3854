"""Tells whether the engine works here: `python -I -m weyl_engine check`."""

import json
import platform
from importlib.metadata import version

from cwltool.main import main as cwltool_main

from weyl_engine.running.javascript import QuickJs


def main(argv: list[str]) -> int:
    """Print what the engine is made of as a line of JSON; 0 means that it can load cwltool and run JavaScript."""
    value = QuickJs().eval("(6 * 7)")
    facts = {"python": platform.python_version(), "cwltool": version("cwltool"), "runs": cwltool_main.__name__}
    print(json.dumps(facts))
    return 0 if value == 42 else 1
