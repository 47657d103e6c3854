"""A job's directory as the wrapper makes it, and the engine run in it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.infra import pace

SANDBOX = "/S3/box/vo/group/user/sha256:" + "a" * 64 + ".tar.zst"
TIMEOUT_S = 120


class Place:
    """One job."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.error = ""
        self.output = ""
        for name in ("workflow", "in/0", "tmp"):
            (base / name).mkdir(parents=True)

    def put(self, **files: str) -> None:
        """Write files of the input sandbox; `__` in a name stands for a slash, `_dot_` for a dot."""
        for name, content in files.items():
            path = self.base / "in/0" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def run(self, document: str, inputs: Any = None, *, path: str = "/usr/bin:/bin", **job: Any) -> dict[str, Any]:
        """Run a document with an input object, or with the text of one; returns `result.json`."""
        (self.base / "workflow/main.cwl").write_text(document)
        (self.base / "inputs.json").write_text(inputs if isinstance(inputs, str) else json.dumps(inputs or {}))
        sandboxes = {SANDBOX: {"directory": "in/0"}}
        description = {"entry": "main.cwl", "fragment": None, "sandboxes": sandboxes, "cores": 1, "ram_mb": 1024, **job}
        (self.base / "job.json").write_text(json.dumps(description))
        done = subprocess.run(
            [sys.executable, "-I", "-m", "weyl_engine", "run", str(self.base / "job.json")],
            env={"PATH": path, "TMPDIR": str(self.base / "tmp"), "HOME": str(self.base)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S * pace.factor(),
            check=False,
        )
        self.output, self.error = done.stdout, done.stderr
        result: dict[str, Any] = json.loads((self.base / "result.json").read_text())
        assert (done.returncode == 0) == (result["status"] == "success"), self.error
        return result

    def good(self, document: str, inputs: Any = None, **job: Any) -> dict[str, Any]:
        """Run what must succeed; returns the output object."""
        result = self.run(document, inputs, **job)
        assert result["status"] == "success", self.error
        outputs: dict[str, Any] = result["outputs"]
        return outputs

    def text(self, entry: dict[str, Any]) -> str:
        """Return the content of an output file."""
        return (self.base / entry["location"]).read_text()

    def names(self) -> list[str]:
        """Return everything below `outputs/`."""
        top = self.base / "outputs"
        return sorted(os.path.relpath(path, top) for path in top.rglob("*"))


def sandbox_file(member: str, kind: str = "File") -> dict[str, Any]:
    """Return an input that names a member of the sandbox."""
    return {"class": kind, "location": f"sandbox:{SANDBOX}#{member}"}
