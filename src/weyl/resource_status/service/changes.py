"""Changes of resource status: many claims in one transaction, of which every process hears within a second."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from weyl.config.models import Config
from weyl.config.status import StatusWord
from weyl.kit.clock import iso_z
from weyl.kit.db import Tx, notify
from weyl.resource_status import queries
from weyl.resource_status.claims import Claim, Element
from weyl.resource_status.errors import BadClaim
from weyl.resource_status.models import Changed, DrainOrder, Failed, Place, StatusOrder
from weyl.resource_status.permits import Spokesman
from weyl.resource_status.service.board import CHANNEL
from weyl.resource_status.statuses import elements_of

CLAIM_LIFE_MAX = timedelta(days=3650)
FORCED_REASON_LENGTH_MIN = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was changed, and what could not be."""

    changed: list[Changed]
    failed: list[Failed]


def place_of(order: Place, own_vo: str) -> tuple[Element, str]:
    """Return what an order is about, and for whom."""
    return Element(order.kind, order.name, order.access), order.vo or own_vo


async def set_statuses(
    tx: Tx, permit: Spokesman, orders: Sequence[StatusOrder], *, own_vo: str, config: Config, now: datetime
) -> Outcome:
    """Claim statuses for elements; those that the configuration does not name fail, the others are set."""
    claims, failed = [], _Missing(config)
    for order in orders:
        element, vo = place_of(order, own_vo)
        if failed.notes(element, vo):
            continue
        expires_at = _ahead(order.expires_at, now, "expires_at")
        if order.status is not StatusWord.ACTIVE and not order.reason.strip():
            raise BadClaim(f"{order.name}: say why it is {order.status}: reason is empty")
        if order.force and (vo != "all" or len(order.reason) < FORCED_REASON_LENGTH_MIN):
            raise BadClaim(f"{order.name}: force is for VO all, with a reason of {FORCED_REASON_LENGTH_MIN} characters")
        claims.append(
            Claim(element, vo, "manual", order.status, order.reason, permit.author, now, expires_at, force=order.force)
        )
    return await _put(tx, permit, claims, failed.found)


async def drain(
    tx: Tx, permit: Spokesman, orders: Sequence[DrainOrder], *, own_vo: str, config: Config, now: datetime
) -> Outcome:
    """Let elements run empty: by a time, or, without one, from now on. A drain that has an end ends with it."""
    claims, failed = [], _Missing(config)
    for order in orders:
        element, vo = place_of(order, own_vo)
        if failed.notes(element, vo):
            continue
        until = _ahead(order.until, now, "until")
        claims.append(Claim(element, vo, "drain", None, order.reason, permit.author, now, until=until))
    return await _put(tx, permit, claims, failed.found)


async def release(tx: Tx, permit: Spokesman, source: str, *, now: datetime) -> Outcome:
    """Take back what was said; elements of which nothing was said fail."""
    revision = await queries.raise_revision(tx)
    gone = await queries.delete_claims(tx, permit, source, now=now)
    if gone:
        await notify(tx, CHANNEL, str(revision))
    nothing = "There is nothing to take back"
    return Outcome(
        [_changed(element, vo) for element, vo in gone],
        [_failed(element, vo, nothing) for element, vo in permit.places.difference(gone)],
    )


async def _put(tx: Tx, permit: Spokesman, claims: Sequence[Claim], failed: list[Failed]) -> Outcome:
    distinct = {(claim.element, claim.vo): claim for claim in claims}
    if distinct:
        revision = await queries.raise_revision(tx)
        await queries.put_claims(tx, permit, list(distinct.values()))
        await notify(tx, CHANNEL, str(revision))
    return Outcome([_changed(element, vo) for element, vo in distinct], failed)


def _ahead(at: datetime | None, now: datetime, name: str) -> datetime | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise BadClaim(f"{name}: say in which time zone {at.isoformat()} is, such as {iso_z(now)}")
    if not now < at <= now + CLAIM_LIFE_MAX:
        raise BadClaim(f"{name}: {at.isoformat()} must lie ahead, and less than ten years")
    return at


class _Missing:
    """Collects elements that the configuration does not name for a VO."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: dict[tuple[str, str], set[Element]] = {}
        self.found: list[Failed] = []

    def notes(self, element: Element, vo: str) -> bool:
        """Tell whether the element is missing, and remember it if so."""
        known = self._known.get((vo, element.kind))
        if known is None:
            vos = self._config.registry if vo == "all" else [vo]
            known = {one for each in vos for one in elements_of(self._config, each, element.kind)}
            self._known[vo, element.kind] = known
        if element in known:
            return False
        self.found.append(
            _failed(element, vo, f"There is no {element.kind} {element.name} with access {element.access}")
        )
        return True


def _changed(element: Element, vo: str) -> Changed:
    return Changed(kind=element.kind, name=element.name, access=element.access, vo=vo)


def _failed(element: Element, vo: str, reason: str) -> Failed:
    return Failed(kind=element.kind, name=element.name, access=element.access, vo=vo, reason=reason)
