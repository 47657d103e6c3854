"""What a job runs, an executable or a workflow: what it needs before, what its end means, what it leaves."""

from __future__ import annotations

import glob
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Collection, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence

from weyl_pilot.archive import UNPACKED_MAX, find_outputs
from weyl_pilot.errand import Errand
from weyl_pilot.inputs import LISTING, Inputs, flat
from weyl_pilot.isolation import Cell, write_private
from weyl_pilot.outbox import Outbox
from weyl_pilot.outcome import Outcome
from weyl_pilot.products import Found, Product
from weyl_pilot.results import BAD, PERMANENT, RESULT, SUCCESS, RunResult, read_result
from weyl_pilot.shop import Shop
from weyl_pilot.work import Work, resolve_command, safe_file_name

log = logging.getLogger("weyl_pilot.programs")

INPUT_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Leavings:
    """What goes into the output sandbox, and the patterns that mean nothing."""

    names: List[str]
    missing: List[str]
    extra: Mapping[str, bytes] = field(default_factory=dict)
    manifest: Optional[Mapping[str, Any]] = None
    """What the server is told of the outputs, once they are stored."""
    left_out: Collection[str] = ()
    """Paths below the names that are kept elsewhere."""


class Program:
    """An executable with its arguments, as JDL describes it."""

    def __init__(self, work: Work, shop: Shop, outbox: Outbox, errand: Errand) -> None:
        self.work = work
        self._shop = shop
        self._outbox = outbox
        self._errand = errand
        self._inputs = Inputs(work, shop, outbox, errand)
        self._brought: FrozenSet[str] = frozenset()
        """Paths of input data."""

    def cell(self, cell: Cell) -> Cell:
        """What its walls show beside what every job sees."""
        return cell

    def set_up(self, cell: Cell, path: str) -> List[str]:
        """Brings what the job needs into its cell; returns the command to run. Raises Halted when it is to end."""
        work, shop = self.work, self._shop
        if any("/S3/" in name for name in work.input_sandbox):
            self._outbox.state(minor="Downloading InputSandbox")
            shop.sandboxes.download(
                work.job_id,
                work.input_sandbox,
                directory=cell.run,
                bytes_max=self.bytes_max,
                patience_s=INPUT_PATIENCE_S,
                errand=self._errand,
            )
        brought = self._inputs.bring(cell.run, flat(cell.run, self.stream_names()))
        self._brought = frozenset([LISTING, *brought.values()]) if brought else frozenset()
        return resolve_command(work, cell.run, inside=shop.walls.run_path(cell), path=path)

    @property
    def bytes_max(self) -> int:
        """How much an input sandbox may unpack to."""
        return (self.work.scratch_mb << 20) or UNPACKED_MAX

    def tell(self, cell: Cell, *, is_last: bool = False) -> None:
        """Tells how far it is, if it says so."""

    def result_path(self, cell: Cell) -> Path:
        """Where commands of the community find how it ended, and may amend it."""
        return cell.tmp / RESULT

    def result_inside(self, cell: Cell) -> str:
        """What that file is called behind the walls."""
        return os.path.join(self._shop.walls.tmp_path(cell), RESULT)

    def ended(self, cell: Cell, exit_code: int) -> Outcome:
        """What its end means, if nobody has ended it."""
        if exit_code == 0:
            return Outcome("Done", "Execution Complete")
        return Outcome("Failed", BAD, "Exited With Status %d" % exit_code, "payload")

    def note_result(self, cell: Cell, outcome: Outcome, exit_code: int) -> RunResult:
        """Returns how it ended in the words of CWL; what says nothing of its own gets a file that does."""
        result = read_result(self.result_path(cell), cell.uid)
        if result is None:
            status = SUCCESS if outcome.is_good else PERMANENT
            result = RunResult(status, exit_code, outcome.application or outcome.minor)
            write_private(self.result_path(cell), result.text().encode(), uid=cell.uid)
        return result

    def products(self, cell: Cell) -> List[Product]:
        """Finds and reads what is to be kept as output data; raises BadProducts, BadOutputs or Halted."""
        found = Found(cell.run, cell.uid, self._brought)
        return found.measured(found.listed(self.work.output_data), self._errand, {})

    def elsewhere(self, cell: Cell) -> List[str]:
        """The outputs of a workflow whose files were there before, such as inputs that it hands on."""
        return []

    def stored(self, products: Sequence[Product], places: Mapping[str, Mapping[str, str]]) -> None:
        """Hears where output data have been put, by name."""

    def leavings(self, cell: Cell, outcome: Outcome) -> Leavings:
        """Finds what the job listed and both standard streams."""
        names, missing = find_outputs(cell.run, self.work.output_sandbox)
        return self.with_streams(cell, outcome, names, missing)

    def with_streams(self, cell: Cell, outcome: Outcome, names: List[str], missing: Iterable[str]) -> Leavings:
        """Adds the standard streams, where they hold something; missing ones are no loss after a good end."""
        streams = self.stream_names()
        more, _ = find_outputs(cell.run, map(glob.escape, streams))
        names = [*names, *(name for name in more if name not in names)]
        names = [name for name in names if name not in streams or (cell.run / name).lstat().st_size]
        lost = [name for name in missing if name not in streams or not outcome.is_good]
        return Leavings(names, lost)

    def stream_names(self) -> List[str]:
        """The files of standard output and error, in the job's directory."""
        work = self.work
        return [safe_file_name(work.std_output, "std.out"), safe_file_name(work.std_error, "std.err")]

    def facts(self) -> Dict[str, Any]:
        """What `job.json` says beside the allocation."""
        return {}
