"""A VO's identity provider: OpenID Connect with code and PKCE, as a public client."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from weyl.auth.errors import ProviderFailed, RefusedByProvider
from weyl.config.registry import IdP
from weyl.kit import json
from weyl.kit.cache import SoftHardCache

SCOPE = "openid profile"
TIMEOUT_S = 15.0
DISCOVERY_AGE_S = 3600.0
ANSWER_BYTES_MAX = 1_000_000
CLOCK_SKEW_S = 60
# What an identity provider may sign with: asymmetric only, whatever it announces.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"})


@dataclass(frozen=True)
class ProviderMetadata:
    """What we use of a discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    algorithms: tuple[str, ...]
    tells_issuer: bool = False
    """Whether it says who it is whenever it sends a browser back (RFC 9207)."""


def code_challenge(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier (RFC 7636)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class IdentityProviders:
    """Talks to the identity providers of all VOs; discovery documents and keys are remembered for an hour."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._metadata = SoftHardCache(self._discover, soft_s=DISCOVERY_AGE_S, hard_s=2 * DISCOVERY_AGE_S)
        self._keys = SoftHardCache(self._load_keys, soft_s=DISCOVERY_AGE_S, hard_s=2 * DISCOVERY_AGE_S)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def login_url(self, idp: IdP, *, redirect_uri: str, state: str, verifier: str) -> str:
        """Return where to send a browser so that its user logs in and comes back to `redirect_uri`."""
        metadata = await self._metadata.get(idp.url)
        parameters = {
            "response_type": "code",
            "client_id": idp.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{separator}{urlencode(parameters)}"

    async def redeem(
        self, idp: IdP, *, code: str, iss: str | None, redirect_uri: str, verifier: str, now: datetime
    ) -> str:
        """Trade the provider's code for a verified identity; returns the subject."""
        metadata = await self._metadata.get(idp.url)
        # A provider of another VO may have sent the browser on to this one, or the reverse, so that we hand it a code
        # that is not its own.
        if iss != metadata.issuer and (iss is not None or metadata.tells_issuer):
            raise RefusedByProvider("The login came back from another identity provider than it was sent to")
        form = {
            "grant_type": "authorization_code",
            "client_id": idp.client_id,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = await self._request("POST", metadata.token_endpoint, form=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise RefusedByProvider("The identity provider sent no id_token")
        claims = await self._verified(token, metadata)
        return subject_of(claims, issuer=metadata.issuer, client_id=idp.client_id, now=now)

    async def _verified(self, token: str, metadata: ProviderMetadata) -> Mapping[str, Any]:
        keys = await self._keys.get(metadata.jwks_uri)
        try:
            try:
                return jwt.decode(token, keys, algorithms=metadata.algorithms).claims
            except InvalidKeyIdError:
                # The provider may have rotated its keys since we asked.
                self._keys.forget(metadata.jwks_uri)
                keys = await self._keys.get(metadata.jwks_uri)
                return jwt.decode(token, keys, algorithms=metadata.algorithms).claims
        except (JoseError, ValueError, TypeError) as error:
            raise RefusedByProvider("The identity provider's id_token does not verify") from error

    async def _discover(self, url: str) -> ProviderMetadata:
        try:
            document = await self._request("GET", f"{url.rstrip('/')}/.well-known/openid-configuration")
        except RefusedByProvider as error:
            raise ProviderFailed(f"The identity provider at {url} has no discovery document") from error
        try:
            metadata = ProviderMetadata(
                issuer=document["issuer"],
                authorization_endpoint=document["authorization_endpoint"],
                token_endpoint=document["token_endpoint"],
                jwks_uri=document["jwks_uri"],
                algorithms=tuple(ALGORITHMS.intersection(document["id_token_signing_alg_values_supported"])),
                tells_issuer=document.get("authorization_response_iss_parameter_supported") is True,
            )
        except (KeyError, TypeError) as error:
            raise ProviderFailed(f"The discovery document of {url} is not complete") from error
        if metadata.issuer.rstrip("/") != url.rstrip("/"):
            raise ProviderFailed(f"The identity provider at {url} says that it is {metadata.issuer}")
        return metadata

    async def _load_keys(self, url: str) -> KeySet:
        try:
            document = await self._request("GET", url)
            return KeySet.import_key_set({"keys": document["keys"]})
        except (RefusedByProvider, JoseError, KeyError, ValueError, TypeError) as error:
            raise ProviderFailed(f"The keys of the identity provider at {url} cannot be read") from error

    async def _request(self, method: str, url: str, *, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            async with self._session.request(
                method, url, data=form, allow_redirects=method == "GET", headers={"Accept": "application/json"}
            ) as response:
                body = await _bounded(response)
                status = response.status
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise ProviderFailed(f"The identity provider cannot be reached: {type(error).__name__}") from error
        if status >= 500:
            raise ProviderFailed(f"The identity provider answered {status}")
        if status != 200:
            raise RefusedByProvider(f"The identity provider refused the login ({status})")
        try:
            document = json.loads(body)
        except ValueError as error:
            raise ProviderFailed("The identity provider did not answer with JSON") from error
        if not isinstance(document, dict):
            raise ProviderFailed("The identity provider did not answer with a JSON object")
        return document


def subject_of(claims: Mapping[str, Any], *, issuer: str, client_id: str, now: datetime) -> str:
    """Return the subject of a verified id_token that was made for us, by this issuer, and is still good."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    expiry, issued_at, subject = _number(claims.get("exp")), _number(claims.get("iat")), claims.get("sub")
    seconds = now.timestamp()
    faults = {
        "iss": claims.get("iss") != issuer,
        "aud": client_id not in audiences,
        "azp": claims.get("azp", client_id) != client_id,
        "exp": expiry is None or expiry + CLOCK_SKEW_S <= seconds,
        "iat": issued_at is None or issued_at - CLOCK_SKEW_S > seconds,
        "sub": not isinstance(subject, str) or not subject,
    }
    if wrong := [name for name, is_wrong in faults.items() if is_wrong]:
        raise RefusedByProvider(f"The identity provider's id_token does not verify: {', '.join(wrong)}")
    return str(subject)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise ProviderFailed("The identity provider's answer is too long")
    return bytes(body)
