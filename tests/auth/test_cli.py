"""`weyl login`, `logout`, `whoami`, `logins` and `token` as programs, against a server and a provider of their own."""

import asyncio
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx2
import pytest
from sqlalchemy.engine import make_url
from tests.auth.conftest import registry
from tests.infra.app import Installation
from tests.infra.browser import Browser
from tests.infra.directories import write_passwords
from tests.infra.login import browse, browse_blocking

from weyl.auth.cli import scope_of
from weyl.cli.session import CommandSession
from weyl.client import Client, MemoryCredentials
from weyl.demo.postgres import RunningPostgres
from weyl.kit.db import libpq_dsn

WEYL = [sys.executable, "-m", "weyl"]


@dataclass(frozen=True)
class Terminal:
    """The program in a home of its own."""

    home: Path
    environ: dict[str, str]

    @property
    def credentials(self) -> Path:
        return self.home / "credentials.json"

    def __call__(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*WEYL, *words],
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def login(self, *words: str, user: str = "alice") -> None:
        """Logs in without waiting: begins, plays the browser, goes on."""
        first = json.loads(self("login", *words, "--no-wait").stdout)
        assert browse_blocking(first["verification_uri_complete"], user).status == 200
        done = self("login", "--device-code", first["device_code"])
        assert done.returncode == 0, done.stderr

    def login_at_once(
        self, *words: str, user: str = "alice", page: str = "verification_uri_complete"
    ) -> list[dict[str, str]]:
        """Logs in as a script does: reads the first event, plays the browser, reads the rest."""
        with subprocess.Popen(
            [*WEYL, "login", *words], env=self.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            try:
                assert browse_blocking(first[page], user).status == 200
            except BaseException:
                process.kill()
                raise
            rest = [json.loads(line) for line in process.stdout]
        assert process.returncode == 0
        return [first, *rest]


@contextmanager
def program(arguments: list[str], listener: socket.socket, environ: dict[str, str], url: str) -> Iterator[None]:
    with subprocess.Popen(
        [*WEYL, *arguments, "--fd", str(listener.fileno())],
        env=environ,
        pass_fds=[listener.fileno()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            # The socket listens already: the request waits until the program takes it up.
            assert httpx2.get(url, timeout=60).status_code == 200
            yield
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.fixture(scope="module")
async def server(postgres: RunningPostgres, template: str, run_directory: Path) -> AsyncIterator[str]:
    """The URL of a server whose VOs log in at a provider, both of them processes."""
    name = f"auth_cli_{os.getpid()}"
    admin = await asyncpg.connect(
        libpq_dsn(str(make_url(postgres.url).set(database="postgres").render_as_string(False)))
    )
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    with ExitStack() as stack:
        listener, idp = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        url, issuer = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in (listener, idp))
        installation = Installation.create(run_directory / "auth-cli")
        installation.commit_config(registry(issuer), "A provider")
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("WEYL_", "DIRACX_"))}
        environ |= {
            "WEYL_DATABASE_URL": make_url(postgres.url).set(database=name).render_as_string(hide_password=False),
            "WEYL_PUBLIC_URL": url,
            "WEYL_CONFIG_URL": f"git+file://{installation.config_directory}",
            "WEYL_KEYS": installation.keys,
            "WEYL_STATE_KEY": installation.state_key,
        }
        redirects = [f"--redirect-uri={url}/api/auth/{flow}/complete" for flow in ("device", "authorize", "web")]
        passwords = f"--passwords={write_passwords(run_directory / 'auth-cli-passwords.json')}"
        stack.enter_context(program(["dev-idp", passwords, *redirects], idp, environ, f"{issuer}/jwks"))
        stack.enter_context(program(["serve"], listener, environ, f"{url}/api/health/live"))
        yield url
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def terminal(server: str, tmp_path: Path) -> Callable[[str], Terminal]:
    def make(name: str = "home") -> Terminal:
        home = tmp_path / name
        home.mkdir()
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("WEYL_", "DIRACX_"))}
        environ |= {"WEYL_URL": server, "WEYL_CREDENTIALS_PATH": str(home / "credentials.json"), "HOME": str(home)}
        return Terminal(home, environ)

    return make


def test_where_there_is_one_vo_a_login_needs_no_name() -> None:
    session = CommandSession()
    metadata = {"virtual_organizations": {"hep": {}}}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=metadata))
    with Client("http://weyl.test", MemoryCredentials(), transport=transport) as client:
        session.__dict__["client"] = client
        assert scope_of(session, None, group=None, properties=[]) == "vo:hep"


def test_a_login_without_a_vo_or_with_an_unknown_one_lists_those_there_are(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    for words in ((), ("voc",)):
        done = weyl("login", *words)
        assert done.returncode == 2
        assert "voa, vob" in done.stderr
        assert done.stdout == ""


def test_an_unknown_group_is_refused_by_the_server(terminal: Callable[..., Terminal]) -> None:
    done = terminal()("login", "voa", "--group", "none")
    assert done.returncode == 10
    assert "none" in done.stderr


def test_who_may_not_have_the_group_is_told_and_nothing_is_saved(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    event = json.loads(weyl("login", "voa", "--group", "admin", "--no-wait").stdout)
    browse_blocking(event["verification_uri_complete"], "alice")
    done = weyl("login", "--device-code", event["device_code"])
    assert done.returncode == 5
    assert "not a member of group admin" in done.stderr
    assert "Leave --group" in done.stderr
    assert not weyl.credentials.exists()


def test_who_says_no_at_the_provider_ends_with_4(terminal: Callable[..., Terminal]) -> None:
    done = terminal()("login", "--device-code", "unknown")
    assert done.returncode == 4


@pytest.mark.parametrize("words", [("whoami",), ("token",), ("logins",), ("whoami", "--offline")])
def test_without_a_login_the_hint_says_what_to_type(terminal: Callable[..., Terminal], words: tuple[str, ...]) -> None:
    done = terminal()(*words)
    assert done.returncode == 4
    assert "weyl login" in done.stderr
    assert done.stdout == ""


def test_a_server_that_is_not_there_is_6(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    done = weyl("login", "voa", WEYL_URL="http://127.0.0.1:1")
    assert done.returncode == 6


def test_a_script_logs_in_by_two_events(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    began, ended = weyl.login_at_once("voa")
    assert began.keys() == {
        "event",
        "verification_uri_complete",
        "user_code",
        "device_code",
        "expires_in",
        "interval",
    }
    assert (ended["event"], ended["vo"], ended["group"]) == ("logged_in", "voa", "user")
    assert 7 * 86_400 - 100 < int(ended["expires_on"]) - time.time() <= 7 * 86_400
    assert stat.S_IMODE(weyl.credentials.stat().st_mode) == 0o600
    saved = json.loads(weyl.credentials.read_text())
    assert saved.keys() == {"access_token", "refresh_token", "expires_on"}
    assert 1100 < saved["expires_on"] - time.time() <= 1185
    me = json.loads(weyl("whoami", "-o", "json").stdout)
    assert (me["preferred_username"], me["vo"], me["dirac_group"]) == ("alice", "voa", "user")
    assert json.loads(weyl("whoami", "--offline", "-o", "json").stdout) == me
    assert weyl("token").stdout == saved["access_token"] + "\n"


def test_a_browser_on_this_machine_comes_back_by_itself(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    began, ended = weyl.login_at_once("voa", "--web", page="authorization_uri")
    assert began.keys() == {"event", "authorization_uri", "expires_in"}
    assert (ended["event"], ended["vo"], ended["group"]) == ("logged_in", "voa", "user")
    assert weyl("whoami").returncode == 0
    assert weyl("login", "voa", "--web", "--no-wait").returncode == 2


def test_a_browser_whose_user_says_no_ends_a_web_login_with_4(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    with subprocess.Popen(
        [*WEYL, "login", "voa", "--web"], env=weyl.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            page = json.loads(process.stdout.readline())["authorization_uri"]
            asyncio.run(browse(page, "alice", decision="deny"))
            assert process.wait(60) == 4
        finally:
            process.kill()
    assert not weyl.credentials.exists()


def test_the_peers_variables_serve_too(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    weyl.login("voa", "--group", "user")
    environ = {"DIRACX_URL": weyl.environ.pop("WEYL_URL")}
    environ["DIRACX_CREDENTIALS_PATH"] = weyl.environ.pop("WEYL_CREDENTIALS_PATH")
    assert weyl("whoami", **environ).returncode == 0


def test_a_login_can_be_left_and_resumed(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    done = weyl("login", "vob", "--no-wait")
    assert done.returncode == 0
    event = json.loads(done.stdout)
    pending = weyl("login", "--device-code", event["device_code"], "--no-wait")
    assert pending.returncode == 8
    browse_blocking(event["verification_uri_complete"], "bob")
    done = weyl("login", "--device-code", event["device_code"])
    assert json.loads(done.stdout)["vo"] == "vob"
    # a code is good once
    assert weyl("login", "--device-code", event["device_code"]).returncode == 4


def test_a_property_of_another_group_can_be_asked_for(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    weyl.login("voa", "--property", "ProductionManagement", user="max")
    assert json.loads(weyl("whoami", "-o", "json").stdout)["properties"] == ["NormalUser", "ProductionManagement"]


def test_logging_out_ends_the_login_on_the_server_and_here(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    weyl.login("voa")
    kept = weyl.credentials.read_text()
    assert weyl("logout").returncode == 0
    assert not weyl.credentials.exists()
    assert weyl("logout").returncode == 0
    stale = json.loads(kept) | {"expires_on": int(time.time()) + 100}
    weyl.credentials.write_text(json.dumps(stale))
    done = weyl("whoami")
    assert done.returncode == 4
    assert "weyl login voa" in done.stderr


def test_logging_out_without_a_server_removes_the_file_all_the_same(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    weyl.login("voa")
    done = weyl("logout", WEYL_URL="http://127.0.0.1:1")
    assert done.returncode == 6
    assert not weyl.credentials.exists()


def test_logins_are_listed_and_ended(terminal: Callable[..., Terminal]) -> None:
    here, there = terminal("here"), terminal("there")
    here.login("vob")
    there.login("vob")
    rows = json.loads(here("logins", "-o", "json").stdout)
    assert sorted(row["Current"] for row in rows) == [False, True]
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["Since"]) for row in rows)
    assert here("logins", "list", "-q").stdout.split() == [row["JTI"] for row in rows]
    assert here("logins", "revoke", rows[0]["JTI"]).returncode == 2
    done = here("logins", "revoke", rows[0]["JTI"], "00000000-0000-7000-8000-000000000000", "-yq")
    assert done.returncode == 7
    assert done.stdout.split() == [rows[0]["JTI"]]
    assert len(json.loads(here("logins", "-o", "json").stdout)) == 1
    assert here("logout", "--all").returncode == 0
    assert json.loads(there("logins", "-o", "json").stdout) == []


def test_browsers_are_listed_and_logged_out_beside_other_logins(terminal: Callable[..., Terminal]) -> None:
    async def status(cookies: dict[str, str]) -> int:
        async with httpx2.AsyncClient(base_url=here.environ["WEYL_URL"]) as client:
            return (await Browser(client, cookies).get("/api/auth/web/me")).status_code

    async def log_in() -> dict[str, str]:
        async with httpx2.AsyncClient(base_url=here.environ["WEYL_URL"]) as client:
            browser = Browser(client)
            assert (await browser.login("max")).status_code == 303
            return browser.cookies

    here = terminal()
    here.login("voa", user="max")
    first, second = asyncio.run(log_in()), asyncio.run(log_in())
    rows = json.loads(here("logins", "-o", "json").stdout)
    browsers = [row for row in rows if row["Kind"] == "browser"]
    assert [row["Current"] for row in browsers] == [False, False]
    assert all(row["Scope"] == "vo:voa group:user" and row["Browser"].startswith("127.") for row in browsers)
    # Ids grow, and the newest comes first.
    done = here("logins", "revoke", browsers[1]["JTI"], "-yq")
    assert (done.returncode, done.stdout.split()) == (0, [browsers[1]["JTI"]])
    assert [asyncio.run(status(cookies)) for cookies in (first, second)] == [401, 200]
    assert here("logout", "--all").returncode == 0
    assert asyncio.run(status(second)) == 401


def test_on_a_terminal_people_get_sentences_and_a_drawing(terminal: Callable[..., Terminal]) -> None:
    weyl = terminal()
    done = weyl("login", "voa", "--no-wait", "-o", "table")
    assert done.stdout == ""
    assert "Open this page and log in: http://127.0.0.1" in done.stderr
    assert "\u2588" in done.stderr
    assert "\u2588" not in weyl("login", "voa", "--no-wait", "--no-qr", "-o", "table").stderr


def test_keys_are_made_and_rotated(tmp_path: Path, terminal: Callable[..., Terminal]) -> None:
    weyl, path = terminal(), tmp_path / "keys.json"
    assert weyl("internal", "generate-keys", str(path)).returncode == 0
    assert weyl("internal", "generate-keys", str(path)).returncode == 2
    assert weyl("internal", "rotate-keys", str(path)).returncode == 0
    assert [key["key_ops"] for key in json.loads(path.read_text())["keys"]] == [["sign", "verify"], ["verify"]]
    assert weyl("internal", "rotate-keys", str(tmp_path / "none")).returncode == 2
