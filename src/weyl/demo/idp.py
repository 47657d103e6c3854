"""`weyl dev-idp`: a small, real OpenID provider for development, on the loopback interface only."""

import hashlib
import os
import secrets
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from weyl.demo import idp_pages
from weyl.kit.loopback import is_loopback

CODE_LIFE_S = 60
INTERACTION_LIFE_S = 600
TOKEN_LIFE_S = 300
OPEN_INTERACTIONS_MAX = 10_000
CLIENT_ID = "weyl"
# Without those that look like another.
PASSWORD_CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class NotLoopback(Exception):
    """An address that others could reach: this provider is for one machine."""


@dataclass(frozen=True)
class DevUser:
    """Somebody who can log in."""

    name: str
    full_name: str
    groups: tuple[str, ...]
    """Groups that a development installation gives to this user in its VOs."""

    @property
    def subject(self) -> str:
        """The subject, the same at every start."""
        return str(uuid5(NAMESPACE_URL, f"weyl:dev-idp:{self.name}"))

    @property
    def email(self) -> str:
        """An address that no mail reaches."""
        return f"{self.name}@example.org"


USERS = (
    DevUser("alice", "Alice Ampere", ("user",)),
    DevUser("bob", "Bob Bohr", ("user",)),
    DevUser("max", "Max Planck", ("user", "production")),
    DevUser("ada", "Ada Lovelace", ("user", "production", "admin")),
    DevUser("nobody", "Niels Nobody", ()),
)


def make_passwords() -> dict[str, str]:
    """Return a new password for each user: easy to type, and more than any program can try."""
    return {
        user.name: "-".join("".join(secrets.choice(PASSWORD_CHARACTERS) for _ in range(4)) for _ in range(3))
        for user in USERS
    }


@dataclass
class Interaction:
    """One browser that is logging in."""

    redirect_uri: str
    state: str
    challenge: str
    nonce: str | None
    expires_at: float
    user: DevUser | None = None


@dataclass(frozen=True)
class Grant:
    """A code that was given out."""

    redirect_uri: str
    challenge: str
    nonce: str | None
    user: DevUser
    expires_at: float


class DevProvider:
    """Discovery, login and consent forms, code with PKCE, tokens signed with RS256, userinfo; all state in memory."""

    def __init__(
        self, issuer: str, *, redirects: Collection[str], passwords: Mapping[str, str], client_id: str = CLIENT_ID
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self.redirects = frozenset(redirects)
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, private=True)
        self._key.ensure_kid()
        self._users = {user.name: user for user in USERS if passwords.get(user.name)}
        self._passwords = passwords
        self._interactions: dict[str, Interaction] = {}
        self._grants: dict[str, Grant] = {}
        self._access: dict[str, tuple[DevUser, float]] = {}

    def app(self) -> web.Application:
        """Return the web application."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discovery),
                web.get("/jwks", self._jwks),
                web.get("/authorize", self._authorize),
                web.post("/login/{id}", self._login),
                web.post("/consent/{id}", self._consent),
                web.post("/token", self._token),
                web.get("/userinfo", self._userinfo),
            ]
        )
        return app

    async def _discovery(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email"],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "claims_supported": ["sub", "name", "preferred_username", "email"],
            }
        )

    async def _jwks(self, request: web.Request) -> web.Response:
        return web.json_response({"keys": [self._key.as_dict(private=False)]})

    async def _authorize(self, request: web.Request) -> web.Response:
        query = request.query
        redirect_uri, state = query.get("redirect_uri", ""), query.get("state", "")
        # Never redirect to an address that was not registered: these two are told to the user instead.
        if query.get("client_id") != self.client_id:
            return _page(idp_pages.error("Unknown client_id"), status=400)
        if redirect_uri not in self.redirects:
            return _page(idp_pages.error("This redirect_uri is not registered"), status=400)
        if query.get("response_type") != "code":
            return _redirect(redirect_uri, error="unsupported_response_type", state=state)
        if "openid" not in query.get("scope", "").split():
            return _redirect(redirect_uri, error="invalid_scope", state=state)
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return _redirect(redirect_uri, error="invalid_request", state=state)
        self._forget_expired()
        if len(self._interactions) >= OPEN_INTERACTIONS_MAX:
            return _redirect(redirect_uri, error="temporarily_unavailable", state=state)
        identifier = secrets.token_urlsafe(24)
        self._interactions[identifier] = Interaction(
            redirect_uri, state, query["code_challenge"], query.get("nonce"), time.time() + INTERACTION_LIFE_S
        )
        return _page(idp_pages.login(f"/login/{identifier}", self._listing()))

    async def _login(self, request: web.Request) -> web.Response:
        interaction = self._interaction(request)
        if interaction is None:
            return _page(idp_pages.error("This login is over. Start again where you came from"), status=400)
        form = await request.post()
        login, password = str(form.get("login", "")), str(form.get("password", ""))
        user = self._users.get(login)
        identifier = request.match_info["id"]
        if user is None or not compare_digest(password.encode(), self._passwords[login].encode()):
            page = idp_pages.login(f"/login/{identifier}", self._listing(), fault="Unknown user or wrong password")
            return _page(page, status=401)
        interaction.user = user
        return _page(idp_pages.consent(f"/consent/{identifier}", user.full_name, self.client_id))

    async def _consent(self, request: web.Request) -> web.Response:
        interaction = self._interaction(request)
        if interaction is None or interaction.user is None:
            return _page(idp_pages.error("This login is over. Start again where you came from"), status=400)
        form = await request.post()
        del self._interactions[request.match_info["id"]]
        if form.get("decision") != "allow":
            return _redirect(interaction.redirect_uri, error="access_denied", state=interaction.state, iss=self.issuer)
        code = secrets.token_urlsafe(32)
        self._grants[code] = Grant(
            interaction.redirect_uri,
            interaction.challenge,
            interaction.nonce,
            interaction.user,
            time.time() + CODE_LIFE_S,
        )
        return _redirect(interaction.redirect_uri, code=code, state=interaction.state, iss=self.issuer)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("grant_type") != "authorization_code":
            return _refusal("unsupported_grant_type")
        if form.get("client_id") != self.client_id:
            return _refusal("invalid_client", status=401)
        grant = self._grants.pop(str(form.get("code", "")), None)
        if grant is None or grant.expires_at < time.time() or form.get("redirect_uri") != grant.redirect_uri:
            return _refusal("invalid_grant")
        digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=")
        if not compare_digest(challenge, grant.challenge.encode()):
            return _refusal("invalid_grant")
        access_token = secrets.token_urlsafe(32)
        self._access[access_token] = (grant.user, time.time() + TOKEN_LIFE_S)
        return web.json_response(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": TOKEN_LIFE_S,
                "scope": "openid profile",
                "id_token": self._id_token(grant),
            },
            headers={"Cache-Control": "no-store"},
        )

    def _id_token(self, grant: Grant) -> str:
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + TOKEN_LIFE_S,
            **_profile(grant.user),
        }
        if grant.nonce:
            claims["nonce"] = grant.nonce
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key, algorithms=["RS256"])

    async def _userinfo(self, request: web.Request) -> web.Response:
        _, _, token = request.headers.get("Authorization", "").partition("Bearer ")
        user, expires_at = self._access.get(token, (None, 0.0))
        if user is None or expires_at < time.time():
            return web.json_response({"error": "invalid_token"}, status=401, headers={"WWW-Authenticate": "Bearer"})
        return web.json_response(_profile(user))

    def _interaction(self, request: web.Request) -> Interaction | None:
        self._forget_expired()
        return self._interactions.get(request.match_info["id"])

    def _forget_expired(self) -> None:
        now = time.time()
        self._interactions = {key: it for key, it in self._interactions.items() if it.expires_at > now}
        self._grants = {key: it for key, it in self._grants.items() if it.expires_at > now}
        self._access = {key: it for key, it in self._access.items() if it[1] > now}

    def _listing(self) -> list[tuple[str, str, str]]:
        return [(user.name, user.full_name, ", ".join(user.groups)) for user in self._users.values()]


def _profile(user: DevUser) -> dict[str, object]:
    return {
        "sub": user.subject,
        "name": user.full_name,
        "preferred_username": user.name,
        "email": user.email,
        "email_verified": True,
    }


def _page(html: str, *, status: int = 200) -> web.Response:
    return web.Response(text=html, content_type="text/html", status=status, headers=idp_pages.HEADERS)


def _redirect(redirect_uri: str, **parameters: str) -> web.Response:
    separator = "&" if "?" in redirect_uri else "?"
    return web.Response(status=303, headers={"Location": f"{redirect_uri}{separator}{urlencode(parameters)}"})


def _refusal(error: str, *, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status, headers={"Cache-Control": "no-store"})


def open_socket(host: str = "127.0.0.1", *, port: int = 0, fd: int | None = None) -> socket.socket:
    """Return a listening socket, or take over the one given; raises `NotLoopback` if others could reach it."""
    if fd is None:
        if not is_loopback(host):
            raise NotLoopback(f"{host} is not a loopback address: this provider is for development on one machine")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family)
    else:
        bound = socket.socket(fileno=os.dup(fd))
    if bound.family not in (socket.AF_INET, socket.AF_INET6) or not is_loopback(str(bound.getsockname()[0])):
        bound.close()
        raise NotLoopback("The socket given is not bound to a loopback address")
    return bound


def issuer_of(bound: socket.socket) -> str:
    """Return the issuer of a provider that listens on this socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def running_provider(
    bound: socket.socket,
    *,
    redirects: Collection[str],
    passwords: Mapping[str, str],
    client_id: str = CLIENT_ID,
    issuer: str | None = None,
) -> AsyncIterator[DevProvider]:
    """Serves a provider for the length of the block; `issuer` is its URL where a proxy stands before it."""
    provider = DevProvider(issuer or issuer_of(bound), redirects=redirects, passwords=passwords, client_id=client_id)
    runner = web.AppRunner(provider.app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, bound).start()
        yield provider
    finally:
        await runner.cleanup()
