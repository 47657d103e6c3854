"""From the filters of a search to SQL: the columns of a pilot, and the jobs that it ran."""

import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement

from weyl.kit.search import (
    ScalarSearchOperator,
    ScalarSearchSpec,
    SearchParams,
    SearchSpec,
    VectorSearchOperator,
)
from weyl.kit.search_sql import pick, where
from weyl.pilots.errors import BadPilotRequest
from weyl.pilots.permits import PilotScope
from weyl.pilots.queries.registry import COLUMNS, in_vo, ran_jobs

JOB_ID = "JobID"
INDEXED_NAMES = frozenset({JOB_ID, "PilotID", "PilotStamp", "Status"})
"""Columns by which pilots are found without looking at all of them."""
JOB_ID_MAX = 2**63 - 1
# What has another form, or is longer, is the id of no job.
_WHOLE_NUMBER = re.compile(r"\+?[0-9]{1,30}")


def clauses_of(specs: Sequence[SearchSpec], scope: PilotScope) -> list[ColumnElement[bool]]:
    """Return what must hold for a pilot to be found by whoever has this scope."""
    of_jobs = [spec for spec in specs if spec.parameter == JOB_ID]
    others = [spec for spec in specs if spec.parameter != JOB_ID]
    if of_jobs and any(spec.parameter == "PilotID" for spec in others):
        raise BadPilotRequest("Filter by JobID or by PilotID, not by both")
    # First, so that no pattern is ever tried on the rows of another VO: how long that takes would tell about them.
    clauses = [in_vo(scope.vo)] if scope.vo is not None else []
    clauses += where(others, COLUMNS)
    if of_jobs:
        clauses.append(ran_jobs([job_id for spec in of_jobs for job_id in _job_ids(spec)]))
    return clauses


def columns_shown(params: SearchParams) -> list[str]:
    """Return the columns of the answer, in the order of the wire whatever order was asked for."""
    wanted = params.parameters or list(COLUMNS)
    for name in [*wanted, *(sort.parameter for sort in params.sort)]:
        pick(COLUMNS, name)
    shown = [name for name in COLUMNS if name in wanted]
    if params.distinct and (hidden := [sort.parameter for sort in params.sort if sort.parameter not in shown]):
        raise BadPilotRequest(f"Distinct rows can only be sorted by what they show, and {hidden[0]} is not shown")
    return shown


def _job_ids(spec: SearchSpec) -> list[int]:
    values: Sequence[str | int]
    if isinstance(spec, ScalarSearchSpec):
        if spec.operator is not ScalarSearchOperator.EQUAL:
            raise BadPilotRequest(f"JobID can be filtered with eq and in, not with {spec.operator.value!r}")
        values = [spec.value]
    else:
        if spec.operator is not VectorSearchOperator.IN:
            raise BadPilotRequest(f"JobID can be filtered with eq and in, not with {spec.operator.value!r}")
        values = spec.values
    ids = {int(text) for value in values if _WHOLE_NUMBER.fullmatch(text := str(value).strip())}
    return sorted(job_id for job_id in ids if 0 < job_id <= JOB_ID_MAX)
