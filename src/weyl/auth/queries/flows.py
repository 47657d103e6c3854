"""Logins that are under way, and the attempts that each address has."""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import insert, literal, select, update

from weyl.auth.tables import authorization_flows, device_flows
from weyl.kit.db import Tx
from weyl.kit.sql import Sql, first_as


class FlowStatus(StrEnum):
    """How far a login has come."""

    PENDING = "PENDING"
    READY = "READY"
    DONE = "DONE"
    DENIED = "DENIED"


class DeviceFlow(NamedTuple):
    """A login on a device that has no browser of its own; of both codes only hashes are kept."""

    flow_id: UUID
    created_at: datetime
    expires_at: datetime
    user_code: str
    device_code_hash: bytes
    client_id: str
    scope: str
    address: str
    user_agent: str
    status: str = FlowStatus.PENDING
    subject: str | None = None


class AuthorizationFlow(NamedTuple):
    """A login in a browser that ends with a code for the page that began it."""

    flow_id: UUID
    created_at: datetime
    expires_at: datetime
    client_id: str
    scope: str
    redirect_uri: str
    client_state: str
    code_challenge: str
    code_hash: bytes | None = None
    status: str = FlowStatus.PENDING
    subject: str | None = None


_DEVICE = [device_flows.c[name] for name in DeviceFlow._fields]
_AUTHORIZATION = [authorization_flows.c[name] for name in AuthorizationFlow._fields]


class Attempt(NamedTuple):
    """Whether an attempt was taken, and, if not, how long to wait for one."""

    is_taken: bool
    wait_s: Decimal | None


_TAKE_ATTEMPT = Sql(
    """
    -- One statement, and a row of its own for each address: two that log in from different places never wait for each
    -- other. `due` is when the address would have used up what it took; it may take more while that is within the
    -- period.
    WITH taken AS (
      INSERT INTO login_attempts AS known (slot, due) VALUES (:slot, clock_timestamp() + :every)
      ON CONFLICT (slot) DO UPDATE SET due = greatest(known.due, clock_timestamp()) + :every
      WHERE known.due + :every <= clock_timestamp() + :period
      RETURNING slot
    )
    SELECT EXISTS (SELECT FROM taken) AS is_taken,
      (SELECT extract(epoch FROM due + :every - :period - clock_timestamp()) FROM login_attempts WHERE slot = :slot)
        AS wait_s
    """,
    Attempt,
)


async def take_attempt(tx: Tx, slot: int, *, every: timedelta, period: timedelta) -> float | None:
    """Count one attempt; returns the seconds to wait if there is none left."""
    attempt = await _TAKE_ATTEMPT.one(tx, slot=slot, every=every, period=period)
    return None if attempt.is_taken else float(attempt.wait_s or 0)


async def insert_device_flow(tx: Tx, flow: DeviceFlow) -> bool:
    """Store a device flow unless a live one has the same user code; tells whether it did."""
    values = flow._asdict()
    taken = select(device_flows.c.flow_id).where(
        device_flows.c.user_code == flow.user_code, device_flows.c.expires_at > flow.created_at
    )
    row = select(*(literal(value, device_flows.c[name].type) for name, value in values.items())).where(~taken.exists())
    statement = insert(device_flows).from_select(list(values), row).returning(device_flows.c.flow_id)
    return (await tx.execute(statement)).first() is not None


async def select_waiting_device(tx: Tx, user_codes: Collection[str], *, now: datetime) -> DeviceFlow | None:
    """Return the device flow that waits for a user code, which is kept under one of these hashes."""
    statement = select(*_DEVICE).where(
        device_flows.c.user_code.in_(user_codes),
        device_flows.c.status == FlowStatus.PENDING,
        device_flows.c.expires_at > now,
    )
    return await first_as(tx, DeviceFlow, statement)


async def update_device_flow(tx: Tx, flow_id: UUID, *, status: FlowStatus, subject: str | None, now: datetime) -> bool:
    """End the wait of a device flow; tells whether it was still waiting."""
    statement = (
        update(device_flows)
        .where(
            device_flows.c.flow_id == flow_id,
            device_flows.c.status == FlowStatus.PENDING,
            device_flows.c.expires_at > now,
        )
        .values(status=status, subject=subject)
    )
    return (await tx.execute(statement)).rowcount == 1


async def select_device_flow(tx: Tx, device_code_hash: bytes) -> DeviceFlow | None:
    """Return the flow of a device code."""
    statement = select(*_DEVICE).where(device_flows.c.device_code_hash == device_code_hash)
    return await first_as(tx, DeviceFlow, statement)


async def spend_device_flow(tx: Tx, flow_id: UUID) -> bool:
    """Use up a device code; tells whether it was still to be used. The row stays locked until `tx` ends."""
    statement = (
        update(device_flows)
        .where(device_flows.c.flow_id == flow_id, device_flows.c.status == FlowStatus.READY)
        .values(status=FlowStatus.DONE)
    )
    return (await tx.execute(statement)).rowcount == 1


async def insert_authorization_flow(tx: Tx, flow: AuthorizationFlow) -> None:
    """Store an authorization flow."""
    await tx.execute(insert(authorization_flows).values(flow._asdict()))


async def update_authorization_flow(
    tx: Tx,
    flow_id: UUID,
    *,
    now: datetime,
    status: FlowStatus,
    subject: str | None = None,
    code: tuple[bytes, datetime] | None = None,
) -> AuthorizationFlow | None:
    """End the wait of an authorization flow, with the hash and expiry of its code; returns it if it was waiting."""
    values: dict[str, Any] = {"status": status, "subject": subject}
    if code is not None:
        values |= {"code_hash": code[0], "expires_at": code[1]}
    statement = (
        update(authorization_flows)
        .where(
            authorization_flows.c.flow_id == flow_id,
            authorization_flows.c.status == FlowStatus.PENDING,
            authorization_flows.c.expires_at > now,
        )
        .values(values)
        .returning(*_AUTHORIZATION)
    )
    return await first_as(tx, AuthorizationFlow, statement)


async def select_authorization_flow(tx: Tx, code_hash: bytes) -> AuthorizationFlow | None:
    """Return the flow of an authorization code."""
    statement = select(*_AUTHORIZATION).where(authorization_flows.c.code_hash == code_hash)
    return await first_as(tx, AuthorizationFlow, statement)


async def spend_authorization_flow(tx: Tx, flow_id: UUID) -> bool:
    """Use up an authorization code; tells whether it was still to be used."""
    statement = (
        update(authorization_flows)
        .where(authorization_flows.c.flow_id == flow_id, authorization_flows.c.status == FlowStatus.READY)
        .values(status=FlowStatus.DONE)
    )
    return (await tx.execute(statement)).rowcount == 1
