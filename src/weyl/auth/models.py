"""What the auth room says on the wire."""

from typing import Any

from pydantic import BaseModel


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
