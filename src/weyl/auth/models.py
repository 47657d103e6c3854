"""What the auth room says on the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from weyl.kit.bounds import ClosedModel

ScopeWord = Annotated[str, Field(pattern=r"^\S+$", max_length=255)]
"""The name of a VO, a group or a property: one word."""


class InitiateDeviceFlowResponse(BaseModel):
    """Where to send the user's browser, and the code with which the device asks whether they are done."""

    user_code: str
    device_code: str
    verification_uri_complete: str
    verification_uri: str
    expires_in: int
    interval: int = 2
    """Seconds between two questions of the device (RFC 8628)."""


class TokenResponse(BaseModel):
    """A pair of tokens; the access token's life is `expires_in` seconds."""

    access_token: str
    expires_in: int
    token_type: str = "Bearer"
    refresh_token: str | None = None


class UserInfoResponse(BaseModel):
    """Who the caller is."""

    sub: str
    vo: str
    dirac_group: str
    policies: dict[str, Any]
    properties: list[str]
    preferred_username: str


class SupportInfo(BaseModel):
    """Whom the members of a VO ask for help."""

    message: str
    webpage: str | None
    email: str | None


class GroupInfo(BaseModel):
    """What a group gives."""

    properties: list[str]


class VOInfo(BaseModel):
    """A VO as everybody may see it."""

    groups: dict[str, GroupInfo]
    support: SupportInfo
    default_group: str


class Metadata(BaseModel):
    """The VOs of this installation, for clients that are about to log in."""

    virtual_organizations: dict[str, VOInfo]


class OpenIDConfiguration(BaseModel):
    """The discovery document of this installation as an authorisation server."""

    issuer: str
    token_endpoint: str
    userinfo_endpoint: str
    device_authorization_endpoint: str
    revocation_endpoint: str
    authorization_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    scopes_supported: list[str]
    code_challenge_methods_supported: list[str]


class SessionChange(ClosedModel):
    """What the login of a browser is to be good for from now on."""

    vo: ScopeWord | None = None
    """Another VO of the same identity provider; the present one if left out."""
    group: ScopeWord
    properties: list[ScopeWord] = Field(default=[], max_length=100)
    """Properties beyond those of the group, which another group gives to the user."""


class SessionInfo(BaseModel):
    """Who is logged in with this browser, until when, and as what else they may go on."""

    session_id: str
    sub: str
    preferred_username: str
    vo: str
    group: str
    properties: list[str]
    created_at: datetime
    expires_at: datetime
    """The end in any case."""
    idle_minutes: int
    """Minutes without a request after which it ends before that."""
    groups: dict[str, dict[str, GroupInfo]]
    """The groups that may be switched to, by VO."""


class BrowserSession(BaseModel):
    """A browser that is logged in."""

    session_id: str
    sub: str
    user: str
    """What the person is called; empty if the configuration does not know them any more."""
    vo: str
    group: str
    properties: list[str]
    """Those asked for beyond the group's."""
    created_at: datetime
    last_used_at: datetime
    """To the minute."""
    expires_at: datetime
    user_agent: str
    address: str
    current: bool
    """Whether it is the one that asks."""
