"""The whole system as `weyl demo` runs it, for suites that judge it from outside, with a configuration of their own."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil

from tests.infra.directories import stack_directory
from tests.infra.login import CLIENT_ID, DEVICE_GRANT
from weyl.config.administration import Document
from weyl.demo.browser import walk_through_forms
from weyl.demo.installation import InstallationFiles
from weyl.demo.stack import Stack

CLIENT_GRACE_S = 15
"""What the DIRAC client takes off a token's life when it writes its credentials file."""


@dataclass(frozen=True)
class ConfiguredFiles(InstallationFiles):
    """The files of an installation whose server and worker get further settings."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> dict[str, str]:
        """Make what is missing; the settings go the way of the secrets into the environment."""
        return {**super().prepare(), **self.settings}


@contextmanager
def running_stack(document: Callable[[str], Document], **settings: object) -> Iterator[Stack]:
    """Run an installation for the length of the block.

    `document` makes the configuration, given the identity provider's URL; `settings` are fields of `Settings`.
    """
    environment = {
        f"WEYL_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
    with stack_directory("weyl-s-") as directory:
        files = ConfiguredFiles(directory, first_document=document, settings=environment)
        with Stack(files, say=print) as stack:
            yield stack


def device_tokens(stack: Stack, scope: str, user: str) -> dict[str, object]:
    """Log in by the device flow, in which we press the buttons of the browser; returns the token endpoint's answer."""
    with httpx2.Client(base_url=stack.url) as http:
        started = http.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": scope})
        assert started.status_code == 200, started.text
        walk_through_forms(started.json()["verification_uri_complete"], {"login": user, "password": user})
        form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": started.json()["device_code"]}
        answer = http.post("/api/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def login(stack: Stack, user: str, *, vo: str, group: str, properties: Iterable[str] = ()) -> Path:
    """Log in and write a credentials file as the DIRAC client does; returns its path."""
    scope = " ".join([f"vo:{vo}", f"group:{group}", *(f"property:{name}" for name in properties)])
    tokens = device_tokens(stack, scope, user)
    directory = stack.files.directory / "credentials"
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / f"{user}-{vo}-{group}-{uuid4().hex[:8]}.json"
    write_credentials(path, tokens)
    return path


def write_credentials(path: Path, tokens: Mapping[str, object]) -> None:
    """Write what the token endpoint answered into a new credentials file."""
    claims_end = int(time.time() + int(str(tokens["expires_in"])) - CLIENT_GRACE_S)
    content = {name: tokens[name] for name in ("access_token", "refresh_token")} | {"expires_on": claims_end}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)


def command_of(process: psutil.Process) -> str:
    """Return the command line of a process; nothing of one that has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
