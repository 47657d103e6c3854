"""What we prove ourselves with to systems outside, and how it is asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class CredentialKind(StrEnum):
    """What a system may ask for; the values are the names of the files that hold them."""

    BEARER_TOKEN = "token"
    X509_PROXY = "proxy.pem"
    SSH_KEY = "ssh-key"
    PASSWORD = "password"
    S3_KEY = "s3-key"
    OAUTH_CLIENT = "oauth-client"


class Capability(StrEnum):
    """What a token is to be good for; a token of its own is used where there is one for the capability."""

    CREATE = "compute.create"
    READ = "compute.read"
    CANCEL = "compute.cancel"


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret as it is at this moment: ask again for the next operation, since it may be renewed any time."""

    kind: CredentialKind
    path: Path
    """Where it lies, for programs that read it themselves."""
    content: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The secret as one line, as tokens and passwords are."""
        return self.content.decode().strip()


class CredentialProvider(Protocol):
    """Hands out the credentials of one name."""

    async def get(
        self, resource: str, kinds: Sequence[CredentialKind], capabilities: Collection[Capability] = ()
    ) -> Credential | None:
        """Return the first of `kinds` that there is for a resource, its audience; None if there is none at all.

        Raises `RemoteError` if one is there and cannot be used.
        """
        ...


class NoCredentials:
    """The provider of a system whose configuration names none."""

    async def get(
        self, resource: str, kinds: Sequence[CredentialKind], capabilities: Collection[Capability] = ()
    ) -> Credential | None:
        """Return nothing."""
        return None
