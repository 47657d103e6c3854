"""SQL of uploads: opened, committed, verified, ended and forgotten."""

from datetime import datetime
from typing import Any, NamedTuple, TypedDict

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Upload(NamedTuple):
    """An upload: whose it is, how far it is, what it is to register, and what became of that."""

    upload_id: int
    vo: str
    owner: str
    owner_group: str
    job_id: int | None
    attempt: int | None
    pilot_stamp: str | None
    is_atomic: bool
    state: str
    created_at: datetime
    expires_at: datetime
    requests_until: datetime
    document: Any
    landed: Any
    outcome: Any


class UploadShown(TypedDict):
    """A line of the list of somebody's uploads."""

    upload_id: int
    state: str
    files: int
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


class Owner(NamedTuple):
    """Whose an upload is; the run of a job, or a person's own."""

    vo: str
    owner: str
    owner_group: str
    job_id: int | None
    attempt: int | None
    pilot_stamp: str | None


_COLUMNS = (
    "upload_id, vo, owner, owner_group, job_id, attempt, pilot_stamp, is_atomic, state, created_at, expires_at,"
    " requests_until, document, landed, outcome"
)
_INSERT = Sql(
    f"""
    INSERT INTO uploads (
      vo, owner, owner_group, job_id, attempt, pilot_stamp, is_atomic, state, created_at, expires_at,
      requests_until, ended_at, document, outcome)
    VALUES (
      :vo, :owner, :owner_group, :job_id, :attempt, :pilot_stamp, :is_atomic, :state, :now, :expires_at,
      :requests_until, :ended_at, :document, :outcome)
    -- where the run of a job has one already, no row is returned
    ON CONFLICT (job_id, attempt) WHERE state <> 'abandoned' DO NOTHING
    RETURNING {_COLUMNS}
    """,
    Upload,
)
_SELECT = Sql(f"SELECT {_COLUMNS} FROM uploads WHERE upload_id = :upload_id", Upload)
_LOCK = Sql(f"SELECT {_COLUMNS} FROM uploads WHERE upload_id = :upload_id FOR NO KEY UPDATE", Upload)
_SELECT_OF_RUN = Sql(
    f"SELECT {_COLUMNS} FROM uploads WHERE job_id = :job_id AND attempt = :attempt AND state <> 'abandoned'", Upload
)
_COUNT_OPEN = Sql(
    """
    SELECT count(*) FROM uploads
    WHERE vo = :vo AND owner = :owner AND job_id IS NULL AND state IN ('open', 'verifying')
    """,
    int,
)
_SELECT_SHOWN = Sql(
    """
    SELECT upload_id, state, (document ->> 'count')::int AS files, created_at, expires_at, ended_at
    FROM uploads
    WHERE vo = :vo AND owner = :owner AND job_id IS NULL AND upload_id < :before
    ORDER BY upload_id DESC LIMIT :limit
    """,
    UploadShown,
)
_EXTEND = Sql(
    """
    -- what is open only: a request that is handed out later would write where somebody sweeps
    UPDATE uploads SET requests_until = greatest(requests_until, :until)
    WHERE upload_id = :upload_id AND state = 'open'
    """
)
_UPDATE_DOCUMENT = Sql("UPDATE uploads SET document = :document WHERE upload_id = :upload_id")
_BEGIN_VERIFYING = Sql(
    """
    UPDATE uploads SET state = 'verifying', landed = :landed, verify_at = :verify_at
    WHERE upload_id = :upload_id AND state = 'open'
    """
)
_NOTE_FINDINGS = Sql(
    """
    UPDATE uploads SET document = jsonb_set(document, '{looked}', :findings::jsonb)
    WHERE upload_id = :upload_id AND state = 'verifying'
    """
)
_END = Sql(
    """
    UPDATE uploads SET state = :state, outcome = :outcome, ended_at = :now, verify_at = NULL, landed = NULL,
      -- what there is to tell afterwards stands in the outcome
      document = document - ARRAY['files', 'looked']
    WHERE upload_id = :upload_id AND state IN ('open', 'verifying')
    """
)
_SELECT_EXPIRED = Sql(
    """
    SELECT upload_id FROM uploads
    WHERE state IN ('open', 'verifying') AND expires_at <= :now
    ORDER BY expires_at LIMIT :limit
    """,
    int,
)
_SELECT_UNVERIFIED = Sql(
    """
    SELECT upload_id FROM uploads WHERE state = 'verifying' AND verify_at <= :now ORDER BY verify_at LIMIT :limit
    """,
    int,
)
_SELECT_IS_DUE = Sql(
    """
    SELECT EXISTS (SELECT FROM uploads WHERE state IN ('open', 'verifying') AND expires_at <= :now)
      OR EXISTS (SELECT FROM uploads WHERE state = 'verifying' AND verify_at <= :now)
      OR EXISTS (SELECT FROM intents WHERE state = 'abandoned' AND sweep_at <= :now)
      OR EXISTS (SELECT FROM uploads WHERE ended_at < :forget_before)
    """,
    bool,
)
_SELECT_LIVE = Sql(
    """
    SELECT vo, state, count(*) FROM uploads WHERE state IN ('open', 'verifying') GROUP BY vo, state ORDER BY vo, state
    """,
    tuple[str, str, int],
)
_DELETE_ENDED = Sql(
    """
    DELETE FROM uploads WHERE upload_id IN (
      SELECT upload_id FROM uploads AS ended
      WHERE ended_at < :before AND NOT EXISTS (SELECT FROM intents WHERE intents.upload_id = ended.upload_id)
      ORDER BY ended_at LIMIT :limit
    )
    """
)


async def insert_upload(
    tx: Tx,
    owner: Owner,
    *,
    is_atomic: bool,
    document: object,
    outcome: object | None,
    until: tuple[datetime, datetime, datetime],
) -> Upload | None:
    """Open an upload; one with an outcome has nothing to wait for, and is registered at once.

    `until` says when it begins, when it expires and when its requests end. Returns none if the run has one already.
    """
    now, expires_at, requests_until = until
    return await _INSERT.first(
        tx,
        **owner._asdict(),
        is_atomic=is_atomic,
        state="open" if outcome is None else "registered",
        now=now,
        expires_at=expires_at,
        requests_until=requests_until,
        ended_at=None if outcome is None else now,
        document=json.dumps_text(document),
        outcome=None if outcome is None else json.dumps_text(outcome),
    )


async def select_upload(tx: Tx, upload_id: int) -> Upload | None:
    """Return an upload."""
    return await _SELECT.first(tx, upload_id=upload_id)


async def lock_upload(tx: Tx, upload_id: int) -> Upload | None:
    """Return an upload that nobody else changes before the end of the transaction."""
    return await _LOCK.first(tx, upload_id=upload_id)


async def select_upload_of_run(tx: Tx, job_id: int, attempt: int) -> Upload | None:
    """Return the upload of a run of a job, unless it was abandoned."""
    return await _SELECT_OF_RUN.first(tx, job_id=job_id, attempt=attempt)


async def count_open(tx: Tx, *, vo: str, owner: str) -> int:
    """Return how many uploads a person has open."""
    return await _COUNT_OPEN.one(tx, vo=vo, owner=owner)


async def select_shown(tx: Tx, *, vo: str, owner: str, before: int, limit: int) -> list[UploadShown]:
    """Return the uploads of a person below an id, the newest first."""
    return await _SELECT_SHOWN.rows(tx, vo=vo, owner=owner, before=before, limit=limit)


async def extend_requests(tx: Tx, upload_id: int, *, until: datetime) -> bool:
    """Note until when requests will be good; tells whether the upload is still open."""
    return bool(await _EXTEND.run(tx, upload_id=upload_id, until=until))


async def update_document(tx: Tx, upload_id: int, *, document: object) -> None:
    """Note anew what an upload is to register."""
    await _UPDATE_DOCUMENT.run(tx, upload_id=upload_id, document=json.dumps_text(document))


async def begin_verifying(tx: Tx, upload_id: int, *, landed: object, verify_at: datetime) -> None:
    """Note where the files have landed; from `verify_at` on another process takes over."""
    await _BEGIN_VERIFYING.run(tx, upload_id=upload_id, landed=json.dumps_text(landed), verify_at=verify_at)


async def note_findings(tx: Tx, upload_id: int, *, findings: object) -> None:
    """Note what was found out of the files of an upload that is being verified."""
    await _NOTE_FINDINGS.run(tx, upload_id=upload_id, findings=json.dumps_text(findings))


async def end_upload(tx: Tx, upload_id: int, *, state: str, outcome: object, now: datetime) -> None:
    """End a live upload, and keep what there is to tell of it."""
    await _END.run(tx, upload_id=upload_id, state=state, outcome=json.dumps_text(outcome), now=now)


async def select_expired(tx: Tx, *, now: datetime, limit: int) -> list[int]:
    """Return live uploads whose time is over."""
    return await _SELECT_EXPIRED.rows(tx, now=now, limit=limit)


async def select_unverified(tx: Tx, *, now: datetime, limit: int) -> list[int]:
    """Return uploads that nobody may be verifying."""
    return await _SELECT_UNVERIFIED.rows(tx, now=now, limit=limit)


async def is_due(tx: Tx, *, now: datetime, forget_before: datetime) -> bool:
    """Tell whether there is anything to sweep, to verify or to forget."""
    return await _SELECT_IS_DUE.one(tx, now=now, forget_before=forget_before)


async def count_live(tx: Tx) -> list[tuple[str, str, int]]:
    """Return how many uploads are open and being verified, by VO and state."""
    return await _SELECT_LIVE.rows(tx)


async def delete_ended(tx: Tx, *, before: datetime, limit: int) -> int:
    """Forget uploads that ended long ago and have left nothing; returns how many."""
    return await _DELETE_ENDED.run(tx, before=before, limit=limit)
