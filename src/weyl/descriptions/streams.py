"""The files to which a job's standard output and error are written."""

import posixpath
from collections.abc import Mapping
from typing import Any

from weyl.descriptions.description import Description
from weyl.descriptions.parametric import fill

DEFAULTS = ("std.out", "std.err")


def stream_files(document: Mapping[str, Any], parameters: Mapping[str, Any] | None, job_id: int) -> tuple[str, str]:
    """Return the names of both files in the output sandbox of a job; `document` is the stored description."""
    description = Description.read(fill(dict(document), parameters, job_id), only=_READ)
    output, error = description.std_output, description.std_error
    return _inside(output, DEFAULTS[0]), _inside(error, DEFAULTS[1])


_READ = frozenset({"StdOutput", "StdError"})


def _inside(name: str, default: str) -> str:
    """Return a name as pilots write it: one that leads out of the job's directory is not taken."""
    plain = posixpath.normpath(name) if name else default
    is_outside = posixpath.isabs(plain) or plain in (".", "..") or plain.startswith("../")
    return default if is_outside else plain
