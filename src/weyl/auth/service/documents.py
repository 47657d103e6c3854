"""The well-known documents, written once per revision of the configuration and served from memory."""

from collections.abc import Collection
from datetime import datetime

from weyl.auth.keys import KeySet
from weyl.auth.models import GroupInfo, Metadata, OpenIDConfiguration, SupportInfo, VOInfo
from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.kit import json
from weyl.kit.http import Document
from weyl.kit.ids import sha256_hex
from weyl.kit.oauth import GRANT_CODE, GRANT_DEVICE
from weyl.settings import Settings


class Documents:
    """Keeps the documents of the revision that is served now."""

    def __init__(self, settings: Settings, *, keys: KeySet, config: ConfigStore, properties: Collection[str]) -> None:
        self._settings = settings
        self._keys = keys
        self._config = config
        self._properties = sorted(properties)
        self._revision: str | None = None
        self._openid: Document
        self._metadata: Document

    def openid_configuration(self) -> Document:
        """Return the discovery document."""
        self._keep_up()
        return self._openid

    def metadata(self) -> Document:
        """Return the list of VOs with their groups."""
        self._keep_up()
        return self._metadata

    def jwks(self) -> bytes:
        """Return the public keys; they change without the configuration."""
        return json.dumps(self._keys.public_jwks())

    def security_txt(self) -> str:
        """Return whom to tell about a vulnerability (RFC 9116)."""
        return (
            f"Contact: {self._settings.security_contact}\n"
            f"Expires: {self._settings.security_expires}\n"
            "Preferred-Languages: en\n"
            f"Canonical: {self._settings.public_url.rstrip('/')}/.well-known/security.txt\n"
        )

    def _keep_up(self) -> None:
        snapshot = self._config.current()
        if snapshot.revision == self._revision:
            return
        openid = discovery(self._settings, snapshot.config, self._properties)
        self._openid = _document(openid.model_dump_json().encode(), snapshot.modified)
        self._metadata = _document(installation(snapshot.config).model_dump_json().encode(), snapshot.modified)
        self._revision = snapshot.revision


def _document(body: bytes, modified: datetime) -> Document:
    # Not the revision alone: the same one may be served with other settings after a restart.
    return Document(body, sha256_hex(body)[:40], modified)


def discovery(settings: Settings, config: Config, properties: Collection[str]) -> OpenIDConfiguration:
    """Describe this installation as an authorisation server."""
    url = settings.public_url.rstrip("/")
    scopes: list[str] = []
    for vo, organisation in config.registry.items():
        scopes += [f"vo:{vo}", *(f"group:{group}" for group in organisation.groups)]
    return OpenIDConfiguration(
        issuer=settings.issuer,
        token_endpoint=f"{url}/api/auth/token",
        userinfo_endpoint=f"{url}/api/auth/userinfo",
        device_authorization_endpoint=f"{url}/api/auth/device",
        revocation_endpoint=f"{url}/api/auth/revoke",
        authorization_endpoint=f"{url}/api/auth/authorize",
        jwks_uri=f"{url}/.well-known/jwks.json",
        grant_types_supported=[GRANT_CODE, GRANT_DEVICE],
        response_types_supported=["code"],
        token_endpoint_auth_methods_supported=["none"],
        token_endpoint_auth_signing_alg_values_supported=["RS256", "Ed25519"],
        scopes_supported=[*scopes, *(f"property:{name}" for name in properties)],
        code_challenge_methods_supported=["S256"],
    )


def installation(config: Config) -> Metadata:
    """Describe the VOs to clients that are about to log in."""
    return Metadata(
        virtual_organizations={
            vo: VOInfo(
                groups={name: GroupInfo(properties=sorted(group.properties)) for name, group in it.groups.items()},
                support=SupportInfo(message=it.support.message, webpage=it.support.webpage, email=it.support.email),
                default_group=it.default_group,
            )
            for vo, it in config.registry.items()
        }
    )
