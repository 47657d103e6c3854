"""What has become of each step so far, in a small file that the wrapper reads while the job runs."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BYTES_MAX = 64 * 1024
WRITE_EVERY_S = 0.5

StepPath = tuple[str, ...]


@dataclass(slots=True)
class _Step:
    started: int = 0
    done: int = 0
    failed: int = 0
    total: int = 1
    is_over: bool = False

    def state(self) -> str:
        """Return the word for it."""
        if self.failed:
            return "failed"
        if self.is_over and not self.started:
            return "skipped"
        if self.is_over or self.done >= max(1, self.total):
            return "completed"
        return "running" if self.started else "waiting"

    def document(self) -> dict[str, Any]:
        """Return what the file says of it."""
        return {"state": self.state(), "done": self.done, "of": self.total}


class Progress:
    """The steps of a workflow, by the path of their names; may be called from any thread."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._steps: dict[StepPath, _Step] = {}
        self._last: str | None = None
        self._written_at = -WRITE_EVERY_S

    def knows(self, step: StepPath) -> None:
        """Note a step that has not begun."""
        with self._lock:
            self._steps.setdefault(step, _Step())
            self._write_sometimes()

    def begins(self, step: StepPath, *, more: int = 0) -> None:
        """Note that one item of a step begins; `more` counts the items that are now known beside the first."""
        with self._lock:
            entry = self._steps.setdefault(step, _Step())
            entry.started += 1
            entry.total += more
            entry.total = max(entry.total, entry.started)
            self._write_sometimes()

    def ends(self, step: StepPath, status: str) -> None:
        """Note that one item has ended with a status of CWL."""
        with self._lock:
            entry = self._steps.setdefault(step, _Step())
            entry.done += 1
            is_good = status in ("success", "skipped")
            entry.failed += not is_good
            number = f"[{entry.done}]" if entry.total > 1 else ""
            self._last = f"{'/'.join(step)}{number}: {'completed' if is_good else 'failed'}"
            self._write_sometimes()

    def passes(self, step: StepPath) -> None:
        """Note that nothing more of a step will run: it was skipped, or what it scattered over was empty."""
        with self._lock:
            self._steps.setdefault(step, _Step()).is_over = True

    def write(self) -> None:
        """Write the file now."""
        with self._lock:
            self._write()

    def _write_sometimes(self) -> None:
        if self._clock() - self._written_at >= WRITE_EVERY_S:
            self._write()

    def _write(self) -> None:
        self._written_at = self._clock()
        fresh = self._path.with_name(f".{self._path.name}")
        fresh.write_text(self._text(), encoding="utf-8")
        fresh.replace(self._path)

    def _text(self) -> str:
        """The outer steps first: of a workflow that is too large for the file, inner ones are left out."""
        left = BYTES_MAX - 1024
        steps: dict[str, Any] = {}
        for step in sorted(self._steps, key=len):
            name, document = "/".join(step), self._steps[step].document()
            left -= len(json.dumps(name)) + len(json.dumps(document)) + 4
            if left < 0:
                break
            steps[name] = document
        return json.dumps({"steps": steps, "last": self._last and self._last[-255:]})
