"""Every secret that a whole life of logins, pilots and jobs makes, looked for in every place where it must not be."""

import asyncio
import base64
import gzip
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx2
import psutil
import pytest
from sqlalchemy.engine import make_url

from tests.infra.browser import COMPLETE, Browser
from tests.infra.directories import stack_directory
from tests.infra.login import CLIENT_ID, DEVICE_GRANT, browse
from tests.infra.stack import ConfiguredFiles
from tests.infra.waiting import await_that
from weyl.auth.drivers.idp import code_challenge
from weyl.demo.installation import SITE
from weyl.demo.main_job import FINAL, User
from weyl.demo.stack import Stack
from weyl.kit.db import libpq_dsn
from weyl.pilots.archive import SHEBANG, pilot_archive

pytestmark = [
    pytest.mark.xdist_group("secrets"),
    pytest.mark.timeout(500),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two jobs must run side by side"),
]

VERIFIER = "the-verifier-of-a-page-that-nobody-else-may-know-of"
MARKER = f"marker-of-another-job-{os.urandom(12).hex()}"

# The pilot as it is, but everything that it keeps from its log is noted for us, where no payload can see.
NOTING = """
import os
from weyl_pilot import __main__, server

class Noting(list):
    def append(self, text):
        descriptor = os.open({path!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, (text + "\\n").encode())
        os.close(descriptor)
        super().append(text)

    def extend(self, texts):
        for text in texts:
            self.append(text)

begin = server.Server.__init__

def noting(self, *arguments, **named):
    begin(self, *arguments, **named)
    self.secrets = Noting()

server.Server.__init__ = noting
__main__.start()
"""

# The payload that tells what it can read.
LOOK = Path(__file__).with_name("look_around.py")


class Secrets:
    """What must not be found, by what it is."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def note(self, name: str, value: str) -> str:
        assert len(value) >= 8, name
        self.known.setdefault(value, name)
        return value

    def note_tokens(self, name: str, answer: dict[str, str]) -> dict[str, str]:
        for kind in ("access_token", "refresh_token"):
            self.note(f"{name}'s {kind}", answer[kind])
        return answer

    def found_in(self, content: bytes, *, but: Iterable[str] = ()) -> list[str]:
        """Return the names of what a content tells, plain or in a form that can be undone."""
        return sorted(
            {
                name
                for value, name in self.known.items()
                if not name.startswith(tuple(but)) and any(form in content for form in forms(value))
            }
        )


def forms(value: str) -> set[bytes]:
    """Return how a value may be written so that whoever reads it has it."""
    plain = value.encode()
    encoded = {plain, plain.hex().encode(), base64.b64encode(plain).rstrip(b"="), quote(value, safe="").encode()}
    if len(value) < 20:
        # Few enough to try them all.
        digest = hashlib.sha256(plain)
        encoded |= {digest.hexdigest().encode(), digest.digest(), hashlib.md5(plain).hexdigest().encode()}
    return encoded


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with stack_directory("weyl-f-") as directory:
        (directory / "noted").mkdir(mode=0o700)
        archive = directory / "noted" / "pilot.pyz"
        archive.write_bytes(noting_archive(directory / "noted" / "secrets"))
        settings = {
            "WEYL_PILOT_ARCHIVE": str(archive),
            "WEYL_LOG_REQUESTS": "true",
            "WEYL_METRICS_PORT": "0",
        }
        with Stack(ConfiguredFiles(directory, settings=settings), say=print) as running:
            yield running


def noting_archive(path: Path) -> bytes:
    buffer = BytesIO(SHEBANG)
    buffer.seek(0, os.SEEK_END)
    with (
        zipfile.ZipFile(BytesIO(pilot_archive().content)) as packed,
        zipfile.ZipFile(buffer, "w") as archive,
    ):
        for name in packed.namelist():
            archive.writestr(name, NOTING.format(path=str(path)) if name == "__main__.py" else packed.read(name))
    return buffer.getvalue()


def wait_for(condition: Callable[[], bool], stack: Stack, timeout_s: float = 180) -> None:
    def holds() -> bool:
        stack.check()
        return condition()

    await_that(holds, "the condition", timeout_s=timeout_s)


def installation_secrets(stack: Stack, secrets: Secrets) -> None:
    environment = stack.environment
    secrets.note("database password", str(make_url(environment["WEYL_DATABASE_URL"]).password))
    secrets.note("S3 secret", environment["WEYL_S3_SECRET_KEY"])
    secrets.note("state key", environment["WEYL_STATE_KEY"])
    secrets.note("pilot pepper", environment["WEYL_PILOT_PEPPERS"].partition(":")[2])
    for key in json.loads(stack.files.keys.read_text())["keys"]:
        secrets.note("signing key", key["d"])


def device_login(stack: Stack, http: httpx2.Client, secrets: Secrets, *, user: str, scope: str) -> dict[str, str]:
    """Log in, with every code on the way noted; then refresh, and replay what was used."""
    device = http.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": scope}).json()
    secrets.note("device code", device["device_code"])
    secrets.note("user code", device["user_code"])
    callback = f"{stack.url}/api/auth/device/complete"
    kept: dict[str, str] = {}
    back = asyncio.run(browse(device["verification_uri_complete"], user, stop_at=f"{callback}?", cookies=kept)).url
    for name, value in kept.items():
        secrets.note(f"cookie {name}", value)
    query = parse_qs(urlsplit(back).query)
    secrets.note("code of the identity provider", query["code"][0])
    assert asyncio.run(browse(back, user, cookies=kept)).status == 200
    form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": device["device_code"]}
    first = secrets.note_tokens(user, http.post("/api/auth/token", data=form).json())
    refresh = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": first["refresh_token"]}
    second = secrets.note_tokens(user, http.post("/api/auth/token", data=refresh).json())
    assert http.post("/api/auth/token", data=refresh).status_code == 401
    return second


def page_login(stack: Stack, http: httpx2.Client, secrets: Secrets) -> None:
    """Log in as a web page does."""
    redirect = f"{stack.url}/#authentication-callback"
    request = {
        "response_type": "code",
        "code_challenge": code_challenge(secrets.note("code verifier", VERIFIER)),
        "code_challenge_method": "S256",
        "client_id": CLIENT_ID,
        "redirect_uri": redirect,
        "scope": "vo:hep group:user",
        "state": "state-of-the-page",
    }
    start = str(http.build_request("GET", "/api/auth/authorize", params=request).url)
    url = asyncio.run(browse(start, "max", stop_at=f"{redirect}?")).url
    code = secrets.note("authorization code", parse_qs(url.partition("?")[2])["code"][0])
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "redirect_uri": redirect,
        "code_verifier": VERIFIER,
        "code": code,
    }
    secrets.note_tokens("max", http.post("/api/auth/token", data=form).json())


async def browser_login(stack: Stack, secrets: Secrets) -> None:
    """Log a browser in, use its cookie, change it, and send it where it does not belong."""
    async with httpx2.AsyncClient(base_url=stack.url, timeout=30) as http:
        browser = Browser(http)
        back = await browser.go("max", vo="hep", group="user")
        for cookie in browser.cookies.values():
            secrets.note("cookie of a login under way", cookie)
        secrets.note("code of the identity provider", parse_qs(urlsplit(back).query)["code"][0])
        assert back.startswith(f"{stack.url}{COMPLETE}")
        assert (await browser.get(back)).status_code == 303
        for group in ("production", "user"):
            secrets.note("cookie of a browser", browser.session)
            assert (await browser.send("POST", "/api/auth/web/switch", json={"group": group})).status_code == 200
        secrets.note("cookie of a browser", browser.session)
        assert (await browser.get("/api/auth/userinfo")).status_code == 200
        for path in (f"/{browser.session}", f"/api/auth/web/sessions/{browser.session}"):
            assert (await browser.get(path)).status_code < 500
        assert (await browser.send("POST", "/api/auth/web/switch", json={"cookie": browser.session})).status_code == 422


def vacuum_pilot(http: httpx2.Client, secrets: Secrets, admin: dict[str, str]) -> None:
    """Redeem a secret, refresh, and use both a second time."""
    minted = http.post("/api/pilots/secrets", json={"vo": "hep", "site": SITE}, headers=admin)
    assert minted.status_code == 201, minted.text
    secret = secrets.note("pilot secret", minted.json()["secret"])
    redemption = {"secret": secret, "host": "node.example.org"}
    tokens = secrets.note_tokens("vacuum pilot", http.post("/api/pilots/token", json=redemption).json())
    refresh = {"refresh_token": tokens["refresh_token"]}
    secrets.note_tokens("vacuum pilot", http.post("/api/pilots/token/refresh", json=refresh).json())


def provoke(http: httpx2.Client, secrets: Secrets) -> list[str]:
    """Send every secret to where it does not belong; returns what is answered."""
    answers = []
    for value, name in list(secrets.known.items()):
        bearer = {"Authorization": f"Bearer {value}"}
        form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": f"{value}x"}
        requests = [
            http.build_request("POST", "/api/auth/token", data=form),
            http.build_request("POST", "/api/auth/token", data={"refresh_token": value}),
            http.build_request("POST", "/api/pilots/token", json={"secret": value, "hosts": "x", "stamp": "?"}),
            http.build_request("POST", "/api/pilots/token", json={"secret": value, "host": "node"}),
            http.build_request("POST", "/api/pilots/token/refresh", json={"refresh_token": value}),
            http.build_request("POST", "/api/pilots/token/refresh", json={"refresh": value}),
            http.build_request("DELETE", "/api/auth/refresh-tokens/x", headers=bearer),
            http.build_request("POST", "/api/matcher/match", json={"offer": 1}, headers=bearer),
            http.build_request("GET", "/api/jobs/x/jdl", headers={"Cookie": f"__Host-session={value}"}),
        ]
        for request in requests:
            answer = http.send(request)
            assert answer.status_code < 500, (name, answer.text)
            answers.append(answer.text)
    return answers


def processes(stack: Stack) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield what everybody on this machine sees of each process, and, of payloads, their environment."""
    for process in psutil.process_iter():
        try:
            arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        except OSError:
            continue
        yield str(process.pid), arguments, environment if b"WEYL_JOB_ID=" in environment else b""


async def dump(url: str) -> dict[str, bytes]:
    """Return every table as bytes, with what is packed in it unpacked."""
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace"
        )
        tables = {}
        for (name,) in names:
            parts: list[bytes] = []
            for row in await connection.fetch(f'SELECT t::text AS line, t.* FROM "{name}" t'):
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row.values()]
                parts += [
                    gzip.decompress(value)
                    for value in row.values()
                    if isinstance(value, bytes) and value.startswith(b"\x1f\x8b")
                ]
            tables[name] = b"\n".join(parts)
        return tables
    finally:
        await connection.close()


def logs(stack: Stack) -> dict[str, bytes]:
    """Return every file of the installation that is no store of secrets: logs, outputs of pilots, job directories."""
    kept = ("secrets/", "noted/", "pg/", "s3/", "home/alice/credentials", "config/.git/")
    directory = stack.files.directory
    found = {
        str(path.relative_to(directory)): path
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    # The token of a job lies where its payload finds it, and nobody else.
    return {
        name: _content(path)
        for name, path in found.items()
        if not name.startswith(kept) and not name.endswith("/token/token")
    }


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # a pilot has cleared it away since it was listed
        return b""


def metrics(stack: Stack) -> str:
    pages = []
    for name in ("server", "worker"):
        log = stack.program(name).log.read_text()
        for port in re.findall(r"metrics\.serving.*address=127\.0\.0\.1:(\d+)", log):
            pages.append(httpx2.get(f"http://127.0.0.1:{port}/metrics").text)
    assert pages
    return "\n".join(pages)


def test_secrets_are_only_where_they_must_be(stack: Stack) -> None:
    secrets = Secrets()
    installation_secrets(stack, secrets)
    with httpx2.Client(base_url=stack.url, timeout=30) as http:
        device_login(stack, http, secrets, user="bob", scope="vo:hep group:user")
        page_login(stack, http, secrets)
        asyncio.run(browser_login(stack, secrets))
        admin = device_login(stack, http, secrets, user="ada", scope="vo:hep group:admin")
        bearer = {"Authorization": f"Bearer {admin['access_token']}"}
        vacuum_pilot(http, secrets, bearer)
        alice = User(stack)
        alice.login()
        secrets.note_tokens("alice", json.loads((alice.directory / "credentials.json").read_text()))

        (holder,) = alice.submit(
            f'Executable = "/bin/sh"; Arguments = "-c \'echo {MARKER} >mine; sleep 400\'";', "holder.jdl"
        )
        wait_for(lambda: alice.jobs([holder])[0]["Status"] == "Running", stack)
        (alice.directory / "look.py").write_bytes(LOOK.read_bytes())
        (looker,) = alice.submit(
            f'Executable = "look.py"; Arguments = "{stack.files.directory}"; InputSandbox = {{"look.py"}};'
            ' StdOutput = "std.out"; OutputSandbox = {"seen.txt", "std.out"};',
            "look.jdl",
        )
        seen_by_all = list(processes(stack))
        wait_for(lambda: alice.jobs([looker])[0]["Status"] in FINAL, stack)
        assert alice.jobs([looker])[0]["Status"] == "Done"
        alice.run("jobs", "output", str(looker), "-d", str(alice.directory / "results"))
        for line in (stack.files.directory / "noted" / "secrets").read_text().split():
            secrets.note(f"pilot's or job's {'token' if line.startswith('ey') else 'secret'}", line)
        answers = provoke(http, secrets)
        alice.run("jobs", "kill", str(holder), "-y")
        wait_for(lambda: alice.jobs([holder])[0]["Status"] in FINAL, stack)
        places = {
            "answers": "\n".join(answers).encode(),
            "metrics": metrics(stack).encode(),
            **{f"file {name}": content for name, content in logs(stack).items()},
            **{
                f"table {name}": content
                for name, content in asyncio.run(dump(stack.environment["WEYL_DATABASE_URL"])).items()
            },
            **{f"arguments of {pid}": arguments for pid, arguments, _ in seen_by_all},
            **{f"environment of {pid}": environment for pid, _, environment in seen_by_all},
        }
    kinds = set(secrets.known.values())
    assert len(kinds) >= 15, kinds
    assert any(environment for _, _, environment in seen_by_all), "no payload was running"
    assert any(name.startswith("table pilot_log_chunks") for name in places)
    found = {place: names for place, content in places.items() if (names := secrets.found_in(content))}
    assert found == {}, json.dumps(found, indent=1)
    what_the_payload_saw(alice, secrets, stack)


def what_the_payload_saw(alice: User, secrets: Secrets, stack: Stack) -> None:
    seen = set(next((alice.directory / "results").rglob("seen.txt")).read_text().split())
    said = next((alice.directory / "results").rglob("std.out")).read_text()
    assert int(said.split()[0]) > 10
    readable = {
        value: name for value, name in secrets.known.items() if hashlib.sha256(value.encode()).hexdigest()[:24] in seen
    }
    # Its own token, which is for it; of that one it may have seen more than one, one after the other.
    tokens = [value for value in readable if _subject(value)]
    assert len(tokens) >= 1
    assert set(readable) == set(tokens), set(readable.values())
    assert len({_subject(value) for value in tokens}) == 1
    assert hashlib.sha256(MARKER.encode()).hexdigest()[:24] not in seen


def _subject(token: str) -> str | None:
    """Return the job that a token is for."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    except (IndexError, ValueError):
        return None
    return claims["sub"] if str(claims.get("sub", "")).startswith("job:") else None
