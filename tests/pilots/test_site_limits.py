"""The limits of a site hold whatever was planned, and by whomever."""

import asyncio
from typing import Any

from sqlalchemy import text
from tests.infra.app import Application

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.pilots.need import QueueKey
from weyl.pilots.queries.submission import insert_pilots
from weyl.pilots.service import submission
from weyl.pilots.service.yard import YARD, Yard

KEY = QueueKey("voa", "LCG.Alpha.org", "ce.alpha.org", "default")


async def test_a_site_never_gets_more_than_its_limit_though_several_are_sent_at_once(
    application: Application, db: Database
) -> None:
    yard: Yard = application.services[YARD]
    config = yard.config.current().config
    site = config.resources.sites["LCG.Alpha.org"]
    changed = config.model_copy(deep=True)
    sites = {**config.resources.sites, "LCG.Alpha.org": site.model_copy(update={"max_pilots": 3})}
    changed = changed.model_copy(update={"resources": config.resources.model_copy(update={"sites": sites})})
    targets = [await submission.find_target(yard, changed, KEY._replace(vo=vo)) for vo in ("voa", "vob")]

    async def register(target: Any) -> int:
        async with db.transaction() as tx:
            room = min(2, await submission.room_for(tx, target))
            rows = [submission.pilot_row(target, f"{target.key.vo}{n}", now=utcnow()) for n in range(room)]
            await insert_pilots(tx, rows, [])
        return room

    found = await asyncio.gather(*(register(target) for target in targets))
    assert sorted(found) == [1, 2]
    async with db.read() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM pilots"))).scalar_one() == 3
