"""What a job leaves: its output data into storage elements, then its output sandbox, before its last report."""

from __future__ import annotations

import logging
from typing import Any, Mapping

from weyl_pilot.archive import find_outputs, pack
from weyl_pilot.commands import Commands
from weyl_pilot.connection import Refused, Unreachable
from weyl_pilot.errand import Errand
from weyl_pilot.isolation import Cell
from weyl_pilot.manifest import BadOutputs
from weyl_pilot.outbox import Outbox
from weyl_pilot.outcome import Outcome, account, short
from weyl_pilot.products import BadProducts, Found
from weyl_pilot.programs import Leavings, Program
from weyl_pilot.sandbox import SandboxFailure
from weyl_pilot.shop import Shop
from weyl_pilot.uploads import VERIFYING, NotStored, Stock

log = logging.getLogger("weyl_pilot.delivery")

UPLOADING, STORING, PENDING = "Uploading Output Sandbox", "Uploading Outputs", "Pending Requests"
PROBLEM = "OutputDataProblem"
PROBLEM_LENGTH_MAX = 1000
LOST = (SandboxFailure, BadOutputs, Refused, Unreachable, OSError)


class Delivery:
    """The end of one job."""

    def __init__(self, program: Program, shop: Shop, outbox: Outbox, commands: Commands) -> None:
        self._program = program
        self._shop = shop
        self._outbox = outbox
        self._commands = commands

    def store(self, cell: Cell, errand: Errand) -> Outcome:
        """Stores the output data of a good job, and returns what it comes to; raises Halted."""
        job_id = self._program.work.job_id
        self._outbox.state("Completing", minor=STORING)
        try:
            products = self._program.products(cell)
            stock = Stock(job_id, products, Found(cell.run, cell.uid).open, self._program.elsewhere(cell))
            stored = self._shop.uploads.store(stock, errand)
        except (BadProducts, BadOutputs, NotStored) as error:
            log.error("job %d: its output data are not stored: %s", job_id, error)
            self._outbox.parameters({PROBLEM: str(error)[:PROBLEM_LENGTH_MAX]})
            return Outcome("Failed", STORING, short(error), "output_upload")
        self._program.stored(products, stored.places)
        log.info("job %d: %d files of output data are %s", job_id, len(products), stored.state)
        if stored.state == VERIFYING:
            return Outcome("Completed", PENDING)
        return Outcome("Done", "Execution Complete")

    def send(self, cell: Cell, outcome: Outcome, *, patience_s: float, facts: Mapping[str, Any]) -> Outcome:
        """Sends the output sandbox, and returns what the job comes to: a good one without its output is not good."""
        try:
            self._upload(cell, outcome, patience_s, facts)
        except LOST as error:
            log.error("job %d: the output sandbox is lost: %s", self._program.work.job_id, error)
            self._outbox.parameters({"OutputSandboxProblem": short(error)})
            if outcome.is_good:
                return Outcome("Failed", UPLOADING, short(error), "output_upload")
        return outcome

    def _upload(self, cell: Cell, outcome: Outcome, patience_s: float, facts: Mapping[str, Any]) -> None:
        """Uploads what the job listed and both standard streams, also after a failure: that is when they matter."""
        if not cell.run.is_dir():
            return
        try:
            found = self._program.leavings(cell, outcome)
        except BadOutputs as error:
            lost = Outcome("Failed", UPLOADING, short(error), "output_upload")
            self._deliver(cell, self._program.with_streams(cell, lost, [], []), lost, patience_s, facts)
            raise
        self._deliver(cell, found, outcome, patience_s, facts)

    def _deliver(
        self, cell: Cell, found: Leavings, outcome: Outcome, patience_s: float, facts: Mapping[str, Any]
    ) -> None:
        if found.missing:
            self._outbox.parameters({"OutputSandboxMissingFiles": ", ".join(found.missing)[:1000]})
        logs, _ = find_outputs(cell.run, self._commands.logs())
        names = [*found.names, *(name for name in logs if name not in found.names)]
        extra = dict(found.extra)
        if not outcome.is_good:
            extra["weyl-wrapper.txt"] = account(outcome, facts, self._shop.facts)
        if not names and not extra:
            return
        tells_status = outcome.status is not None
        if tells_status:
            self._outbox.state(minor=UPLOADING)
        packed = pack(cell.run, names, extra=extra, owner=cell.uid, left_out=found.left_out, place=cell.run.parent)
        job_id = self._program.work.job_id
        try:
            pfn = self._shop.sandboxes.upload(job_id, packed, patience_s=patience_s)
        finally:
            packed.close()
        if found.manifest is not None:
            self._shop.server.record_outputs(job_id, pfn, found.manifest, patience_s=patience_s)
        if tells_status:
            self._outbox.state(minor="Output Sandbox Uploaded")
