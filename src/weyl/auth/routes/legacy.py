"""The legacy exchange over HTTP; it is not part of the published document."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header

from weyl.auth.models import TokenResponse
from weyl.auth.routes.context import CurrentAuthority
from weyl.auth.service.exchange import ExchangeRequest, exchange
from weyl.kit.http import Now, WriteTx

router = APIRouter(prefix="/api/auth", tags=["auth"])


@router.get("/legacy-exchange", include_in_schema=False)
async def legacy_exchange(
    tx: WriteTx,
    authority: CurrentAuthority,
    now: Now,
    request: Annotated[ExchangeRequest, Depends()],
    authorization: Annotated[str | None, Header()] = None,
) -> TokenResponse:
    """Give a DIRAC server tokens for the owner of a proxy."""
    return await exchange(tx, authority, request=request, authorization=authorization, now=now)
