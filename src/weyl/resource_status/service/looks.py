"""What is told of elements beyond the contract: who decided, until when, and what others say."""

from datetime import datetime

from weyl.config.models import Config
from weyl.kit.db import Tx
from weyl.resource_status.claims import EVERY_VO, Claim, Claims, Element
from weyl.resource_status.models import ClaimShown, ElementShown, Kind, Why
from weyl.resource_status.policy import Viewer
from weyl.resource_status.queries import select_claims
from weyl.resource_status.statuses import elements_of, site_of, state_of


async def read_claims(tx: Tx, now: datetime) -> Claims:
    """Return all claims that hold now, for a look at one moment."""
    _, claims = await select_claims(tx, now)
    return Claims(claims)


def list_elements(config: Config, claims: Claims, viewer: Viewer, kind: Kind, *, now: datetime) -> list[ElementShown]:
    """Return every element of a kind that the viewer's VO may see."""
    sites = {name: site for site, place in config.resources.sites.items() for name in place.ces}
    found = elements_of(config, viewer.vo, kind)
    return [_shown(config, claims, viewer, element, site=sites.get(element.name), now=now) for element in found]


def explain(config: Config, claims: Claims, viewer: Viewer, element: Element, *, now: datetime) -> Why | None:
    """Return an element with all that is said of it and its site; None if the VO has none of this name."""
    if element not in elements_of(config, viewer.vo, element.kind):
        return None
    site = site_of(config, element)
    state = state_of(config, claims, element, viewer.vo, now=now, site=site)
    said = claims.of(element, viewer.vo, now)
    if site is not None and element.kind is Kind.COMPUTE:
        said += claims.of(Element(Kind.SITE, site), viewer.vo, now)
    said.sort(key=lambda claim: (claim is not state.decided_by, claim is not state.drain, claim.set_at))
    shown = _shown(config, claims, viewer, element, site=site, now=now)
    return Why(**shown.model_dump(), claims=[_claim_shown(claim, viewer) for claim in said])


def _shown(
    config: Config, claims: Claims, viewer: Viewer, element: Element, *, site: str | None, now: datetime
) -> ElementShown:
    state = state_of(config, claims, element, viewer.vo, now=now, site=site)
    decided = state.decided_by
    return ElementShown(
        kind=element.kind,
        name=element.name,
        access=element.access,
        site=site or (element.name if element.kind is Kind.SITE else None),
        status=state.status,
        reason=state.reason,
        decided_by="configuration" if decided is None else _who(decided, viewer),
        draining=state.drain is not None,
        drain_until=None if state.drain is None else state.drain.until,
        expires_at=None if decided is None else decided.expires_at,
    )


def _who(claim: Claim, viewer: Viewer) -> str:
    if claim.vo == EVERY_VO and not viewer.sees_authors:
        return "administrators"
    return claim.author


def _claim_shown(claim: Claim, viewer: Viewer) -> ClaimShown:
    hidden = claim.vo == EVERY_VO and not viewer.sees_authors
    return ClaimShown(
        vo=claim.vo,
        source=claim.source,
        status=claim.status,
        reason=claim.reason,
        author=None if hidden else claim.author,
        set_at=claim.set_at,
        expires_at=claim.expires_at,
        until=claim.until,
        force=claim.force,
    )
