"""One job where there is no network: run from what lies beside it, with reports and results left as files.

Whoever sent the bundle carries the files back and speaks for the job. The wrapper is the usual one: only what it says
to the server is written down, and sandboxes come from files and go to one.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional

from weyl_pilot import logs
from weyl_pilot.archive import UNPACKED_MAX, BadArchive, unpack
from weyl_pilot.connection import Connections
from weyl_pilot.isolation import IsolationUnavailable, write_private
from weyl_pilot.sandbox import Sandboxes, SandboxFailure
from weyl_pilot.server import Server
from weyl_pilot.settings import Settings
from weyl_pilot.watchdog import Verdict
from weyl_pilot.work import Work
from weyl_pilot.workshop import Told, Workshop, wall_s
from weyl_pilot.wrapper import Wrapper

log = logging.getLogger("weyl_pilot.bundle")

REPORTS, HEARTBEAT, OUTPUT = "reports.jsonl", "heartbeat.json", "output.tar.bz2"
FAREWELL_S = 60.0


class Journal(Server):
    """Stands where the server is elsewhere: it writes down what it is told, and answers with nothing."""

    has_tokens = False

    def __init__(self, place: Path) -> None:
        super().__init__("", Connections())
        self._place = place
        self._writing = threading.Lock()
        self._beats = 0

    def set_status(self, job_id: int, updates: Mapping[str, Mapping[str, str]], *, patience_s: float) -> None:
        """Writes a line a set of states."""
        self._append({"status": dict(updates)})

    def set_parameters(self, job_id: int, parameters: Mapping[str, Any], *, patience_s: float) -> None:
        """Writes a line a set of parameters."""
        self._append({"parameters": dict(parameters)})

    def heartbeat(self, job_id: int, sample: Mapping[str, Any], *, patience_s: float) -> List[Dict[str, Any]]:
        """Keeps the last sample only, with its number: who reads it wants to know whether it is a new one."""
        with self._writing:
            self._beats += 1
            fresh = self._place / (HEARTBEAT + ".new")
            fresh.write_text(json.dumps({"number": self._beats, "sample": dict(sample)}), encoding="utf-8")
            os.replace(str(fresh), str(self._place / HEARTBEAT))
        return []

    def _append(self, line: Mapping[str, Any]) -> None:
        content = json.dumps(line) + "\n"
        with self._writing, open(str(self._place / REPORTS), "a", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


class CarriedSandboxes(Sandboxes):
    """Sandboxes that somebody has brought, and one that somebody will fetch."""

    def __init__(self, journal: Journal, *, bundle: Path, place: Path, inputs: Iterable[str]) -> None:
        super().__init__(journal, place)
        self._directory = bundle.parent
        self._place = place
        self._inputs = list(inputs)

    def download(
        self, job_id: int, pfns: Iterable[str], *, directory: Path, bytes_max: int = UNPACKED_MAX, patience_s: float
    ) -> int:
        """Unpacks what lies beside the bundle, in its order."""
        for name in self._inputs:
            try:
                unpack(self._directory / name, directory, bytes_max=bytes_max)
            except (BadArchive, OSError) as error:
                raise SandboxFailure("%s: %s" % (name, error)) from error
        return len(self._inputs)

    def upload(self, job_id: int, content: bytes, *, patience_s: float) -> str:
        """Leaves the packed output to be fetched."""
        write_private(self._place / OUTPUT, content)
        return OUTPUT


def run(settings: Settings, bundle: Path, *, started: float) -> int:
    """Runs the job of a bundle; exit code 0 means that the reports tell how it ended, however that was."""
    logs.set_up(lambda: ())
    document = json.loads(bundle.read_text(encoding="utf-8"))
    place = settings.place
    journal = Journal(place)
    sandboxes = CarriedSandboxes(journal, bundle=bundle, place=place, inputs=document.get("inputs") or ())
    told = Told(
        journal,
        stamp=str(document.get("stamp") or ""),
        options=document.get("options") or {},
        ends_at=started + wall_s(settings, {}),
        sandboxes=lambda cache: sandboxes,
    )
    work = Work.from_match(document["job"])
    wrapper: Optional[Wrapper] = None
    workshop: Optional[Workshop] = None
    try:
        workshop = Workshop(settings, told)
        wrapper = Wrapper(work, workshop.shop)
        _end_with(wrapper)
        _carry(wrapper)
    except IsolationUnavailable as error:
        log.error("%s", error)
        return 1
    finally:
        if workshop is not None:
            workshop.close()
    return 0 if wrapper.outbox.join(FAREWELL_S) else 1


def _end_with(wrapper: Wrapper) -> None:
    """Makes the job end when we are told to end; who told us knows why."""

    def stop(number: int, frame: object) -> None:
        text = "Ended by " + signal.Signals(number).name
        wrapper.stop(Verdict("Received Kill signal", text, error_class="pilot"), hurry=True)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _carry(wrapper: Wrapper) -> None:
    """Runs the job in a thread of its own: the first one is interrupted by signals while it holds locks."""
    thread = threading.Thread(target=wrapper.run, name="job-%d" % wrapper.work.job_id, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(1.0)
