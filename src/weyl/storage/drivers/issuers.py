"""Where tokens for storage elements come from: weyl's own issuer of a VO, or the VO's issuer elsewhere."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import structlog
from yarl import URL

from weyl.kit import json
from weyl.kit.cache import SoftHardCache
from weyl.kit.ids import uuid7
from weyl.kit.loopback import is_loopback
from weyl.kit.services import Key
from weyl.remote.credentials import CredentialKind
from weyl.remote.errors import RemoteError
from weyl.storage.drivers.driver import IssuedToken, Operation, StorageContext, TokenSource
from weyl.storage.drivers.http import Door
from weyl.storage.errors import Corrupt, NotAllowed, Unreachable
from weyl.storage.token_keys import TokenKeys
from weyl.storage.tokens import Grant, claims_of, expiry_of, issuer_url, life_s, scope_of

DISCOVERY_AGE_S = 3600.0
TOKEN_LENGTH_MAX = 16_384

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Issuing:
    """What a process needs to hand out tokens of its own."""

    keys: TokenKeys
    public_url: str
    count: Callable[[str], None]
    """Counts a token that was issued, by its VO."""


ISSUING: Key[Issuing] = Key("the issuer of tokens for storage elements")


def token_source(context: StorageContext, issuing: Issuing) -> TokenSource | None:
    """Return where the tokens for a door come from; None if it takes none."""
    auth = context.endpoint.auth
    if auth.kind == "none":
        return None
    return OwnIssuer(context, issuing) if auth.issuer is None else ForeignIssuer(context, auth.issuer, issuing)


class OwnIssuer:
    """Signs tokens itself."""

    def __init__(self, context: StorageContext, issuing: Issuing) -> None:
        self._context, self._issuing = context, issuing

    async def token(
        self, operation: Operation, path: str, *, subject: str, expires_s: int, now: datetime
    ) -> IssuedToken:
        """Sign a token; it is noted in the log, without itself."""
        grant, token_id = _grant(self._context, operation, path), str(uuid7())
        issuer = issuer_url(self._issuing.public_url, self._context.vo)
        claims = claims_of(grant, issuer=issuer, subject=subject, token_id=token_id, now=now, expires_s=expires_s)
        text = self._issuing.keys.sign(claims)
        _note(self._context, self._issuing, claims["scope"], subject=subject, token_id=token_id)
        return IssuedToken(text, expiry_of(now, expires_s))


class ForeignIssuer:
    """Asks the VO's issuer with client credentials (RFC 6749, 4.4)."""

    def __init__(self, context: StorageContext, url: str, issuing: Issuing) -> None:
        self._context, self._url, self._issuing = context, url.rstrip("/"), issuing
        self._door = Door(context.session, f"the issuer of tokens at {url}", url=url)
        self._endpoint = SoftHardCache(self._discover, soft_s=DISCOVERY_AGE_S, hard_s=2 * DISCOVERY_AGE_S)

    async def token(
        self, operation: Operation, path: str, *, subject: str, expires_s: int, now: datetime
    ) -> IssuedToken:
        """Ask for a token with this scope and no other."""
        scope = scope_of(_grant(self._context, operation, path))
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "audience": str(self._context.endpoint.auth.audience),
        }
        headers = {
            "Authorization": f"Basic {await self._client()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        endpoint = URL(await self._endpoint.get(self._url))
        answer = await self._door.ask("POST", endpoint, headers, body=urlencode(form).encode())
        if answer.status != 200:
            raise NotAllowed(f"{self._door.name} gives no token with the scope {scope}: it answers {answer.status}")
        issued = _issued(_document(answer.body, self._door.name), scope, self._door.name, expires_s=expires_s, now=now)
        _note(self._context, self._issuing, scope, subject=subject, token_id=None)
        return issued

    async def _discover(self, url: str) -> str:
        answer = await self._door.ask("GET", URL(f"{url}/.well-known/openid-configuration"), {})
        if answer.status != 200:
            raise Unreachable(f"{self._door.name} has no discovery document: it answers {answer.status}")
        document = _document(answer.body, self._door.name)
        issuer, endpoint = document.get("issuer"), document.get("token_endpoint")
        if not isinstance(issuer, str) or issuer.rstrip("/") != url or not isinstance(endpoint, str):
            raise Corrupt(f"{self._door.name} does not say that it is this issuer, and where it gives tokens")
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and not is_loopback(str(parts.hostname)):
            raise Corrupt(f"{self._door.name} gives tokens without TLS")
        return endpoint

    async def _client(self) -> str:
        name = self._context.endpoint.credentials
        try:
            found = await self._context.credentials.get(self._url, [CredentialKind.OAUTH_CLIENT])
            document = _document(found.content, name or "") if found is not None else {}
        except (RemoteError, Corrupt) as error:
            raise NotAllowed(f"{self._door.name}: {error}") from error
        client, secret = document.get("client_id"), document.get("client_secret")
        if not isinstance(client, str) or not isinstance(secret, str):
            raise NotAllowed(
                f"{self._door.name}: the credentials {name} have no oauth-client, a file with"
                ' {"client_id": "…", "client_secret": "…"}'
            )
        return b64encode(f"{quote(client, safe='')}:{quote(secret, safe='')}".encode()).decode()


def _grant(context: StorageContext, operation: Operation, path: str) -> Grant:
    auth = context.endpoint.auth
    return Grant(operation, path, auth, auth.base_path or context.root)


def _note(context: StorageContext, issuing: Issuing, scope: str, *, subject: str, token_id: str | None) -> None:
    issuing.count(context.vo)
    log.info(
        "storage.token_issued", jti=token_id, vo=context.vo, se=context.element, scope=scope[:512], subject=subject
    )


def _document(body: bytes, name: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Corrupt(f"{name} is no JSON") from error
    if not isinstance(document, dict):
        raise Corrupt(f"{name} is no JSON object")
    return document


def _issued(document: Mapping[str, Any], scope: str, name: str, *, expires_s: int, now: datetime) -> IssuedToken:
    """Return the token of an answer, unless it is good for more than was asked: clients are given it."""
    text, given, life = document.get("access_token"), document.get("scope", scope), document.get("expires_in", 60)
    if not isinstance(text, str) or not 0 < len(text) <= TOKEN_LENGTH_MAX or not _is_word(text):
        raise Corrupt(f"{name} gives a token that is none")
    if not isinstance(given, str) or given.split() != [scope]:
        raise NotAllowed(f"{name} gives a token with another scope than {scope}")
    if not isinstance(life, int) or isinstance(life, bool) or life <= 0:
        raise Corrupt(f"{name} gives a token without an end")
    return IssuedToken(text, now + timedelta(seconds=min(life, life_s(expires_s))))


def _is_word(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
