"""The matcher over HTTP: pilots ask for jobs, and for the tokens of jobs that they have."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from weyl.config.routes import CurrentConfig
from weyl.failures import service as failures
from weyl.jobs.policy import may_read
from weyl.jobs.routes.search import scope_of
from weyl.kit.http import CurrentActor, CurrentPilot, CurrentUser, Now, ReadTx, current_pilot
from weyl.kit.route_index import answered_by
from weyl.matcher.errors import JobNotBound, OfferWithoutPlace
from weyl.matcher.loads import GroupShare, LimitLoad, SiteLoad
from weyl.matcher.models import (
    Explanation,
    JobToken,
    MatchAnswer,
    MatchRequest,
    OfferExplanation,
    OfferQuestion,
)
from weyl.matcher.offers import Place
from weyl.matcher.policy import may_explain_offers, may_match, may_match_here, may_watch_sites
from weyl.matcher.service import looks
from weyl.matcher.service.answers import body_of
from weyl.matcher.service.explain import EXPLAINER, Explainer
from weyl.matcher.service.explain_offers import OFFER_EXPLAINER, OfferExplainer
from weyl.matcher.service.matcher import MATCHER, Matcher
from weyl.resource_status.models import Kind
from weyl.resource_status.policy import may_view
from weyl.resource_status.routes import Board
from weyl.resource_status.service.looks import list_elements
from weyl.task_queues.policy import may_see

router = APIRouter(prefix="/api/matcher", tags=["matcher"])
explain_router = APIRouter(prefix="/api/jobs", tags=["matcher"])

JOB_ID_MAX = 2**63


CurrentMatcher = Annotated[Matcher, Depends(MATCHER.dependency)]
CurrentExplainer = Annotated[Explainer, Depends(EXPLAINER.dependency)]
CurrentOfferExplainer = Annotated[OfferExplainer, Depends(OFFER_EXPLAINER.dependency)]


async def match_directly(request: Request) -> Response | None:
    """Answer as `match` does; a body with anything wrong in it goes the usual way, which says what that is."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    pilot = await current_pilot(request, request.headers.get("authorization"))
    try:
        body = MatchRequest.model_validate_json(await request.body())
    except ValidationError:
        return None
    return await match(request, body, pilot, MATCHER.of(request))


@router.post("/match", operation_id="matcher_match", response_model=MatchAnswer)
@answered_by(match_directly)
async def match(request: Request, body: MatchRequest, pilot: CurrentPilot, matcher: CurrentMatcher) -> Response:
    """Give the pilot waiting jobs that fit its offer, or say why there are none."""
    permit = may_match_here(pilot, body.offer)
    answer = await matcher.match(permit, body, is_gone=request.is_disconnected)
    return Response(body_of(answer), media_type="application/json")


@explain_router.get("/{job_id}/explain", operation_id="matcher_explain_job", response_model=Explanation)
async def explain_job(
    job_id: int, actor: CurrentActor, tx: ReadTx, *, explainer: CurrentExplainer, config: CurrentConfig, now: Now
) -> Response:
    """Explain why a job is where it is: what keeps it waiting or held, why it failed, or what it does instead."""
    permit = await may_read(tx, actor, [job_id])
    explanation = await explainer.explain(tx, permit, job_id, now=now)
    if explanation.status == "Failed":
        scope = scope_of(actor, config) if actor.kind == "user" else None
        failure = await failures.explain(tx, permit, job_id, scope=scope, config=config, now=now)
        explanation = explainer.with_failure(explanation, failure) if failure else explanation
    return Response(explanation.model_dump_json(), media_type="application/json")


@router.get("/limits", operation_id="matcher_list_limits")
async def list_limits(user: CurrentUser, tx: ReadTx, now: Now) -> list[LimitLoad]:
    """Answer with the limits of the caller's VO, and what runs behind each."""
    return await looks.limits(tx, may_see(user), now=now)


@router.get("/shares", operation_id="matcher_list_shares")
async def list_shares(user: CurrentUser, config: CurrentConfig, tx: ReadTx, now: Now) -> list[GroupShare]:
    """Answer with the groups of the caller's VO in the order of service: shares, what was used, what waits."""
    return await looks.shares(tx, may_see(user), config=config, now=now)


@router.get("/sites", operation_id="matcher_list_sites")
async def list_sites(user: CurrentUser, config: CurrentConfig, board: Board, tx: ReadTx, now: Now) -> list[SiteLoad]:
    """Answer with the sites of the caller's VO: their status, the jobs there, and the limits that hold for them."""
    operations = config.operations.get(user.vo)
    is_open = operations is None or operations.services.job_monitoring.global_jobs_info
    scope = may_watch_sites(user, global_jobs_info=is_open)
    shown = list_elements(config, board.claims, may_view(user), Kind.SITE, now=now)
    return await looks.sites(tx, scope, shown, config=config, now=now)


@router.post("/explain", operation_id="matcher_explain_offer", response_model=OfferExplanation)
async def explain_offer(
    body: OfferQuestion, user: CurrentUser, explainer: CurrentOfferExplainer, *, now: Now
) -> Response:
    """Explain what a pilot with this offer could get: condition by condition, against the jobs that wait."""
    permit = may_explain_offers(user)
    offer = body.offer
    if offer.site is None:
        raise OfferWithoutPlace("The offer names no site: add `site`, and `ce` and `queue` if you know them")
    place = Place(offer.vo or user.vo, offer.site, offer.ce, offer.queue)
    explanation = await explainer.explain(permit, offer, place, now=now)
    return Response(explanation.model_dump_json(), media_type="application/json")


@router.post("/jobs/{job_id}/token", operation_id="matcher_get_job_token")
async def get_job_token(job_id: int, pilot: CurrentPilot, matcher: CurrentMatcher) -> JobToken:
    """Give the pilot a token for a job that is bound to it."""
    permit = may_match(pilot)
    if not 0 < job_id < JOB_ID_MAX:
        raise JobNotBound(f"Job {job_id} is not bound to this pilot")
    return await matcher.job_token(permit, job_id)
