"""Background work on uploads and on the trash: verifying, sweeping, purging."""

from datetime import datetime, timedelta
from typing import Any

import structlog

from weyl.config.service import ConfigStore
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.kit.task import BoundTask, Lock, Task
from weyl.storage.errors import UploadOver
from weyl.storage.queries.uploads import is_due, select_upload
from weyl.storage.service.commit import VERIFY, settle
from weyl.storage.service.purge import purge
from weyl.storage.service.state import Uploads, give_up
from weyl.storage.service.sweep import ENDED_KEPT, sweep
from weyl.storage.service.verification import Unverified
from weyl.storage.uploads import LOOKED, Findings, UploadState
from weyl.tasks.errors import RetryLater
from weyl.tasks.service import enqueue

log = structlog.get_logger(__name__)

SWEEP = Task("storage.sweep", every=timedelta(seconds=60), lock="storage.sweep", size="medium")
PURGE = Task(
    "storage.purge",
    every=timedelta(minutes=30),
    per_vo=True,
    size="medium",
    locks=lambda payload: [Lock(f"storage.purge:{payload['vo']}")],
)


def tasks(uploads: Uploads, config: ConfigStore) -> list[BoundTask]:
    """Return the tasks of this room, bound to what a worker holds."""

    async def is_time_to_sweep(tx: Tx) -> bool:
        now = utcnow()
        return await is_due(tx, now=now, forget_before=now - ENDED_KEPT)

    async def do_sweep(_: object) -> None:
        await sweep(uploads, config.current().config, now=utcnow())

    async def verify(upload_id: int) -> None:
        async with uploads.db.read() as tx:
            upload = await select_upload(tx, upload_id)
        if upload is None or upload.state != UploadState.VERIFYING:
            return
        try:
            await settle(uploads, config.current().config, upload)
        except UploadOver as over:
            await give_up(uploads, upload_id, str(over), now=utcnow())
        except Unverified as error:
            if upload.expires_at <= utcnow():
                return  # the sweep ends it
            log.info("upload.not_verified_yet", upload=upload_id, reason=str(error)[:300])
            raise RetryLater(await pause_s(uploads, upload_id)) from error

    async def do_purge(payload: dict[str, Any]) -> None:
        after = payload.get("after")
        turn = await purge(
            uploads,
            config.current().config,
            payload["vo"],
            now=utcnow(),
            after=None if after is None else (datetime.fromisoformat(after[0]), after[1]),
        )
        if turn.after is not None:
            at, file_id = turn.after
            async with uploads.db.transaction() as tx:
                more = {"vo": payload["vo"], "after": [at.isoformat(), file_id]}
                await enqueue(tx, PURGE, [more], vo=payload["vo"])

    return [SWEEP.bind(do_sweep, is_needed=is_time_to_sweep), VERIFY.bind(verify), PURGE.bind(do_purge)]


async def pause_s(uploads: Uploads, upload_id: int) -> float:
    """Return how long to wait before an upload is verified again: the longer, the more often it could not be."""
    async with uploads.db.read() as tx:
        upload = await select_upload(tx, upload_id)
    return Findings.from_json(None if upload is None else upload.document.get(LOOKED)).pause_s
