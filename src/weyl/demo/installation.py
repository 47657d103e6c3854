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
    "production": ["NormalUser", "ProductionManagement", "JobSharing"],
    "admin": [
        "NormalUser",
        "JobAdministrator",
        "ServiceAdministrator",
        "CSAdministrator",
        "Operator",
        "ProxyManagement",
    ],
    "pilot": ["GenericPilot"],
}
VOS = ("hep", "astro")
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

    def prepare(self) -> dict[str, str]:
        """Make what is missing; returns the secrets by the environment variable that takes each."""
        for path, mode in (
            (self.directory, 0o755),
            (self.logs, 0o700),
            (self.keys.parent, 0o700),
            (self.pilots, 0o711),
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

    def configure(self, idp_url: str) -> None:
        """Commit the configuration if there is none yet, and the identity provider's address if it changed."""
        first = self.first_document or partial(document, directory=self.directory)
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
            return current

        if idp_url not in (self.config / "default.yml").read_text():
            asyncio.run(change_repository(self.config_url, move, message="The identity provider moved", author=AUTHOR))


def document(idp_url: str, directory: Path) -> Document:
    """Return the demo's configuration: two VOs, and one site, which is this machine.

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
        "Resources": {"Sites": {SITE: {"CEs": {CE: ce}}}},
    }


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
