"""An application whose VOs log in at a real identity provider, on ports of this test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from tests.infra.app import URL, Application, Installation, config_document
from tests.infra.directories import PASSWORDS

from weyl.demo.idp import USERS, DevProvider, open_socket, running_provider

SUBJECTS = {user.name: user.subject for user in USERS}
PAGE = "https://page.example.org/#authentication-callback"


def registry(issuer: str) -> dict[str, object]:
    """Two VOs: alice and bob are in both; max has ProductionManagement in voa only; nobody is in no group."""
    document = config_document()
    members = {"user": ["alice", "bob", "max"], "admin": ["ada"], "service": [], "pilot": [], "cs": []}
    for vo, organisation in document["Registry"].items():  # type: ignore[attr-defined]
        organisation["IdP"] = {"URL": issuer, "ClientID": "weyl"}
        names = ["alice", "bob", "ada", "max", "nobody"] if vo == "voa" else ["alice", "bob", "ada"]
        organisation["Users"] = {SUBJECTS[name]: {"PreferedUsername": name} for name in names}
        for group, users in members.items():
            organisation["Groups"][group]["Users"] = [SUBJECTS[name] for name in users if name in names]
        if vo == "voa":
            organisation["Groups"]["production"] = {
                "Properties": ["ProductionManagement"],
                "Users": [SUBJECTS["max"]],
            }
            organisation["Support"] = {"Message": "Ask voa.", "Email": "help@voa.example.org"}
    return document


@pytest.fixture(scope="session")
async def provider() -> AsyncIterator[DevProvider]:
    """The identity provider of both VOs."""
    redirects = [f"{URL}/api/auth/{flow}/complete" for flow in ("device", "authorize", "web")]
    async with running_provider(open_socket(), redirects=redirects, passwords=PASSWORDS) as running:
        yield running


@pytest.fixture
def installation(tmp_path: Path, provider: DevProvider) -> Installation:
    """An installation of the test's own, whose configuration it may change."""
    installation = Installation.create(tmp_path / "installation")
    installation.commit_config(registry(provider.issuer), "VOs with a real identity provider")
    return installation


@pytest.fixture
async def application(start_application: Callable[..., Awaitable[Application]]) -> Application:
    """The whole application, with DiracX's web page allowed to log in."""
    return await start_application(allowed_redirects=[PAGE])


@pytest.fixture
def client(application: Application) -> httpx2.AsyncClient:
    """A client without a token."""
    return application.client
