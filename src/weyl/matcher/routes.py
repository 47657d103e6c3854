"""The matcher over HTTP: pilots ask for jobs, and for the tokens of jobs that they have."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from weyl.jobs.policy import may_read
from weyl.kit.http import CurrentActor, CurrentPilot, Now, ReadTx, current_pilot, state
from weyl.kit.route_index import answered_by
from weyl.matcher.errors import JobNotBound
from weyl.matcher.models import Explanation, JobToken, MatchAnswer, MatchRequest
from weyl.matcher.policy import may_match, may_match_here
from weyl.matcher.service.explain import Explainer
from weyl.matcher.service.matcher import Matcher

router = APIRouter(prefix="/api/matcher", tags=["matcher"])
explain_router = APIRouter(prefix="/api/jobs", tags=["matcher"])

JOB_ID_MAX = 2**63


async def matcher_of(request: Request) -> Matcher:
    """Return the matcher that was wired for this process."""
    return cast(Matcher, state(request).matcher)


async def explainer_of(request: Request) -> Explainer:
    """Return what explains, as it was wired for this process."""
    return cast(Explainer, state(request).explainer)


CurrentMatcher = Annotated[Matcher, Depends(matcher_of)]
CurrentExplainer = Annotated[Explainer, Depends(explainer_of)]


async def match_directly(request: Request) -> Response | None:
    """Answer as `match` does; a body with anything wrong in it goes the usual way, which says what that is."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    pilot = await current_pilot(request, request.headers.get("authorization"))
    try:
        body = MatchRequest.model_validate_json(await request.body())
    except ValidationError:
        return None
    return await match(request, body, pilot, await matcher_of(request))


@router.post("/match", operation_id="matcher_match", response_model=MatchAnswer)
@answered_by(match_directly)
async def match(request: Request, body: MatchRequest, pilot: CurrentPilot, matcher: CurrentMatcher) -> Response:
    """Give the pilot waiting jobs that fit its offer, or say why there are none."""
    permit = may_match_here(pilot, body.offer)
    answer = await matcher.match(permit, body, is_gone=request.is_disconnected)
    return Response(answer.model_dump_json(), media_type="application/json")


@explain_router.get("/{job_id}/explain", operation_id="matcher_explain_job", response_model=Explanation)
async def explain_job(
    job_id: int, actor: CurrentActor, tx: ReadTx, *, explainer: CurrentExplainer, now: Now
) -> Response:
    """Explain why a job waits: condition by condition, against the pilots of the last day."""
    permit = await may_read(tx, actor, [job_id])
    explanation = await explainer.explain(tx, permit, job_id, now=now)
    return Response(explanation.model_dump_json(), media_type="application/json")


@router.post("/jobs/{job_id}/token", operation_id="matcher_get_job_token")
async def get_job_token(job_id: int, pilot: CurrentPilot, matcher: CurrentMatcher) -> JobToken:
    """Give the pilot a token for a job that is bound to it."""
    permit = may_match(pilot)
    if not 0 < job_id < JOB_ID_MAX:
        raise JobNotBound(f"Job {job_id} is not bound to this pilot")
    return await matcher.job_token(permit, job_id)
