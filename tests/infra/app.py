"""The application in the test's own process, with the suite's keys, configuration, users and clock."""

import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import httpx2
from cryptography.fernet import Fernet
from fastapi import FastAPI

from weyl.activation import activate
from weyl.app import create_app
from weyl.auth.keys import KEYS, KeySet, generate_keys
from weyl.auth.tokens import Identity, JobIdentity, PilotIdentity, access_claims, job_claims, pilot_claims
from weyl.builtin import active_extensions
from weyl.demo.seaweedfs import RunningStore
from weyl.extension import Extension
from weyl.kit.following import FOLLOWERS
from weyl.kit.ids import uuid7
from weyl.kit.services import Key, Services
from weyl.settings import Settings

T = TypeVar("T")

URL = "http://weyl.test"

USERS = {name: f"{name}-sub" for name in ("alice", "bob", "carol", "dave")}
"""In each VO alice and bob are in every group, carol in `user` only, dave in none; subs are the same in both VOs."""

GROUPS = {
    "user": ["NormalUser"],
    "admin": ["NormalUser", "JobAdministrator", "ProxyManagement"],
    "service": ["ServiceAdministrator"],
    "pilot": ["GenericPilot"],
    "cs": ["CSAdministrator"],
}


def config_document(vos: Iterable[str] = ("voa", "vob")) -> dict[str, object]:
    """Return the suite's configuration: two VOs, two sites, all of it small."""
    queue = {"WallTime": 86400, "Cores": 4, "MemoryMB": 8000, "ScratchMB": 10000, "PowerDB12": 10.0, "MaxWaiting": 20}
    return {
        "DIRAC": {},
        "Registry": {
            vo: {
                "IdP": {"URL": "http://127.0.0.1:1/", "ClientID": "weyl"},
                "DefaultGroup": "user",
                "Users": {sub: {"PreferedUsername": name} for name, sub in USERS.items()},
                "Groups": {
                    group: {
                        "Properties": properties,
                        "Users": [USERS["alice"], USERS["bob"]] + ([USERS["carol"]] if group == "user" else []),
                    }
                    for group, properties in GROUPS.items()
                },
            }
            for vo in vos
        },
        "Operations": {"Defaults": {}},
        "Resources": {
            "Sites": {
                "LCG.Alpha.org": {"CEs": {"ce.alpha.org": {"Driver": "local", "Queues": {"default": queue}}}},
                "LCG.Beta.org": {"CEs": {"ce.beta.org": {"Driver": "local", "Queues": {"default": queue}}}},
            }
        },
    }


@dataclass(frozen=True)
class Installation:
    """What all applications of a run share: keys, secrets and the configuration repository."""

    directory: Path
    keys: str
    state_key: str

    @classmethod
    def create(cls, directory: Path) -> "Installation":
        """Make the keys and a git repository with the suite's configuration."""
        installation = cls(directory, generate_keys(), Fernet.generate_key().decode())
        installation.commit_config(config_document(), "Start")
        return installation

    @property
    def config_directory(self) -> Path:
        """The configuration repository."""
        return self.directory / "config"

    def commit_config(self, document: object, message: str) -> None:
        """Commit a new revision of the configuration; JSON is YAML."""
        repository = self.config_directory
        repository.mkdir(parents=True, exist_ok=True)
        if not (repository / ".git").exists():
            _git(repository, "init", "-q", "-b", "master")
        (repository / "default.yml").write_text(
            document if isinstance(document, str) else json.dumps(document, indent=1)
        )
        _git(repository, "add", "default.yml")
        _git(repository, "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "-qm", message)

    def settings(self, database_url: str, store: RunningStore, **changes: object) -> Settings:
        """Return settings for one application."""
        values: dict[str, object] = {
            "database_url": database_url,
            "database_pool_size": 4,
            "public_url": URL,
            "config_url": f"git+file://{self.config_directory}",
            "config_check_every_s": 5,
            "keys": self.keys,
            "state_key": self.state_key,
            "s3_endpoint": store.endpoint_url,
            "s3_access_key": store.access_key,
            "s3_secret_key": store.secret_key,
            "pilot_peppers": "test:dGVzdC1wZXBwZXItZm9yLXRoZS1zdWl0ZS1vbmx5",
            **changes,
        }
        return Settings.model_validate(values)


def _git(repository: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True)


@dataclass(frozen=True)
class Application:
    """A running application and how to call it."""

    app: FastAPI
    client: httpx2.AsyncClient
    settings: Settings
    keys: KeySet

    def login(
        self, user: str = "alice", *, vo: str = "voa", group: str = "user", properties: Iterable[str] = ()
    ) -> dict[str, str]:
        """Return the headers of a person, with a token as the token endpoint would sign it."""
        identity = Identity(
            subject=f"{vo}:{USERS[user]}",
            vo=vo,
            preferred_username=user,
            group=group,
            properties=frozenset([*GROUPS[group], *properties]),
        )
        claims = access_claims(identity, token_id=uuid7(), now=int(time.time()), lifetime_s=1200)
        return bearer(self.keys.sign(claims))

    @property
    def services(self) -> Services:
        """What the process holds."""
        held: Services = self.app.state.services
        return held

    def put(self, key: Key[T], value: T) -> None:
        """Hold something else under a key, for tests of one part that was opened differently."""
        self.services._held[key] = value

    async def seen(self) -> None:
        """Return once this process has taken in all that was committed before."""
        for follower in self.services[FOLLOWERS]:
            await follower.seen()

    def pilot(
        self,
        stamp: str,
        *,
        vo: str = "voa",
        site: str = "LCG.Alpha.org",
        ce: str = "ce.alpha.org",
        queue: str = "default",
    ) -> dict[str, str]:
        """Return the headers of a pilot."""
        claims = pilot_claims(
            PilotIdentity(stamp=stamp, vo=vo, site=site, ce=ce, queue=queue),
            token_id=uuid7(),
            now=int(time.time()),
            lifetime_s=1200,
        )
        return bearer(self.keys.sign(claims))

    def payload(
        self, job_id: int, *, stamp: str, vo: str = "voa", owner: str = "alice", group: str = "user"
    ) -> dict[str, str]:
        """Return the headers of the payload of one job."""
        claims = job_claims(
            JobIdentity(job_id=job_id, pilot_stamp=stamp, vo=vo, group=group, owner=owner),
            token_id=uuid7(),
            now=int(time.time()),
            lifetime_s=1200,
        )
        return bearer(self.keys.seal(claims))


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


# To look for them anew for each application takes a tenth of its start.
installed = cache(active_extensions)


@asynccontextmanager
async def running_application(
    installation: Installation,
    database_url: str,
    store: RunningStore,
    *,
    extensions: list[Extension] | None = None,
    **settings: object,
) -> AsyncIterator[Application]:
    """Run an application for the length of the block."""
    values = installation.settings(database_url, store, **settings)
    app = create_app(values, installed() if extensions is None else activate(extensions))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
            yield Application(app, client, values, app.state.services[KEYS])


def calling_from(application: Application, address: str) -> httpx2.AsyncClient:
    """Return a client of the application that seems to call from an address of its own."""
    transport = httpx2.ASGITransport(app=application.app, raise_app_exceptions=False, client=(address, 40_000))
    return httpx2.AsyncClient(transport=transport, base_url=URL)
