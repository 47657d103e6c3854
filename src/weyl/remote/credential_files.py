"""Credentials that an administrator keeps in files: a directory for each name that the configuration uses."""

import asyncio
import os
import stat
from collections.abc import Collection, Sequence
from pathlib import Path

from weyl.remote.credentials import (
    Capability,
    Credential,
    CredentialKind,
    CredentialProvider,
    NoCredentials,
)
from weyl.remote.errors import RemoteError

BYTES_MAX = 1024 * 1024


class DirectoryCredentials:
    """Credentials of one name: files in a directory, read anew each time, so that whoever renews them tells nobody.

    The files are called `token`, `proxy.pem`, `ssh-key`, `password`, `s3-key` and `oauth-client`; the last two are JSON
    with `access_key` and `secret_key`, or `client_id` and `client_secret`. A token for one capability only is in
    `token.compute.create`, `token.compute.read` or `token.compute.cancel`, and goes before `token`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def get(
        self, resource: str, kinds: Sequence[CredentialKind], capabilities: Collection[Capability] = ()
    ) -> Credential | None:
        """Read the file of the first kind that there is."""
        return await asyncio.to_thread(self._read_first, resource, kinds, capabilities)

    def _read_first(
        self, resource: str, kinds: Sequence[CredentialKind], capabilities: Collection[Capability]
    ) -> Credential | None:
        if not self._directory.is_dir():
            raise RemoteError(f"There are no credentials {str(self._directory)!r} for {resource}")
        for kind in kinds:
            special = capabilities if kind is CredentialKind.BEARER_TOKEN else ()
            for name in (*(f"{kind}.{capability}" for capability in special), kind):
                path = self._directory / name
                if path.exists():
                    return Credential(kind, path, _read_secret(path))
        return None


def credentials_of(directory: Path | None, name: str | None) -> CredentialProvider:
    """Return the provider that the configuration of a system names."""
    if name is None:
        return NoCredentials()
    if directory is None:
        raise ValueError(f"Credentials {name!r} need the setting WEYL_CREDENTIALS_DIRECTORY")
    if name in (".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name of credentials")
    return DirectoryCredentials(directory / name)


def _read_secret(path: Path) -> bytes:
    """Read a secret, unless everybody on the machine could."""
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise RemoteError(f"Everybody may read {path}: chmod it to 0600")
            content = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise RemoteError(f"{path} cannot be read: {error.strerror}") from error
    if not content.strip() or len(content) > BYTES_MAX:
        raise RemoteError(f"{path} holds no credential: it is empty or far too large")
    return content
