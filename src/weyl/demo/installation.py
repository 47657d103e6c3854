"""What `weyl demo` and `weyl up` write into their directory once: secrets, keys and the configuration repository."""

import asyncio
import base64
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from weyl.auth.keys import generate_keys, write_keys
from weyl.config.administration import Document, change_repository, create_repository
from weyl.config.drivers.git import Author
from weyl.demo.idp import CLIENT_ID, USERS, make_passwords
from weyl.demo.processes import ComponentFailed

SITE = "DIRAC.Laptop.org"
CE = "laptop"
QUEUE = "default"
GROUPS = {
    "user": ["NormalUser", "PrivateLimitedDelegation"],
    "production": ["NormalUser", "ProductionManagement", "JobSharing", "FileCatalogManagement"],
    "admin": [
        "NormalUser",
        "JobAdministrator",
        "ServiceAdministrator",
        "CSAdministrator",
        "Operator",
        "ProxyManagement",
        "FileCatalogManagement",
    ],
    "pilot": ["GenericPilot"],
}
VOS = ("hep", "astro")
S3_ELEMENT, DISK_ELEMENT = "DEMO-S3", "DEMO-DISK"
S3_CREDENTIALS, BUCKET = "demo-s3", "demo-files"
MEMORY_FALLBACK_MB = 4096
AUTHOR = Author("weyl demo", "demo@localhost")


@dataclass(frozen=True)
class InstallationFiles:
    """The files of one installation; made at the first start and kept."""

    directory: Path
    first_document: Callable[[str], Document] | None = None
    """Makes the first configuration, given the identity provider's URL; the demo's if there is none."""

    @property
    def config(self) -> Path:
        """The configuration repository."""
        return self.directory / "config"

    @property
    def config_url(self) -> str:
        """The configuration repository as `WEYL_CONFIG_URL` names it."""
        return f"git+file://{self.config}"

    @property
    def keys(self) -> Path:
        """The signing keys."""
        return self.directory / "secrets" / "keys.json"

    @property
    def password_file(self) -> Path:
        """The password of each user of the identity provider."""
        return self.directory / "secrets" / "passwords.json"

    @property
    def logs(self) -> Path:
        """Where every program of the stack writes its log."""
        return self.directory / "logs"

    @property
    def pilots(self) -> Path:
        """Where the local computing element keeps the directories of pilots."""
        return self.directory / "pilots"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep the directory for us for the length of the block; the kernel forgets it with our process."""
        with (self.directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ComponentFailed(
                    f"another `weyl up` is already running in {self.directory}: stop it, "
                    "or choose another directory with --dir"
                ) from None
            yield

    @property
    def disk(self) -> Path:
        """The storage element that is a directory."""
        return self.directory / "disk"

    @property
    def credentials(self) -> Path:
        """Where server and worker find the keys of the object store as a storage element."""
        return self.directory / "secrets" / "credentials"

    def keep_keys(self, access_key: str, secret_key: str) -> None:
        """Write down the keys of the object store for those who store files there."""
        path = self.credentials / S3_CREDENTIALS / "s3-key"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_private(path, json.dumps({"access_key": access_key, "secret_key": secret_key}))

    def prepare(self) -> dict[str, str]:
        """Make what is missing; returns the secrets by the environment variable that takes each."""
        for path, mode in (
            (self.directory, 0o755),
            (self.logs, 0o700),
            (self.keys.parent, 0o700),
            (self.pilots, 0o711),
            (self.disk, 0o700),
        ):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        if not self.keys.exists():
            write_keys(self.keys, generate_keys())
        stored = self.keys.parent / "secrets.json"
        if not stored.exists():
            pepper = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            _write_private(
                stored,
                json.dumps(
                    {
                        "WEYL_STATE_KEY": Fernet.generate_key().decode(),
                        "WEYL_PILOT_PEPPERS": f"p{secrets.token_hex(2)}:{pepper}",
                    }
                ),
            )
        if not self.password_file.exists():
            _write_private(self.password_file, json.dumps(make_passwords()))
        values: dict[str, str] = json.loads(stored.read_text())
        return values

    def passwords(self) -> dict[str, str]:
        """Return the password of each user of the identity provider."""
        passwords: dict[str, str] = json.loads(self.password_file.read_text())
        return passwords

    def configure(self, idp_url: str, store_url: str) -> None:
        """Commit the configuration if there is none yet, and the addresses in it that have changed."""
        first = self.first_document or partial(document, directory=self.directory, store_url=store_url)
        if not (self.config / "default.yml").exists():
            asyncio.run(create_repository(self.config_url, author=AUTHOR))
            asyncio.run(
                change_repository(
                    self.config_url,
                    lambda _: first(idp_url),
                    message="Two VOs and this machine",
                    author=AUTHOR,
                )
            )
            return

        def move(current: Document) -> Document:
            for organisation in current["Registry"].values():
                organisation["IdP"]["URL"] = idp_url
            for endpoint in current["Resources"].get("StorageElements", {}).get(S3_ELEMENT, {}).get("Endpoints", []):
                endpoint["URL"] = store_url
            return current

        known = (self.config / "default.yml").read_text()
        if idp_url not in known or (store_url not in known and S3_ELEMENT in known):
            message = "Identity provider and object store have other addresses"
            asyncio.run(change_repository(self.config_url, move, message=message, author=AUTHOR))


def document(idp_url: str, directory: Path, store_url: str | None = None) -> Document:
    """Return the demo's configuration: two VOs, one site, which is this machine, and its storage elements.

    Payloads do not see `directory`, which holds the secrets of the installation.
    """
    ce = {"Driver": "local", "DriverOptions": {"Hide": [str(directory)]}, "Queues": {QUEUE: _queue()}}
    return {
        "DIRAC": {"NoSetup": False},
        "Registry": {vo: _organisation(idp_url) for vo in VOS},
        "Operations": {
            "Defaults": {
                "JobHealth": {"ReportEvery": 10},
                "Pilots": {"SubmitEvery": 2},
            }
        },
        "Resources": {
            "Sites": {SITE: {"CEs": {CE: ce}}},
            "StorageElements": _elements(directory, store_url),
        },
    }


def _elements(directory: Path, store_url: str | None) -> dict[str, Any]:
    """Return a bucket of the object store, if there is one, and a directory as storage elements."""
    s3 = {"Name": "s3", "Protocol": "s3", "URL": store_url, "Bucket": BUCKET, "Credentials": S3_CREDENTIALS}
    disk = {"Name": "disk", "Protocol": "file", "Path": str(directory / "disk")}
    doors = {S3_ELEMENT: s3} if store_url is not None else {}
    return {name: {"Sites": [SITE], "Endpoints": [door]} for name, door in (doors | {DISK_ELEMENT: disk}).items()}


def _organisation(idp_url: str) -> dict[str, Any]:
    members = [user for user in USERS if user.groups]
    return {
        "IdP": {"URL": idp_url, "ClientID": CLIENT_ID},
        "DefaultGroup": "user",
        "Support": {"Message": "This is a demonstration on your own machine"},
        "Users": {user.subject: {"PreferedUsername": user.name, "Email": user.email} for user in members},
        "Groups": {
            group: {"Properties": properties, "Users": [user.subject for user in members if group in user.groups]}
            for group, properties in GROUPS.items()
        },
    }


def _queue() -> dict[str, Any]:
    """Return this machine as a batch queue: one pilot may use all of it."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 if hasattr(os, "sysconf") else 0
    return {
        "WallTime": 86_400,
        "Cores": os.cpu_count() or 1,
        "MemoryMB": max(pages * 3 // 4, MEMORY_FALLBACK_MB),
        "ScratchMB": 20_000,
        "PowerDB12": 10.0,
        "MaxWaiting": 1,
        "MaxTotal": 1,
        # The environment that weyl runs in holds the event generator; payloads see it also below a home directory.
        "Payload": {
            "Environment": {"PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"},
            "Software": [sys.prefix],
            "Engine": sys.prefix,
        },
    }


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
