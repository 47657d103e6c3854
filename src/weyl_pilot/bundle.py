"""One job where there is no network: run from what lies beside it, with reports and results left as files.

Whoever sent the bundle carries the files back and speaks for the job. The wrapper is the usual one: only what it says
to the server is written down, and sandboxes come from files and go to one.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import signal
import tarfile
import threading
from pathlib import Path
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence

from weyl_pilot import logs
from weyl_pilot.archive import BadArchive
from weyl_pilot.connection import Connections
from weyl_pilot.errand import Errand
from weyl_pilot.hashed import CarriedShelf
from weyl_pilot.isolation import IsolationUnavailable
from weyl_pilot.sandbox import Sandboxes
from weyl_pilot.server import Limits, Server
from weyl_pilot.settings import Settings
from weyl_pilot.spool import Spool
from weyl_pilot.uploads import REGISTERED, NotStored, Stock, Stored, Uploads
from weyl_pilot.watchdog import Verdict
from weyl_pilot.work import Work
from weyl_pilot.workshop import Told, Workshop, wall_s
from weyl_pilot.wrapper import Wrapper

log = logging.getLogger("weyl_pilot.bundle")

REPORTS, HEARTBEAT, OUTPUT = "reports.jsonl", "heartbeat.json", "output.tar.bz2"
WORKFLOW, INPUT_OBJECT = "workflow.tar", "inputs.json"
OUTPUT_DATA, LISTING = "output-data.tar", "outputs.json"
DATA_BYTES_MAX = 100 << 20
FAREWELL_S = 60.0


class Journal(Server):
    """Stands where the server is elsewhere: it writes down what it is told, and answers with nothing."""

    has_tokens = False

    def __init__(self, place: Path, bundle: Path) -> None:
        super().__init__("", Connections())
        self._place = place
        self._bundle = bundle
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

    def job_inputs(self, job_id: int, *, limits: Limits) -> Dict[str, Any]:
        """Reads where the input data lie beside the bundle, and what they must be."""
        document = json.loads(self._bundle.read_text(encoding="utf-8"))
        files = dict(document.get("data") or {})
        for said in files.values():
            path = str(self._directory / said["file"])
            said["replicas"] = [{"se": "the bundle", "request": {"protocol": "file", "path": path}}]
        return {"files": files}

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

    def fetch(
        self, job_id: int, pfn: str, *, patience_s: float, may_repack: bool = True, errand: Optional[Errand] = None
    ) -> Path:
        """Returns what lies beside the bundle."""
        path = self._files.get(pfn)
        if path is None:
            raise BadArchive("it was not sent with the job")
        if not may_repack and not pfn.endswith("".join(path.suffixes)):
            raise BadArchive("it was sent repacked as %s" % path.name)
        return path

    def upload(self, job_id: int, packed: Spool, *, patience_s: float) -> str:
        """Leaves the packed output to be fetched."""
        with packed.open() as source, _new_private(self._place / OUTPUT) as sink:
            shutil.copyfileobj(source, sink)
        return OUTPUT


class CarriedUploads(Uploads):
    """Output data that somebody will fetch and store: an archive that begins with what is to be known of them."""

    def __init__(self, journal: Journal, place: Path) -> None:
        super().__init__(journal, ends_at=float("inf"))
        self._place = place

    def store(self, stock: Stock, errand: Errand) -> Stored:
        """Leaves them beside the reports; raises NotStored when they are more than is carried."""
        size = sum(product.size for product in stock.products)
        if size > DATA_BYTES_MAX:
            text = "the output data have %d MiB: from a node without a network no more than %d MiB are carried"
            raise NotStored(text % (-(-size >> 20), DATA_BYTES_MAX >> 20))
        told = {"files": [product.told() for product in stock.products], "elsewhere": list(stock.elsewhere)}
        listing = json.dumps(told).encode()
        try:
            with _new_private(self._place / OUTPUT_DATA) as sink, tarfile.open(fileobj=sink, mode="w") as tar:
                _add(tar, LISTING, io.BytesIO(listing), len(listing))
                for number, product in enumerate(stock.products):
                    errand.check()
                    with stock.open(product) as stream:
                        _add(tar, str(number), stream, product.size)
        except OSError as error:
            raise NotStored("they cannot be left for whoever fetches them: %s" % error) from error
        return Stored(REGISTERED)


def _add(tar: tarfile.TarFile, name: str, stream: IO[bytes], size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size
    tar.addfile(info, stream)


def _new_private(path: Path) -> IO[bytes]:
    if os.path.lexists(str(path)):
        path.unlink()
    return os.fdopen(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")


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
        uploads=CarriedUploads(journal, place),
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
