"""Pilots over HTTP: the contract's four routes, then weyl's own for secrets, tokens, logs, output and submission."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response

from weyl.auth.keys import KEYS
from weyl.auth.routes.context import ClientAddress, CurrentAuthority
from weyl.auth.service.attempts import admit
from weyl.config.routes import CurrentConfig
from weyl.kit.bounds import REPORTS_BYTES_MAX, REPORTS_MAX, Entries, Name
from weyl.kit.http import (
    PART,
    CurrentActor,
    CurrentPage,
    CurrentPilot,
    CurrentSearches,
    CurrentUser,
    Now,
    ReadTx,
    WriteTx,
    json_response,
    list_response,
)
from weyl.kit.openapi import refusals
from weyl.kit.paging import Count
from weyl.kit.search import SearchParams, SummaryParams
from weyl.matcher.models import OfferExplanation
from weyl.matcher.policy import may_explain_offers
from weyl.matcher.routes import CurrentOfferExplainer
from weyl.pilots import policy
from weyl.pilots.models import (
    Drained,
    PilotDrain,
    PilotFile,
    PilotMetadata,
    PilotOutput,
    PilotRegistrationParams,
    PilotRevocation,
    PilotSecret,
    PilotSecretParams,
    PilotSecretRedemption,
    PilotTokenRefresh,
    PilotTokens,
    Revoked,
    SubmissionState,
    UnhealthyHost,
)
from weyl.pilots.queries.submission import select_plans
from weyl.pilots.service import credentials, draining, hosts, logs, polling, registry, why
from weyl.pilots.service.commands import COMMANDS, Commands
from weyl.pilots.service.credentials import Issuer, Refusal
from weyl.pilots.service.yard import YARD, Yard
from weyl.settings import SETTINGS

router = APIRouter(prefix="/api/pilots", tags=["pilots"])

NEXT_PIECE = "Weyl-Next-Piece"


async def pilot_issuer(request: Request) -> Issuer:
    """Return what this process makes credentials with."""
    lifetime_s = SETTINGS.of(request).access_token_minutes * 60
    return Issuer(YARD.of(request).ring, KEYS.of(request), lifetime_s)


async def counted_address(address: ClientAddress, authority: CurrentAuthority, tx: WriteTx) -> str:
    """Return the caller's address, after counting the attempt against its limit."""
    await admit(tx, authority, address)
    return address


async def told_engines(request: Request, config: CurrentConfig) -> list[dict[str, str | int]]:
    """Return what pilots are told of engine archives; the first who asks may wait for seconds until one is packed."""
    return await YARD.of(request).engines.told() if credentials.lacks_engines(config) else []


CurrentIssuer = Annotated[Issuer, Depends(pilot_issuer)]
CurrentYard = Annotated[Yard, Depends(YARD.dependency)]
CurrentCommands = Annotated[Commands, Depends(COMMANDS.dependency)]
Engines = Annotated[list[dict[str, str | int]], Depends(told_engines)]
Sha256 = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, Depends(counted_address)]


@router.post("", status_code=201, include_in_schema=False)
@router.post("/", status_code=201, operation_id="pilots_register_pilot")
async def register_pilot(
    params: PilotRegistrationParams, actor: CurrentActor, config: CurrentConfig, tx: WriteTx, now: Now
) -> None:
    """Add a pilot that was submitted elsewhere."""
    writer = policy.may_register(actor, config, stamp=params.pilot_stamp, vo=params.vo)
    await registry.register(tx, writer, params, config=config, now=now)


@router.patch(
    "/metadata", status_code=204, operation_id="pilots_update_pilot_metadata", max_body_size=REPORTS_BYTES_MAX
)
async def update_pilot_metadata(
    changes: Annotated[dict[str, PilotMetadata], Entries(REPORTS_MAX), Body()],
    actor: CurrentActor,
    config: CurrentConfig,
    tx: WriteTx,
    now: Now,
) -> None:
    """Change fields of pilots by stamp: all of them or, if one is unknown, none."""
    writer = policy.may_write(actor, config, stamps=changes)
    await registry.update(tx, writer, changes, config=config, now=now)


@router.post(
    "/search",
    operation_id="pilots_search",
    response_model=list[dict[str, Any]],
    responses=PART,
)
async def search(
    user: CurrentUser, searches: CurrentSearches, asked: CurrentPage, body: SearchParams | None = None
) -> Response:
    """Answer with the pilots that meet all conditions, one page of them."""
    scope = policy.may_read(user)
    params = body or SearchParams()
    part = asked.part(registry.order_of(params), distinct=params.distinct)
    is_scan = part.count is Count.EXACT or registry.search_may_scan(params)
    async with searches.connection(user.subject, is_scan=is_scan) as tx:
        found = await registry.search(tx, scope, params, part=part)
    return list_response(found, part, path="/api/pilots/search", unit="pilots")


@router.post("/summary", operation_id="pilots_summary")
async def summary(params: SummaryParams, user: CurrentUser, searches: CurrentSearches) -> Response:
    """Answer with the number of pilots for each combination of columns."""
    scope = policy.may_read(user)
    # Pilots are counted one by one, whatever is asked.
    async with searches.connection(user.subject, is_scan=True) as tx:
        rows = await registry.summary(tx, scope, params)
    return json_response(rows)


def _tokens(outcome: PilotTokens | Refusal) -> Response:
    if isinstance(outcome, Refusal):
        error = outcome.error
        return json_response(error.body(), status=error.status, headers=error.headers)
    return Response(outcome.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.post("/token", operation_id="pilots_redeem_secret", response_model=PilotTokens, responses=refusals(429))
async def redeem_secret(
    request: PilotSecretRedemption,
    engines: Engines,  # before anything opens a transaction
    address: Address,
    *,
    issuer: CurrentIssuer,
    config: CurrentConfig,
    tx: WriteTx,
    now: Now,
) -> Response:
    """Turn a pilot's secret into its tokens; the secret itself is the permission."""
    outcome = await credentials.redeem(tx, issuer, request, address=address, config=config, now=now)
    return _tokens(credentials.with_engines(outcome, engines))


@router.post("/token/refresh", operation_id="pilots_refresh_token", response_model=PilotTokens)
async def refresh_token(
    request: PilotTokenRefresh,
    address: ClientAddress,
    issuer: CurrentIssuer,
    *,
    config: CurrentConfig,
    tx: WriteTx,
    now: Now,
) -> Response:
    """Exchange a refresh token for the next; one that was used before ends the session, unless the answer got lost."""
    shown = request.refresh_token
    return _tokens(await credentials.refresh(tx, issuer, shown, address=address, config=config, now=now))


@router.post("/secrets", status_code=201, operation_id="pilots_create_secret")
async def create_secret(
    params: PilotSecretParams, user: CurrentUser, issuer: CurrentIssuer, *, config: CurrentConfig, tx: WriteTx, now: Now
) -> PilotSecret:
    """Make a secret for machines that start pilots by themselves."""
    administrator = policy.may_administrate(user, vo=params.vo or user.vo)
    return await credentials.mint(tx, issuer, administrator, params, config=config, now=now)


@router.delete("/secrets/{secret_id}", status_code=204, operation_id="pilots_revoke_secret")
async def revoke_secret(secret_id: UUID, user: CurrentUser, tx: WriteTx, now: Now) -> None:
    """Make a secret worthless, and end every session that began with it."""
    await credentials.revoke_secret(tx, policy.may_administrate(user, vo=None), secret_id, now=now)


@router.post("/revoke", operation_id="pilots_revoke")
async def revoke(wanted: PilotRevocation, user: CurrentUser, tx: WriteTx, now: Now) -> Revoked:
    """Take the right to speak from the pilots and secrets that fit all that is given."""
    return await credentials.revoke(tx, policy.may_administrate(user, vo=wanted.vo), wanted, now=now)


@router.post("/drain", operation_id="pilots_drain")
async def drain(wanted: PilotDrain, user: CurrentUser, tx: WriteTx, now: Now) -> Drained:
    """Let the pilots that fit all that is given finish what they have and stop, or take that back."""
    return await draining.drain(tx, policy.may_administrate(user, vo=wanted.vo), wanted, now=now)


@router.get("/hosts", operation_id="pilots_get_hosts", response_model=list[UnhealthyHost])
async def get_hosts(user: CurrentUser, config: CurrentConfig, tx: ReadTx, now: Now) -> Response:
    """Answer with the worker nodes that break their jobs and therefore get fewer or none, the worst first."""
    return json_response(await hosts.unhealthy(tx, policy.may_read(user), config=config, now=now))


@router.get("/submission", operation_id="pilots_get_submission", response_model=list[SubmissionState])
async def get_submission(user: CurrentUser, tx: ReadTx) -> Response:
    """Answer, for each queue, with what the last plan found: demand, need, and the reason why not more are sent."""
    return json_response([row._asdict() for row in await select_plans(tx, policy.may_read(user))])


@router.post("/logs", status_code=204, operation_id="pilots_store_log")
async def store_log(
    request: Request, pilot: CurrentPilot, tx: WriteTx, now: Now, chunk: Annotated[int, Query(ge=0)]
) -> None:
    """Keep one numbered piece, packed with gzip, of the calling pilot's log."""
    itself = policy.is_itself(pilot)
    await logs.keep_piece(tx, itself, number=chunk, content=await request.body(), now=now)


@router.get("/{stamp}/logs", operation_id="pilots_get_log", response_class=Response)
async def get_log(
    stamp: Name, user: CurrentUser, tx: ReadTx, first: Annotated[int, Query(ge=0, lt=2**31)] = 0
) -> Response:
    """Answer with the log of a pilot as text, from a piece on; a header names the piece to ask for next."""
    text, following = await logs.read_log(tx, policy.may_read(user), stamp, first=first)
    return Response(text, media_type="text/plain; charset=utf-8", headers={NEXT_PIECE: str(following)})


@router.get(
    "/{stamp}/explain",
    operation_id="pilots_explain_pilot",
    response_model=OfferExplanation,
    responses=refusals(409),
)
async def explain_pilot(
    stamp: Name, user: CurrentUser, tx: ReadTx, *, explainer: CurrentOfferExplainer, now: Now
) -> Response:
    """Explain what a pilot could get with what it last offered, and what it has asked for until now."""
    told = await why.explain(tx, explainer, may_explain_offers(user), stamp, now=now)
    return Response(told.model_dump_json(), media_type="application/json")


@router.get("/{stamp}/output", operation_id="pilots_get_output")
async def get_output(stamp: Name, user: CurrentUser, yard: CurrentYard) -> PilotOutput:
    """Answer with what a pilot wrote, fetched from its computing element."""
    return await polling.output(yard, policy.may_read(user), stamp)


@router.get("/engines/{sha256}", operation_id="pilots_get_engine")
async def get_engine(sha256: Sha256, pilot: CurrentPilot, yard: CurrentYard) -> PilotFile:
    """Answer with where an archive of the engine that runs CWL can be fetched; pilots are told of them."""
    return PilotFile(url=await yard.engines.url(policy.is_itself(pilot), sha256))


@router.get("/commands/{sha256}", operation_id="pilots_get_command")
async def get_command(sha256: Sha256, pilot: CurrentPilot, commands: CurrentCommands) -> PilotFile:
    """Answer with where the files of a payload command can be fetched; the work of jobs names them."""
    return PilotFile(url=await commands.url(policy.is_itself(pilot), sha256))
