"""`weyl_engine evaluate`: the process that evaluates expressions. Without cwltool a fork of it costs a third."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from weyl_engine.compiling.evaluation import evaluated
from weyl_engine.compiling.forking import Purpose, serve


def main(argv: Sequence[str]) -> int:
    """Serve requests to evaluate until standard input ends. Returns 0."""
    return serve(Purpose("evaluate", _answered), argv)


def _answered(_header: Mapping[str, Any], body: bytes) -> bytes:
    batch = json.loads(body)
    found = evaluated(batch["expressions"], batch["columns"], batch["count"])
    return json.dumps({"values": found.values, "errors": found.errors, "which": found.which}).encode()
