"""A job that the database refuses to move: what works on many must go on without it."""

from sqlalchemy import text

from weyl.kit.db import Database

_REFUSE = """
CREATE FUNCTION refuse_job() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'job % cannot be moved', OLD.job_id USING ERRCODE = 'numeric_value_out_of_range'; END $$
"""


async def poison(db: Database, job_id: int) -> None:
    """Let every change of the job's status, and its removal, fail as a sum that overflows does."""
    async with db.transaction() as tx:
        await tx.execute(text(_REFUSE))
        for event, condition in (("UPDATE OF status", " AND NEW.status <> OLD.status"), ("DELETE", "")):
            await tx.execute(
                text(
                    f"CREATE TRIGGER refuse_{event[:6].lower()} BEFORE {event} ON jobs FOR EACH ROW"
                    f" WHEN (OLD.job_id = {job_id}{condition}) EXECUTE FUNCTION refuse_job()"
                )
            )
