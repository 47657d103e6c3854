"""A CWL job on this node: the files that its engine runs, how far it is, and what it has made."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Collection, Dict, Iterator, List, Mapping, Sequence, Tuple
from urllib.parse import unquote

from weyl_pilot.archive import BadArchive, find_outputs
from weyl_pilot.engine import EngineFailure
from weyl_pilot.inputs import apart
from weyl_pilot.isolation import Cell
from weyl_pilot.manifest import (
    BYTES_MAX,
    MANIFEST,
    OUTPUTS,
    BadOutputs,
    directories,
    file_paths,
    make_manifest,
    placed,
)
from weyl_pilot.outcome import Outcome, StageFailure, short
from weyl_pilot.products import Found, Product, files_below
from weyl_pilot.programs import INPUT_PATIENCE_S, Leavings, Program
from weyl_pilot.results import BAD, RESULT, read_owned, read_result
from weyl_pilot.work import is_logical, logical_name

INPUTS, WORKFLOW, WORK, DATA = "in", "workflow", "work", "lfn"
FIXED = (INPUTS, WORKFLOW)
"""What a payload behind a namespace cannot change."""
PROGRESS_EVERY_S = 10.0
PROGRESS_BYTES_MAX = 64 * 1024
PARAMETER = "WorkflowSteps"


class WorkflowRun(Program):
    """A process of a bundle, run by the engine in place of an executable."""

    _told = ""
    _told_at = float("-inf")
    _places: Mapping[str, Mapping[str, str]] = {}
    _kept: Collection[str] = ()
    """Paths of output data that are stored."""

    def cell(self, cell: Cell) -> Cell:
        """The engine, and what nobody changes: workflow and inputs."""
        cwl = self._shop.cwl
        return replace(cell, fixed=FIXED, engine=None if cwl is None else cwl.engine.directory)

    def set_up(self, cell: Cell, path: str) -> List[str]:
        """Lays out workflow, inputs and `job.json`; returns the engine's command."""
        cwl, work = self._shop.cwl, self.work
        assert work.workflow is not None
        if cwl is None:
            raise _failed("this pilot has no CWL engine")
        try:
            words = cwl.engine.command()
            self._outbox.state(minor="Downloading InputSandbox")
            entry = cwl.bundles.bring(
                work.job_id, work.workflow.bundle, cell.run / WORKFLOW, patience_s=INPUT_PATIENCE_S
            )
            content = self._shop.server.input_object(work.job_id, patience_s=INPUT_PATIENCE_S)
        except (EngineFailure, BadArchive) as error:
            raise _failed(error) from error
        (cell.run / "inputs.json").write_bytes(content)
        for name in (*FIXED, WORK, OUTPUTS):
            (cell.run / name).mkdir(exist_ok=True)
        job = {
            "entry": entry,
            "fragment": work.workflow.fragment,
            "sandboxes": self._bring_sandboxes(cell, content),
            "data": self._inputs.bring(cell.run, apart(cell.run / INPUTS / DATA, _companions(content))),
            "cores": work.cores,
            "ram_mb": work.ram_mb,
            "gpus": work.gpus,
        }
        (cell.run / "job.json").write_text(json.dumps(job), encoding="utf-8")
        return [*words, "run", os.path.join(self._shop.walls.run_path(cell), "job.json")]

    def _bring_sandboxes(self, cell: Cell, content: bytes) -> Dict[str, Dict[str, str]]:
        """Unpacks each sandbox into a directory of its own, and keeps those packed that an input names as a whole."""
        whole = _whole_archives(content)
        brought: Dict[str, Dict[str, str]] = {}
        for pfn in self.work.input_sandbox:
            if "/S3/" not in pfn:
                continue
            number, name = len(brought), pfn.partition("|")[2] or pfn
            directory = os.path.join(INPUTS, str(number))
            (cell.run / directory).mkdir()
            self._shop.sandboxes.download(
                self.work.job_id,
                [pfn],
                directory=cell.run / directory,
                bytes_max=self.bytes_max,
                patience_s=INPUT_PATIENCE_S,
                errand=self._errand,
            )
            brought[name] = {"directory": directory}
            if name in whole:
                brought[name]["packed"] = self._keep_packed(cell, pfn, directory + ".packed")
        return brought

    def _keep_packed(self, cell: Cell, pfn: str, directory: str) -> str:
        (cell.run / directory).mkdir()
        packed = os.path.join(directory, pfn.rpartition("/")[2])
        source = self._shop.sandboxes.packed(self.work.job_id, pfn, patience_s=INPUT_PATIENCE_S)
        shutil.copyfile(str(source), str(cell.run / packed))
        return packed

    def tell(self, cell: Cell, *, is_last: bool = False) -> None:
        """Reports the state of the steps when it has changed, not too often."""
        if not is_last and time.monotonic() < self._told_at + PROGRESS_EVERY_S:
            return
        content = read_owned(cell.run / "progress.json", cell.uid, PROGRESS_BYTES_MAX)
        try:
            document = json.loads(content or b"{}")
            steps, last = document.get("steps") or {}, document.get("last")
        except (ValueError, AttributeError, RecursionError):
            return
        text = json.dumps([steps, last])
        if text == self._told or not (steps or last):
            return
        self._told, self._told_at = text, time.monotonic()
        if steps:
            self._outbox.parameters({PARAMETER: json.dumps(steps)})
        if isinstance(last, str):
            self._outbox.state(application=last)

    def result_path(self, cell: Cell) -> Path:
        """The engine writes it."""
        return cell.run / RESULT

    def result_inside(self, cell: Cell) -> str:
        """What that file is called behind the walls."""
        return os.path.join(self._shop.walls.run_path(cell), RESULT)

    def ended(self, cell: Cell, exit_code: int) -> Outcome:
        """What the engine says; where it says nothing, the host is to blame until the engine is seen to work."""
        result = read_result(self.result_path(cell), cell.uid)
        if result is not None:
            return result.outcome()
        if self._shop.cwl is not None:
            self._shop.cwl.engine.doubt()
        text = "The CWL engine ended with status %d and left no result" % exit_code
        return Outcome("Failed", BAD, text, "host")

    def leavings(self, cell: Cell, outcome: Outcome) -> Leavings:
        """Finds outputs, the standard streams, and what patterns match in the tools' directories.

        Raises BadOutputs when a good job has no manifest.
        """
        names, missing = self._matched(cell)
        found = self.with_streams(cell, outcome, names, missing)
        result = read_result(self.result_path(cell), cell.uid)
        if result is None:
            if outcome.is_good:
                raise BadOutputs("the job has left no result")
            return found
        if not outcome.is_good:
            result = replace(result, outputs={})
        manifest = placed(make_manifest(self.work.job_id, result, cell.run, owner=cell.uid), self._places)
        content = json.dumps(manifest).encode()
        if len(content) > BYTES_MAX:
            raise BadOutputs("the manifest of the outputs has %d bytes, more than %d" % (len(content), BYTES_MAX))
        is_here = any("path" in file for file in manifest["files"]) or any(directories(manifest["outputs"]))
        names = [*found.names, *([OUTPUTS] if is_here else [])]
        return replace(found, names=names, extra={MANIFEST: content}, manifest=manifest, left_out=self._kept)

    def products(self, cell: Cell) -> List[Product]:
        """Finds and reads the files of the outputs that are to be kept as output data."""
        result = read_result(self.result_path(cell), cell.uid)
        if result is None:
            raise BadOutputs("the job has left no result")
        outputs: Dict[str, str] = {}
        for output in self.work.output_data:
            value = result.outputs.get(output)
            paths = [*file_paths(value), *(path for top in directories(value) for path in files_below(cell.run, top))]
            outputs.update({path: output for path in paths if path not in outputs})
        return Found(cell.run, cell.uid).measured({path: path for path in outputs}, self._errand, outputs)

    def elsewhere(self, cell: Cell) -> List[str]:
        """The outputs whose files were there before: an input that is handed on keeps its address."""
        result = read_result(self.result_path(cell), cell.uid)
        return [] if result is None else handed_on(self.work.output_data, result.outputs)

    def stored(self, products: Sequence[Product], places: Mapping[str, Mapping[str, str]]) -> None:
        """Writes the manifest with what is kept by logical names."""
        self._places, self._kept = places, frozenset(product.path for product in products)

    def _matched(self, cell: Cell) -> Tuple[List[str], List[str]]:
        """Matches the patterns in each tool's directory; one is missing if it means nothing in all of them."""
        names: List[str] = []
        missing = set(self.work.output_sandbox)
        top = cell.run / WORK
        for directory in sorted(path for path in top.glob("*") if path.is_dir() and not path.is_symlink()):
            found, nothing = find_outputs(directory, self.work.output_sandbox)
            names += [os.path.join(WORK, directory.name, name) for name in found]
            missing &= set(nothing)
        return names, [pattern for pattern in self.work.output_sandbox if pattern in missing]

    def facts(self) -> Dict[str, Any]:
        """What `job.json` says beside the allocation."""
        return {"workflow": None if self.work.workflow is None else asdict(self.work.workflow)}


def _failed(error: object) -> StageFailure:
    return StageFailure("Job Wrapper Initialization", short(error), error_class="host")


def _whole_archives(content: bytes) -> List[str]:
    """The sandboxes that an input object names as files, without a member."""
    addresses = [_address(file) for file in _files_in(content)]
    return [unquote(address[address.index("/") :]) for address in addresses if "#" not in address and "/S3/" in address]


def _companions(content: bytes) -> Dict[str, str]:
    """The secondary files among the logical files of an input object, each with its primary."""
    return {
        logical_name(_address(second)): logical_name(_address(file))
        for file in _files_in(content)
        for second in file.get("secondaryFiles") or ()
        if isinstance(second, dict) and is_logical(_address(second))
    }


def handed_on(names: Sequence[str], outputs: Mapping[str, Any]) -> List[str]:
    """Those outputs of which some file was not made by the job."""
    return [
        name
        for name in names
        if any(not _address(file).startswith(OUTPUTS + "/") for file in _files(outputs.get(name)))
    ]


def _address(file: Mapping[str, Any]) -> str:
    return str(file.get("location") or file.get("path") or "")


def _files_in(content: bytes) -> List[Dict[str, Any]]:
    try:
        return list(_files(json.loads(content)))
    except (ValueError, RecursionError) as error:
        raise _failed("the input object cannot be read: %s" % error) from error


def _files(value: Any) -> Iterator[Dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _files(item)
    elif isinstance(value, dict):
        if value.get("class") == "File":
            yield value
        for item in value.values():
            yield from _files(item)
