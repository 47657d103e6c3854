"""The public API of the client: `Client`, `AsyncClient`, the errors that they raise, and where logins are kept."""

from weyl.client.asynchronous import AsyncClient
from weyl.client.credentials import CredentialFile, MemoryCredentials, TokenFile, TokenSet
from weyl.client.errors import (
    ClientError,
    EndedInFailure,
    Forbidden,
    NotFound,
    NotLoggedIn,
    PartlyFailed,
    Refused,
    StillWaiting,
    UnexpectedAnswer,
    Unreachable,
    UsageFault,
)
from weyl.client.sync import Answer, Client
from weyl.kit.call import Call

__all__ = [
    "Answer",
    "AsyncClient",
    "Call",
    "Client",
    "ClientError",
    "CredentialFile",
    "EndedInFailure",
    "Forbidden",
    "MemoryCredentials",
    "NotFound",
    "NotLoggedIn",
    "PartlyFailed",
    "Refused",
    "StillWaiting",
    "TokenFile",
    "TokenSet",
    "UnexpectedAnswer",
    "Unreachable",
    "UsageFault",
]
