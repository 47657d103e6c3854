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
from typing import Any, Dict, List, Mapping, Optional, Sequence

from weyl_pilot import logs
from weyl_pilot.archive import BadArchive
from weyl_pilot.connection import Connections
from weyl_pilot.hashed import CarriedShelf
from weyl_pilot.isolation import IsolationUnavailable, write_private
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.server import Server
from weyl_pilot.settings import Settings
from weyl_pilot.watchdog import Verdict
from weyl_pilot.work import Work
from weyl_pilot.workshop import Told, Workshop, wall_s
from weyl_pilot.wrapper import Wrapper

log = logging.getLogger("weyl_pilot.bundle")

REPORTS, HEARTBEAT, OUTPUT = "reports.jsonl", "heartbeat.json", "output.tar.bz2"
WORKFLOW, INPUT_OBJECT = "workflow.tar", "inputs.json"
FAREWELL_S = 60.0


class Journal(Server):
    """Stands where the server is elsewhere: it writes down what it is told, and answers with nothing."""

    has_tokens = False

    def __init__(self, place: Path, bundle: Path) -> None:
        super().__init__("", Connections())
        self._place = place
        self._directory = bundle.parent
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

    def workflow_archive(self, job_id: int, bundle: str, *, patience_s: float) -> bytes:
        """Reads what lies beside the bundle."""
        return self._carried(WORKFLOW)

    def input_object(self, job_id: int, *, patience_s: float) -> bytes:
        """Reads what lies beside the bundle."""
        return self._carried(INPUT_OBJECT)

    def record_outputs(self, job_id: int, pfn: str, manifest: Mapping[str, Any], *, patience_s: float) -> None:
        """Leaves it to whoever fetches the output: the manifest is in it."""

    def _carried(self, name: str) -> bytes:
        try:
            return (self._directory / name).read_bytes()
        except OSError as error:
            raise BadArchive("%s was not sent with the job: %s" % (name, error.strerror)) from error

    def _append(self, line: Mapping[str, Any]) -> None:
        content = json.dumps(line) + "\n"
        with self._writing, open(str(self._place / REPORTS), "a", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


class CarriedSandboxes(Sandboxes):
    """Sandboxes that somebody has brought, and one that somebody will fetch."""

    def __init__(self, journal: Journal, work: Work, *, bundle: Path, place: Path, inputs: Sequence[str]) -> None:
        super().__init__(journal, place)
        self._place = place
        names = [pfn for pfn in work.input_sandbox if "/S3/" in pfn]
        self._files = {pfn: bundle.parent / name for pfn, name in zip(names, inputs)}

    def fetch(self, job_id: int, pfn: str, *, patience_s: float, may_repack: bool = True) -> Path:
        """Returns what lies beside the bundle."""
        path = self._files.get(pfn)
        if path is None:
            raise BadArchive("it was not sent with the job")
        if not may_repack and not pfn.endswith("".join(path.suffixes)):
            raise BadArchive("it was sent repacked as %s" % path.name)
        return path

    def upload(self, job_id: int, content: bytes, *, patience_s: float) -> str:
        """Leaves the packed output to be fetched."""
        write_private(self._place / OUTPUT, content)
        return OUTPUT


def run(settings: Settings, bundle: Path, *, started: float) -> int:
    """Runs the job of a bundle; exit code 0 means that the reports tell how it ended, however that was."""
    logs.set_up(lambda: ())
    document = json.loads(bundle.read_text(encoding="utf-8"))
    place = settings.place
    journal = Journal(place, bundle)
    work = Work.from_match(document["job"])
    sandboxes = CarriedSandboxes(journal, work, bundle=bundle, place=place, inputs=document.get("inputs") or ())
    told = Told(
        journal,
        stamp=str(document.get("stamp") or ""),
        options=document.get("options") or {},
        ends_at=started + wall_s(settings, {}),
        sandboxes=lambda cache: sandboxes,
        shelf=CarriedShelf(journal, bundle.parent),
    )
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
