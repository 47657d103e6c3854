"""From a secret to tokens: minted, redeemed once, refreshed in turn, revoked; every attempt leaves a trace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from weyl.auth.keys import KeySet
from weyl.auth.tokens import PilotIdentity, pilot_claims
from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.config.resources import Queue
from weyl.kit.db import Tx, notify
from weyl.kit.ids import new_stamp, uuid7
from weyl.pilots.errors import BadPilotRequest, InvalidSecret, PilotExists, SecretNotFound
from weyl.pilots.models import (
    PilotRevocation,
    PilotSecret,
    PilotSecretParams,
    PilotSecretRedemption,
    PilotTokens,
    Revoked,
)
from weyl.pilots.permits import PilotAdministrator
from weyl.pilots.queries import credentials as queries
from weyl.pilots.queries.registry import insert_pilot
from weyl.pilots.secrets import PepperRing, Refresh
from weyl.pilots.service.draining import CHANNEL

log = structlog.get_logger(__name__)

# After the end of its queue a pilot may still upload what is left.
GRACE = timedelta(hours=1)
# A pilot goes on trying for a minute when it gets no answer, and its last try may be under way then.
LOST_ANSWER_GRACE = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Issuer:
    """What is needed to make and recognise the credentials of pilots."""

    ring: PepperRing
    keys: KeySet
    access_lifetime_s: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that must leave a trace: the transaction is committed, and then this is answered."""

    error: InvalidSecret


@dataclass(frozen=True, slots=True)
class _Session:
    """A pilot that has shown who it is: its place is that of its secret, whatever its row says by now."""

    stamp: str
    vo: str
    site: str | None
    ce: str | None
    queue: str | None
    not_after: datetime
    following: Refresh


def _refusal() -> Refusal:
    # One wording for every reason: whoever guesses learns nothing.
    return Refusal(InvalidSecret("The pilot secret or refresh token is not valid"))


async def mint(
    tx: Tx,
    issuer: Issuer,
    administrator: PilotAdministrator,
    params: PilotSecretParams,
    *,
    config: Config,
    now: datetime,
) -> PilotSecret:
    """Make a secret for machines that start by themselves; it is shown this once."""
    vo = administrator.vo
    if vo is None or vo not in config.registry:
        raise BadPilotRequest(f"There is no VO {vo}" if vo else "Name the VO that the pilots are for")
    site = config.resources.sites.get(params.site)
    if site is None or not site.serves(vo):
        raise BadPilotRequest(f"{params.site} is no site of {vo}")
    secret, mac = issuer.ring.mint()
    secret_id, not_after = uuid7(), now + timedelta(hours=params.hours)
    row = {
        "secret_id": secret_id,
        "mac": mac,
        "vo": vo,
        "site": params.site,
        "ce": params.ce,
        "queue": params.queue,
        "max_uses": params.max_uses,
        "not_after": not_after,
        "created_at": now,
        "created_by": administrator.subject,
    }
    await queries.insert_secrets(tx, [row])
    return PilotSecret(secret_id=secret_id, secret=secret, not_after=not_after)


async def redeem(
    tx: Tx, issuer: Issuer, request: PilotSecretRedemption, *, address: str, config: Config, now: datetime
) -> PilotTokens | Refusal:
    """Turn a secret into tokens; a pilot that we do not know yet is registered by it."""
    mac = issuer.ring.mac_of(request.secret)
    if mac is None:
        await _note(tx, request, address=address, outcome="unknown", secret_id=None, now=now)
        return _refusal()
    secret = await queries.redeem_secret(tx, mac, stamp=request.stamp, now=now)
    if secret is None:
        return await _refuse(tx, mac, request, address=address, now=now)
    stamp: str = secret.pilot_stamp or request.stamp or new_stamp()
    if secret.pilot_stamp is None:
        await _register_vacuum(tx, stamp, secret, now=now)
    queue = _queue(config, secret.site, secret.ce, secret.queue)
    not_after = now + timedelta(seconds=queue.wall_time) + GRACE if queue else secret.not_after
    vo = await queries.welcome_pilot(tx, stamp, host=request.host, not_after=not_after, now=now)
    if vo is None:
        await _note(tx, request, address=address, outcome="cancelled", secret_id=secret.secret_id, now=now)
        return _refusal()
    session_id = uuid7()
    await queries.insert_session(
        tx,
        {
            "session_id": session_id,
            "secret_id": secret.secret_id,
            "pilot_stamp": stamp,
            "generation": 0,
            "started_at": now,
            "not_after": not_after,
        },
    )
    await _note(tx, request, address=address, outcome="accepted", secret_id=secret.secret_id, now=now)
    session = _Session(
        stamp, vo, secret.site, secret.ce, secret.queue, not_after=not_after, following=Refresh(session_id, 0)
    )
    return _tokens(issuer, session, config=config, now=now)


def lacks_engines(config: Config) -> bool:
    """Tell whether pilots of any queue have to fetch the engine that runs CWL."""
    queues = (
        queue for site in config.resources.sites.values() for ce in site.ces.values() for queue in ce.queues.values()
    )
    return any(queue.payload.engine is None for queue in queues)


def with_engines(outcome: PilotTokens | Refusal, engines: Sequence[Mapping[str, str | int]]) -> PilotTokens | Refusal:
    """Tell a pilot which archives of the engine there are, unless its queue has an engine already."""
    if isinstance(outcome, PilotTokens):
        outcome.settings["engines"] = [] if "payload_engine" in outcome.settings else list(engines)
    return outcome


async def refresh(
    tx: Tx, issuer: Issuer, token: str, *, address: str, config: Config, now: datetime
) -> PilotTokens | Refusal:
    """Exchange a refresh token for the next; one that was used before ends its whole family.

    The answer may get lost on its way. So for a moment the same token brings the same next one once more, as long as
    that was not used itself, and to the address that the answer was for.
    """
    shown = issuer.ring.refresh_of(token)
    if shown is None:
        return _refusal()
    sender = address[:64]
    row = await queries.rotate_session(tx, shown.session_id, generation=shown.generation, sender=sender, now=now)
    if row is None:
        since = now - LOST_ANSWER_GRACE
        row = await queries.select_repeatable(
            tx, shown.session_id, generation=shown.generation, sender=sender, since=since, now=now
        )
    if row is None:
        stamp = await queries.revoke_reused_session(tx, shown.session_id, generation=shown.generation, now=now)
        if stamp is not None:
            await queries.revoke_pilots(tx, {"stamps": [stamp]}, now=now)
            await notify(tx, CHANNEL, "revoked")
            log.error("pilot.alarm", problem="a refresh token was used twice; its session is revoked", stamp=stamp)
        return _refusal()
    following = Refresh(row.session_id, row.generation)
    session = _Session(
        row.pilot_stamp, row.vo, row.site, row.ce, row.queue, not_after=row.not_after, following=following
    )
    return _tokens(issuer, session, config=config, now=now)


async def revoke_secret(tx: Tx, administrator: PilotAdministrator, secret_id: UUID, *, now: datetime) -> None:
    """Make one secret worthless, and end what began with it."""
    filters = _within(administrator, {"secret_id": secret_id})
    stamps = await queries.revoke_pilots(tx, filters, now=now)
    if await queries.revoke_secrets(tx, filters, stamps=None, now=now) == 0:
        raise SecretNotFound(f"There is no valid secret {secret_id}")
    await queries.revoke_sessions(tx, secret_id=secret_id, stamps=stamps, now=now)
    await notify(tx, CHANNEL, "revoked")


async def revoke(tx: Tx, administrator: PilotAdministrator, wanted: PilotRevocation, *, now: datetime) -> Revoked:
    """Take the right to speak from every pilot and secret that fits all that is given."""
    given = wanted.model_dump(exclude_none=True)
    if not given.keys() - {"vo"}:
        raise BadPilotRequest("Say which: secret_id, stamps, host, ce or site")
    filters = _within(administrator, given)
    stamps = await queries.revoke_pilots(tx, filters, now=now)
    by_pilot = stamps if {"stamps", "host"} & given.keys() else None
    secrets = await queries.revoke_secrets(tx, filters, stamps=by_pilot, now=now)
    # By the pilots that fit, never by the secret: that may be of another VO, or not fit the rest of what is given.
    await queries.revoke_sessions(tx, secret_id=None, stamps=stamps, now=now)
    await notify(tx, CHANNEL, "revoked")
    log.warning("pilots.revoked", by=administrator.subject, filters=sorted(given), stamps=len(stamps), secrets=secrets)
    return Revoked(secrets=secrets, stamps=sorted(stamps))


def _within(administrator: PilotAdministrator, filters: Mapping[str, Any]) -> dict[str, Any]:
    return {**filters, "vo": administrator.vo} if administrator.vo is not None else dict(filters)


async def _refuse(tx: Tx, mac: bytes, request: PilotSecretRedemption, *, address: str, now: datetime) -> Refusal:
    secret = await queries.select_secret(tx, mac)
    if secret is None:
        await _note(tx, request, address=address, outcome="unknown", secret_id=None, now=now)
        return _refusal()
    outcome = _why_refused(secret, now=now)
    if outcome == "used up" and secret.max_uses == 1:
        stamps = await queries.revoke_sessions(tx, secret_id=secret.secret_id, stamps=[], now=now)
        await queries.revoke_pilots(tx, {"stamps": stamps}, now=now)
        await notify(tx, CHANNEL, "revoked")
        log.error(
            "pilot.alarm",
            problem="a pilot secret was used twice; the tokens of the first use are revoked",
            secret_id=str(secret.secret_id),
            stamps=stamps,
            address=address,
            host=request.host,
        )
    await _note(tx, request, address=address, outcome=outcome, secret_id=secret.secret_id, now=now)
    return _refusal()


def _why_refused(secret: queries.KnownSecret, *, now: datetime) -> str:
    if secret.revoked_at is not None:
        return "revoked"
    if secret.not_after <= now:
        return "expired"
    return "used up" if secret.uses >= secret.max_uses else "other stamp"


async def _note(
    tx: Tx, request: PilotSecretRedemption, *, address: str, outcome: str, secret_id: UUID | None, now: datetime
) -> None:
    row = {
        "at": now,
        "secret_id": secret_id,
        "pilot_stamp": request.stamp,
        "host": request.host,
        "address": address[:64],
        "outcome": outcome,
    }
    await queries.insert_use(tx, row)


async def _register_vacuum(tx: Tx, stamp: str, secret: queries.Redeemed, *, now: datetime) -> None:
    """Register a pilot that started by itself; raising undoes the use of its secret."""
    added = await insert_pilot(
        tx,
        {
            "pilot_stamp": stamp,
            "vo": secret.vo,
            "grid_type": "vacuum",
            "grid_site": secret.site or "Unknown",
            "destination_site": secret.ce or "NotAssigned",
            "queue": secret.queue or "Unknown",
            "pilot_job_reference": stamp,
            "status": "Running",
            "submission_time": now,
            "last_update_time": now,
            "origin": "vacuum",
        },
    )
    if not added:
        raise PilotExists(f"There is a pilot with the stamp {stamp} already: start with a new one")


def _queue(config: Config, site: str | None, ce: str | None, queue: str | None) -> Queue | None:
    place = config.resources.sites.get(site or "")
    element = place.ces.get(ce or "") if place else None
    return element.queues.get(queue or "") if element else None


def _tokens(issuer: Issuer, session: _Session, *, config: Config, now: datetime) -> PilotTokens:
    place = {"site": session.site, "ce": session.ce, "queue": session.queue}
    lifetime_s = max(1, min(issuer.access_lifetime_s, int((session.not_after - now).total_seconds())))
    claims = pilot_claims(
        PilotIdentity(stamp=session.stamp, vo=session.vo, **place),
        token_id=uuid7(),
        now=int(now.timestamp()),
        lifetime_s=lifetime_s,
    )
    queue = _queue(config, session.site, session.ce, session.queue)
    return PilotTokens(
        access_token=issuer.keys.sign(claims),
        refresh_token=issuer.ring.refresh_token(session.following),
        expires_in=lifetime_s,
        not_after=session.not_after,
        stamp=session.stamp,
        vo=session.vo,
        settings=_settings(queue, config.operations.get(session.vo, Operations())),
        payload_environment=dict(queue.payload.environment) if queue else {},
        **place,
    )


def _settings(queue: Queue | None, options: Operations) -> dict[str, Any]:
    """Return what the pilot should know; a figure that it was started with goes before."""
    known: dict[str, Any] = {"report_every_s": options.job_health.report_every}
    if queue is not None:
        known |= {
            "wall_s": queue.wall_time,
            "power_db12": queue.power_db12,
            "payload_software": queue.payload.software,
            "payload_engine": queue.payload.engine,
        }
    return {name: value for name, value in known.items() if value is not None}
