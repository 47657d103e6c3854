"""What may be noted about jobs beside their status."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from weyl.jobs.errors import ImmutableColumn, SiteIsKnown
from weyl.jobs.models.metadata import JobMetaData
from weyl.jobs.permits import Managed
from weyl.jobs.queries import heartbeat as queries
from weyl.jobs.queries.search import COLUMNS, RUN_TIME
from weyl.jobs.states import ACTIVE
from weyl.kit.clock import iso_z
from weyl.kit.db import Tx

SITE = "Site"


async def patch(tx: Tx, permit: Managed, updates: Mapping[int, JobMetaData]) -> None:
    """Set sites and parameters of jobs, or nothing if one job is unknown or one name may not be set."""
    permit.all_exist()
    permit.all_run()
    given = {
        job_id: data.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
        for job_id, data in updates.items()
    }
    for values in given.values():
        for name in sorted(values.keys() & COLUMNS.keys() - {SITE, RUN_TIME}):
            raise ImmutableColumn(name)
    sites = {job_id: values.pop(SITE) for job_id, values in given.items() if SITE in values}
    if sites:
        for row in await queries.lock_sites(tx, sites):
            if row.pilot_stamp and row.status in ACTIVE and row.site != sites[row.job_id]:
                raise SiteIsKnown(row.job_id, row.site)
        await queries.update_sites(tx, sites)
    await queries.upsert_parameters(
        tx, ((job_id, name, _json_text(value)) for job_id, values in given.items() for name, value in values.items())
    )


def _json_text(value: Any) -> str:
    """The standard library's form: it writes whole numbers of any length."""
    return json.dumps(value, allow_nan=False, default=_as_wire)


def _as_wire(value: object) -> str:
    if isinstance(value, datetime):
        return iso_z(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
