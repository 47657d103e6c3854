"""What this installation needs to act as an authorisation server, opened once per process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from weyl.auth.drivers.idp import IdentityProviders
from weyl.auth.errors import InvalidScope, NotGranted
from weyl.auth.keys import KeySet
from weyl.auth.policy import may_log_in
from weyl.auth.rates import AttemptLimiter
from weyl.auth.scopes import Scope, parse_scope
from weyl.auth.sealing import Journey, Sealer
from weyl.auth.service.documents import Documents
from weyl.auth.tokens import Identity
from weyl.config.registry import IdP
from weyl.config.service import ConfigStore
from weyl.kit.services import Key
from weyl.settings import Settings


@dataclass(frozen=True)
class Authority:
    """The parts that every login uses."""

    settings: Settings
    keys: KeySet
    config: ConfigStore
    providers: IdentityProviders
    sealer: Sealer
    limiter: AttemptLimiter
    documents: Documents
    properties: frozenset[str]

    def url(self, path: str) -> str:
        """Return the public URL of `path`; the Host header has no say in it."""
        return self.settings.public_url.rstrip("/") + path

    def scope(self, text: str) -> Scope:
        """Read a scope by the present configuration."""
        return parse_scope(text, registry=self.config.current().config.registry, properties=self.properties)

    def grant(self, scope_text: str, subject: str) -> tuple[Scope, Identity]:
        """Grant the scope of a login to its user by the configuration of now, or raise `NotGranted`."""
        try:
            scope = self.scope(scope_text)
        except InvalidScope as error:
            # It was good when the login began: what it names was taken out of the configuration since.
            raise NotGranted(str(error.detail)) from error
        return scope, may_log_in(self.config.current().config, scope, subject=subject)

    def idp(self, vo: str) -> IdP:
        """Return the identity provider of a VO."""
        organisation = self.config.current().config.registry.get(vo)
        if organisation is None:
            raise NotGranted(f"VO {vo} is not served here any more")
        return organisation.idp

    async def login_page(self, journey: Journey, *, path: str) -> str:
        """Return where the identity provider of a journey's VO logs a browser in, to come back below `path`."""
        return await self.providers.login_url(
            self.idp(journey.vo),
            redirect_uri=self.url(f"{path}/complete"),
            state=self.sealer.seal(journey),
            verifier=journey.verifier,
        )

    async def come_back(self, journey: Journey, *, path: str, code: str, iss: str | None, now: datetime) -> str:
        """Return the subject of whoever comes back below `path` from the identity provider, with its code.

        `iss` is what the browser says of who sent it.
        """
        return await self.providers.redeem(
            self.idp(journey.vo),
            code=code,
            iss=iss,
            redirect_uri=self.url(f"{path}/complete"),
            verifier=journey.verifier,
            now=now,
        )

    def login_life_s(self) -> int:
        """Seconds in which a login has to come back from the identity provider."""
        return self.settings.device_code_s


AUTHORITY: Key[Authority] = Key("the authority of logins")


@asynccontextmanager
async def open_authority(
    settings: Settings, *, keys: KeySet, config: ConfigStore, properties: frozenset[str]
) -> AsyncIterator[Authority]:
    """Hold the authority of a server process; `properties` are all that there are."""
    providers = IdentityProviders()
    try:
        yield Authority(
            settings=settings,
            keys=keys,
            config=config,
            providers=providers,
            sealer=Sealer(settings.state_key.get_secret_value()),
            limiter=AttemptLimiter(settings.logins_per_minute),
            documents=Documents(settings, keys=keys, config=config, properties=properties),
            properties=properties,
        )
    finally:
        await providers.close()


def seconds(now: datetime) -> int:
    """Return unix seconds, as tokens count."""
    return int(now.timestamp())


def with_query(redirect_uri: str, **parameters: str) -> str:
    """Append parameters as text, also behind a `#`: that is where DiracX's web page looks for them."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
