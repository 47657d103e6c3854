"""Limits of running jobs: which rules hold, and what runs behind them, counted from the jobs."""

from collections.abc import Mapping
from datetime import datetime

import structlog

from weyl.jobs.queries.gates import count_gates
from weyl.kit.db import Tx, notify
from weyl.task_queues.gates import SEPARATOR, Rule
from weyl.task_queues.queries import limits as queries

CHANNEL = "weyl_limits"
"""Notices on this channel name the edition of the limits that holds from now on."""

WRONG_GATES_LOGGED = 20

log = structlog.get_logger(__name__)


async def apply_limits(tx: Tx, rules: Mapping[str, Rule], modified: datetime) -> int:
    """Let these rules hold, unless those of a newer configuration do already; returns the edition that holds.

    Nobody moves jobs in or out of a limit meanwhile, and what runs is counted anew: a limit is exact from its first
    moment on.
    """
    epoch, known = await queries.select_epoch(tx)
    if known > modified:
        return epoch
    await queries.stop_limits(tx)
    epoch, known = await queries.select_epoch(tx)
    if known > modified:
        return epoch
    if {rule.name: rule for rule in await queries.select_rules(tx)} == dict(rules):
        return await queries.note_configuration(tx, modified)
    epoch = await queries.replace_rules(tx, rules.values(), modified)
    await count_gates(tx)
    await notify(tx, CHANNEL, str(epoch))
    log.info("limits.changed", rules=len(rules), epoch=epoch)
    return epoch


async def recount_limits(tx: Tx) -> int:
    """Count anew what runs behind each gate; returns how many were wrong, which is a bug to be looked for."""
    await queries.stop_limits(tx)
    wrong = await count_gates(tx)
    for row in wrong[:WRONG_GATES_LOGGED]:
        log.error("limits.alarm", gate=row.key.replace(SEPARATOR, " / "), kept=row.was, counted=row.runs)
    return len(wrong)
