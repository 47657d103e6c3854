"""`weyl_engine compile`: the process that reads documents with cwltool, which takes long to import."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from weyl_engine.compiling import loading
from weyl_engine.compiling.bundle import Bundle
from weyl_engine.compiling.complaints import COLUMNS
from weyl_engine.compiling.document import answer, compiled
from weyl_engine.compiling.forking import Purpose, serve


def main(argv: Sequence[str]) -> int:
    """Serve requests to compile until standard input ends. Returns 0."""
    os.environ["COLUMNS"] = COLUMNS
    return serve(Purpose("compile", _answered, loading.warm), argv)


def _answered(header: Mapping[str, Any], body: bytes) -> bytes:
    files, start = {}, 0
    for path, size in header["files"]:
        files[path] = body[start : start + size]
        start += size
    return answer(compiled(Bundle(header["entry"], header["fragment"], files)))
