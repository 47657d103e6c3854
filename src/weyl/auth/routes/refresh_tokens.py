"""Who am I, which logins do I have, and their end."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Response

from weyl.auth.models import UserInfoResponse
from weyl.auth.policy import own_tokens
from weyl.auth.queries.tokens import select_refresh_tokens
from weyl.auth.routes.context import CurrentAuthority
from weyl.auth.service import tokens
from weyl.auth.service.sessions import name_of_subject
from weyl.config.routes import CurrentConfig
from weyl.kit.bounds import Name, Token
from weyl.kit.http import CurrentUser, Now, ReadTx, WriteTx, json_response
from weyl.kit.oauth import CLIENT_ID

router = APIRouter(prefix="/api/auth", tags=["auth"])

REVOKED = "Refresh token revoked"


@router.get("/userinfo", operation_id="auth_userinfo")
async def userinfo(user: CurrentUser) -> UserInfoResponse:
    """Return who the token speaks for."""
    return UserInfoResponse(
        sub=user.subject,
        vo=user.vo,
        dirac_group=user.group,
        policies=dict(user.policies),
        properties=sorted(user.properties),
        preferred_username=user.preferred_username,
    )


@router.get("/refresh-tokens", operation_id="auth_get_refresh_tokens", response_model=list[Any])
async def get_refresh_tokens(
    tx: ReadTx,
    user: CurrentUser,
    now: Now,
    config: CurrentConfig,
    *,
    living: Annotated[bool, Query(description="Only those that can still be used")] = False,
) -> Response:
    """List the caller's logins; with ProxyManagement those of everybody in the VO, used and revoked tokens included.

    Those that can still be used come with the name of their user, which the contract's answer does not have.
    """
    scope = own_tokens(user)
    rows = await select_refresh_tokens(tx, scope, now=now, living=living or scope.subject is not None)
    named = [{**row, "User": name_of_subject(config, row["Sub"]) or row["Sub"]} for row in rows] if living else rows
    return json_response(named)


@router.delete("/refresh-tokens/{jti}", operation_id="auth_revoke_refresh_token_by_jti")
async def revoke_refresh_token_by_jti(tx: WriteTx, user: CurrentUser, jti: Name) -> str:
    """End a login by the id of its refresh token."""
    await tokens.revoke_by_id(tx, own_tokens(user), jti=jti)
    return REVOKED


@router.post("/revoke", operation_id="auth_revoke_refresh_token_by_refresh_token")
async def revoke_refresh_token_by_refresh_token(
    tx: WriteTx,
    authority: CurrentAuthority,
    token: Annotated[Token, Form(description="The refresh token")],
    token_type_hint: Annotated[Name | None, Form(description="Hint for the type of token submitted")] = None,
    client_id: Annotated[Name, Form(description="The client id")] = CLIENT_ID,
) -> str:
    """End a login by its refresh token (RFC 7009)."""
    await tokens.revoke(tx, authority, token=token, client_id=client_id, hint=token_type_hint)
    return REVOKED
