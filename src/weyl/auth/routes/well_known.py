"""The well-known documents, open to everybody and served from memory."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from weyl.auth.models import Metadata, OpenIDConfiguration
from weyl.auth.routes.context import CurrentAuthority
from weyl.auth.service.authority import AUTHORITY
from weyl.kit.http import JSON, cached_response, json_response
from weyl.kit.openapi import refusals
from weyl.kit.route_index import answered_by

router = APIRouter(prefix="/.well-known", tags=[".well-known"])


async def openid_configuration(request: Request) -> Response:
    """Answer as `get_openid_configuration` does."""
    return cached_response(request, AUTHORITY.of(request).documents.openid_configuration())


async def installation_metadata(request: Request) -> Response:
    """Answer as `get_installation_metadata` does."""
    return cached_response(request, AUTHORITY.of(request).documents.metadata())


@router.get(
    "/openid-configuration",
    operation_id=".well-known_get_openid_configuration",
    response_model=OpenIDConfiguration,
    responses=refusals(304),
)
@answered_by(openid_configuration)
async def get_openid_configuration(request: Request, authority: CurrentAuthority) -> Response:
    """Describe this installation as an authorisation server."""
    return cached_response(request, authority.documents.openid_configuration())


@router.get("/jwks.json", operation_id=".well-known_get_jwks", response_model=dict[str, Any])
async def get_jwks(authority: CurrentAuthority) -> Response:
    """Return the keys that verify our tokens."""
    return Response(authority.documents.jwks(), media_type=JSON)


@router.get(
    "/dirac-metadata",
    operation_id=".well-known_get_installation_metadata",
    response_model=Metadata,
    responses=refusals(304),
)
@answered_by(installation_metadata)
async def get_installation_metadata(request: Request, authority: CurrentAuthority) -> Response:
    """List the VOs and their groups, for clients that are about to log in."""
    return cached_response(request, authority.documents.metadata())


@router.get("/security.txt", operation_id=".well-known_get_security_txt", response_model=str)
async def get_security_txt(request: Request, authority: CurrentAuthority) -> Response:
    """Say whom to tell about a vulnerability: RFC 9116 to whoever accepts plain text only, else as a JSON string."""
    text = authority.documents.security_txt()
    accepted = [part.split(";")[0].strip() for part in request.headers.get("accept", "").split(",")]
    return PlainTextResponse(text) if accepted == ["text/plain"] else json_response(text)
