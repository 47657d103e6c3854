"""The versions of Python that payloads find on this machine, as tags of the offer: `hostfeat:python-3.13`."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from typing import Dict, List

from weyl_pilot.engine import Behind
from weyl_pilot.uids import NoFreeUid

log = logging.getLogger("weyl_pilot.pythons")

_NAME = re.compile(r"python3(\.\d{1,2})?")
_TAG = re.compile(r"hostfeat:python-3\.\d{1,2}")
# One shell asks them all: a run behind the walls costs more than a Python.
_ASK = (
    'for python; do "$python" -I -c "import sys; print(\'hostfeat:python-%d.%d\' % sys.version_info[:2])"'
    " 2>/dev/null; done; exit 0"
)


def python_tags(behind: Behind, path: str) -> List[str]:
    """A tag for each version that runs behind the walls; `path` is where payloads look for programs."""
    found = candidates(path)
    if not found:
        return []
    try:
        done = behind(["/bin/sh", "-c", _ASK, "sh", *found], None)
    except (OSError, subprocess.SubprocessError, NoFreeUid) as error:
        log.warning("no Python could be asked for its version: %s", error)
        return []
    lines = done.stdout.decode("ascii", "replace").splitlines()
    return sorted({line for line in lines if _TAG.fullmatch(line)})


def candidates(path: str) -> List[str]:
    """Programs called `python3` or `python3.N` in the directories of a search path, each once."""
    found: Dict[str, str] = {}
    for directory in path.split(os.pathsep):
        try:
            names = sorted(os.listdir(directory)) if directory else []
        except OSError:
            continue
        for name in names:
            program = os.path.join(directory, name)
            if _NAME.fullmatch(name) and os.access(program, os.X_OK):
                found.setdefault(os.path.realpath(program), program)
    return list(found.values())
