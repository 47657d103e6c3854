"""The examples in CWL: what plain cwltool makes of them, in a form that can be compared."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "cwl"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.cwl"))


def plain(name: str, directory: Path) -> Any:
    """Run an example with plain cwltool and return its outputs, with digests in place of files."""
    return plain_run([str(EXAMPLES / f"{name}.cwl"), str(EXAMPLES / f"{name}.yml")], directory)


def plain_run(words: Sequence[str], directory: Path) -> Any:
    """Run a document, with inputs or without, with plain cwltool and return its outputs, as `contents` does."""
    command = [sys.executable, "-m", "cwltool", "--quiet", "--no-container", "--outdir", str(directory)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=True, timeout=120)
    return contents(json.loads(done.stdout))


def contents(value: Any) -> Any:
    """Return an output object with the names and digests of files in their places."""
    if isinstance(value, list):
        return [contents(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class") == "File":
        digest = hashlib.sha1(Path(value["path"]).read_bytes()).hexdigest()
        assert value["checksum"] == f"sha1${digest}"
        return value["basename"], digest
    if value.get("class") == "Directory":
        root = Path(value["path"])
        files = sorted(path for path in root.rglob("*") if path.is_file())
        digests = {str(path.relative_to(root)): hashlib.sha1(path.read_bytes()).hexdigest() for path in files}
        return value["basename"], digests
    return {key: contents(item) for key, item in value.items()}
