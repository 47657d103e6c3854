"""The token endpoint: every grant, form encoded."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Header, Response
from pydantic import WithJsonSchema

from weyl.auth.errors import TokenRefused
from weyl.auth.models import TokenResponse
from weyl.auth.routes.context import CurrentAuthority
from weyl.auth.service import authorization, device, tokens
from weyl.auth.service.authorization import CodeProof
from weyl.kit.bounds import NAME_LENGTH_MAX, Name, Text, Token
from weyl.kit.errors import WeylError
from weyl.kit.http import CurrentDatabase, Now, json_response
from weyl.kit.oauth import GRANT_CODE, GRANT_REFRESH

router = APIRouter(prefix="/api/auth", tags=["auth"])

# The contract's document has three alternatives without values: its client was generated from that.
GrantType = Annotated[
    Literal["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": NAME_LENGTH_MAX}] * 3}),
]
# A key that could be guessed would be none.
KEY_LENGTH_MIN = 16
NO_STORE = {"Cache-Control": "no-store"}


@router.post("/token", operation_id="auth_get_oidc_token", response_model=TokenResponse)
async def get_oidc_token(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    *,
    now: Now,
    grant_type: Annotated[GrantType, Form(description="The grant type to use")],
    client_id: Annotated[Name, Form(description="The client id to use")],
    device_code: Annotated[Token | None, Form(description="For the device flow")] = None,
    code: Annotated[Token | None, Form(description="For the code flow")] = None,
    redirect_uri: Annotated[Text | None, Form(description="For the code flow: the one given at its start")] = None,
    code_verifier: Annotated[
        Token | None, Form(description="For the code flow: what its challenge was made from")
    ] = None,
    refresh_token: Annotated[Token | None, Form(description="For a refresh")] = None,
    idempotency_key: Annotated[Text | None, Header(include_in_schema=False, min_length=KEY_LENGTH_MIN)] = None,
) -> Response:
    """Trade a code or a refresh token for a pair of tokens.

    A refresh whose answer was lost may be repeated by who sent a random Idempotency-Key with it.
    """
    async with db.transaction() as tx:
        outcome: TokenResponse | WeylError
        if grant_type == GRANT_CODE:
            proof = CodeProof(
                client_id=client_id,
                redirect_uri=_given(redirect_uri, "redirect_uri"),
                code_verifier=_given(code_verifier, "code_verifier"),
            )
            outcome = await authorization.redeem(tx, authority, code=_given(code, "code"), proof=proof, now=now)
        elif grant_type == GRANT_REFRESH:
            token = _given(refresh_token, "refresh_token")
            outcome = await tokens.refresh(
                tx, authority, token=token, client_id=client_id, now=now, key=idempotency_key
            )
        else:
            given = _given(device_code, "device_code")
            outcome = await device.redeem(tx, authority, device_code=given, client_id=client_id, now=now)
    if isinstance(outcome, WeylError):
        # Answered, not raised: the login that a replay has ended must stay ended.
        return json_response(outcome.body(), status=outcome.status, headers={**outcome.headers, **NO_STORE})
    return json_response(outcome.model_dump(), headers=NO_STORE)


def _given(value: str | None, name: str) -> str:
    if value is None:
        raise TokenRefused("invalid_request", f"{name} is missing")
    return value
