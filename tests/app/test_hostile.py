"""Whatever is sent to whatever route: an answer that says what was wrong, soon, and nothing changed by a refusal."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.infra import hostile
from tests.infra.app import Application, bearer
from tests.infra.household import settle
from tests.infra.routes import operations
from tests.infra.samples import GOOD_QUERY, PATH_NAMES, SEARCHES, samples
from tests.infra.selection import Share

from weyl.app import create_app
from weyl.kit.db import Database
from weyl.settings import Settings

ANSWER_S_MAX = 2.0
FORMS = {"POST /api/auth/token", "POST /api/auth/revoke", "POST /api/auth/device/answer"}
# Meant for whoever has no token yet: what they are shown is judged by its content, never by a header.
OPEN = {*FORMS, "POST /api/auth/device", "POST /api/pilots/token", "POST /api/pilots/token/refresh"}
# It ends what its cookie says, and no token.
OPEN |= {"POST /api/auth/web/logout"}
OPEN_STARTS = ("GET /api/auth/device", "GET /api/auth/authorize", "GET /.well-known")
OPEN_STARTS += ("GET /api/auth/web/login", "GET /api/auth/web/complete", "GET /api/storage/issuer/")
# Where headers decide anything: what is cached, who is counted, whether it is a repetition.
HEADERS_MATTER = {
    *("GET /api/config/", "GET /api/rss/site", "GET /.well-known/security.txt", "GET /api/auth/device"),
    *("GET /.well-known/dirac-metadata", "GET /api/auth/userinfo", "POST /api/jobs/jdl", "POST /api/auth/token"),
}
# One run too many fails the job: it is refused, and must be found so afterwards.
LEAVES_A_TRACE = {"POST /api/jobs/reschedule"}
# Attempts to log in, and with a pilot's secret, are counted whatever comes of them; offers are by a timer.
ALWAYS_WRITTEN = ("pilot_secret_uses", "login_attempts", "offer")

APP = create_app(Settings())
DOCUMENT = APP.openapi()["paths"]
OPERATIONS = operations(APP)


def is_open(operation: str) -> bool:
    """Tell whether an operation asks for no token."""
    return operation.startswith(OPEN_STARTS) or operation in OPEN


def declared(operation: str) -> dict[str, Any]:
    """Return what the document says of an operation."""
    method, path = operation.split(" ")
    found: dict[str, Any] = DOCUMENT[path][method.lower()]
    return found


def who_gets_in(operation: str) -> str:
    """Return whose token comes furthest."""
    if "matcher" in operation and not operation.endswith("/explain"):
        return "pilot"
    service = ("PATCH /api/pilots/metadata", "POST /api/tasks")
    return "service" if operation == "POST /api/pilots/" or operation.startswith(service) else "admin"


def fault_of(answer: httpx2.Response) -> str | None:
    """Say what is wrong with an answer, whatever was asked."""
    if answer.status_code >= 500:
        return "must not be the server's fault"
    if answer.status_code in (204, 304, 307):
        return "has a body" if answer.content else None
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/html"):
        return None if "/api/auth/" in str(answer.url) else "is a page"
    if answer.status_code < 400:
        return None
    if not kind.startswith("application/json"):
        return f"is {kind}"
    document = answer.json()
    if answer.status_code == 416:
        return None if document == [] else "is no empty page"
    return None if document.get("detail") else "has no detail"


@dataclass
class Siege:
    """An application under attack: what was sent, what came back that must not, and whether a refusal left traces."""

    application: Application
    db: Database
    job_id: int
    tokens: Mapping[str, dict[str, str]]
    logs: list[Any]
    problems: list[str] = field(default_factory=list)
    digested: str = ""
    digested_before: str | None = None

    def path(self, operation: str, **changes: str) -> str:
        """Return the path of an operation, of things that exist where they can, with some parts replaced."""
        names = defaultdict(lambda: "1", {**PATH_NAMES, "job_id": str(self.job_id), **changes})
        return operation.split(" ")[1].format_map(names)

    def sample(self, operation: str) -> dict[str, Any]:
        """Return the arguments of a request whose body is good, if it has one."""
        body = samples(self.job_id).get(operation)
        return {} if body is None else {"json": body}

    async def send(self, operation: str, path: str, **request: Any) -> httpx2.Response:
        """Send one attack and judge the answer; one that is slow has a second chance on a busy machine."""
        sent = str(request.get("content", request.get("headers", "")))
        what = f"{operation} {path[:120]} {sent[:200]}"
        method, took_s = operation.partition(" ")[0], 0.0
        for _ in range(2):
            started = time.monotonic()
            answer = await self.application.client.request(method, path, **request)
            took_s = time.monotonic() - started
            if took_s < ANSWER_S_MAX:
                break
        if took_s >= ANSWER_S_MAX:
            self.problems.append(f"{what}: took {took_s:.1f} s")
        fault = fault_of(answer)
        if fault is not None:
            causes = [repr(entry["exc_info"])[:300] for entry in self.logs if "exc_info" in entry]
            self.problems.append(f"{what}: {answer.status_code} {fault} {answer.text[:200]} {causes[-1:]}")
        self.logs.clear()
        return answer

    async def attack(self, operation: str, requests: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Send attacks, of which some may be accepted, and judge whether those refused in between left anything."""
        before, accepted = await self.digest(), False
        for path, request in requests:
            if accepted:
                before, accepted = await self.digest(), False
            accepted = (await self.send(operation, path, **request)).status_code < 400
        if not accepted and operation not in LEAVES_A_TRACE and await self.digest() != before:
            self.problems.append(f"{operation}: a refusal changed something")

    async def digest(self) -> str:
        """Return a digest of every table; the last one while no transaction has written anything since."""
        async with self.db.read() as tx:
            next_writer = await tx.scalar(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"))
            if next_writer != self.digested_before:
                self.digested, self.digested_before = await self._digest(), next_writer
        return self.digested

    async def _digest(self) -> str:
        async with self.db.read() as tx:
            names = await tx.execute(
                text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
            )
            selects = [
                f"SELECT '{name}', md5(string_agg(t::text, '' ORDER BY t::text)) FROM \"{name}\" t"
                for name in sorted(names.scalars())
                if not name.startswith(ALWAYS_WRITTEN)
            ]
            rows = await tx.execute(text(" UNION ALL ".join(selects)))
            return str(sorted(tuple(row) for row in rows))


@pytest.fixture
async def siege(start_application: Any, db: Database) -> AsyncIterator[Siege]:
    """Let everybody be at home."""
    application = await start_application(logins_per_minute=1_000_000, search_timeout_s=1)
    household = await settle(application, db)
    # Kept, not printed: drawing a traceback of these bodies takes longer than to answer them.
    with capture_logs() as logs:
        siege = Siege(application, db, household.job_id, household.tokens, logs)
        yield siege
    assert not siege.problems, "\n".join(siege.problems)


def test_every_json_operation_has_a_sample() -> None:
    takes_json = {
        operation
        for operation in OPERATIONS
        if "application/json" in declared(operation).get("requestBody", {}).get("content", {})
    }
    assert takes_json <= set(samples(1)), "give the new routes a sample"
    assert set(samples(1)) <= set(OPERATIONS), "samples of routes that are gone"


async def test_bodies_that_are_no_bodies(siege: Siege, take_part: Callable[[int], Share]) -> None:
    part = take_part(3)
    for operation in [*samples(1), *sorted(FORMS), "POST /api/pilots/logs", "POST /api/auth/device"]:
        path = siege.path(operation)
        for who, headers in siege.tokens.items():
            is_in = who == who_gets_in(operation)
            bodies = [*hostile.RAW_BODIES, *hostile.LARGE_BODIES] if is_in else hostile.RAW_BODIES[::4]
            as_json = {**headers, "Content-Type": "application/json"}
            await siege.attack(operation, ((path, {"content": body, "headers": as_json}) for body in part.of(bodies)))


async def test_bodies_of_another_kind(siege: Siege) -> None:
    kinds = ["application/json; charset=utf-16", "text/plain", "application/x-www-form-urlencoded", "x" * 5_000, ""]
    kinds += ["multipart/form-data", "multipart/form-data; boundary=", "application/xml"]
    for operation, sample in samples(siege.job_id).items():
        good = hostile.text_of(sample)
        bodies = (good, good.decode().encode("utf-16"), b"--x\r\n")
        await siege.attack(
            operation,
            (
                (siege.path(operation), {"content": body, "headers": {**siege.tokens["user"], "Content-Type": kind}})
                for kind in kinds
                for body in bodies
            ),
        )


async def test_bodies_with_one_thing_wrong(siege: Siege, take_part: Callable[[int], Share]) -> None:
    part = take_part(8)
    for operation, sample in samples(siege.job_id).items():
        headers = {**siege.tokens[who_gets_in(operation)], "Content-Type": "application/json"}
        bodies = map(hostile.text_of, part.of(hostile.mutations(sample)))
        await siege.attack(
            operation, ((siege.path(operation), {"content": body, "headers": headers}) for body in bodies)
        )


async def test_searches_that_make_no_sense(siege: Siege) -> None:
    headers = {**siege.tokens["user"], "Content-Type": "application/json"}
    for operation in [name for name in samples(1) if name.endswith(("/search", "/summary"))]:
        bodies = map(hostile.text_of, SEARCHES)
        await siege.attack(
            operation, ((siege.path(operation), {"content": body, "headers": headers}) for body in bodies)
        )


async def test_a_pattern_without_end_is_cut_off_and_says_so(siege: Siege, db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET application_status = repeat('a', 250)"))
        await tx.execute(text("UPDATE pilots SET status_reason = repeat('a', 250)"))
    pattern = "^" + "(a*)" * 6 + "".join(rf"\{group}\{group}" for group in range(1, 7)) + "$"
    for kind, column in (("jobs", "ApplicationStatus"), ("pilots", "StatusReason")):
        body = {"search": [{"parameter": column, "operator": "regex", "value": pattern}], "grouping": ["Status"]}
        for verb in ("search", "summary"):
            path = f"/api/{kind}/{verb}"
            answer = await siege.send(f"POST {path}", path, json=body, headers=siege.tokens["user"])
            assert answer.status_code == 400, answer.text
            assert "took too long" in answer.json()["detail"]


async def test_paths_and_queries_that_make_no_sense(siege: Siege) -> None:
    for operation in OPERATIONS:
        parameters = declared(operation).get("parameters", [])
        queries = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
        names = [parameter["name"] for parameter in parameters if parameter["in"] == "path"]
        good = "&".join(f"{name}={GOOD_QUERY.get(name, 'x')}" for name in queries)
        paths = [
            *(siege.path(operation, **{name: word}) for name in names for word in hostile.PATH_WORDS),
            *(
                f"{siege.path(operation)}?{good}&{name}={word}"
                for name in queries
                for word in [*hostile.QUERY_WORDS, f"1&{name}=2"]
            ),
        ]
        for who in ("admin", "pilot", "service"):
            request = {"headers": siege.tokens[who], **siege.sample(operation)}
            await siege.attack(operation, ((path, request) for path in paths))


async def test_headers_that_make_no_sense(siege: Siege) -> None:
    words = ["", "x" * 5_000, '"', "*,W/,", "\x00\xff", "Thu, 32 Foo 99999 99:99:99", "9" * 5_000, "-1"]
    names = ["If-None-Match", "If-Modified-Since", "Idempotency-Key", "DiracX-Client-Version", "Accept", "Range"]
    names += ["Host", "X-Forwarded-For", "X-Forwarded-Proto", "Origin", "Content-Length", "Cookie", "Traceparent"]
    for operation in sorted(HEADERS_MATTER):
        request = siege.sample(operation)
        own = list(siege.tokens["user"].items())
        odd = [[*own, (name, word.encode("latin-1"))] for name in names for word in words]
        await siege.attack(operation, ((siege.path(operation), {**request, "headers": headers}) for headers in odd))


async def test_forms_that_make_no_sense(siege: Siege) -> None:
    fields = ["grant_type", "client_id", "device_code", "code", "redirect_uri", "code_verifier"]
    fields += ["refresh_token", "token"]
    grants = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code", "password", ""]
    starts = [f"grant_type={grant}&client_id=myDIRACClientID&" for grant in grants]
    words = ["", "x", "\x00", "é", "<script>", "x" * 100_000, "a.b.c", "." * 5_000]
    repeated = "&".join(f"{name}=a&{name}=b" for name in fields)
    bodies = [
        *(f"{start}{name}={word}" for start in starts for name in fields for word in words),
        *(start + repeated for start in starts),
        repeated,
        "token=" + "x" * 1_000_000,
        "&".join(f"f{number}=1" for number in range(5_000)),
        *("%", "%zz=1", "&&&&", "====", "token=%ff%fe&client_id=%00", "token[]=1", "grant_type[$ne]=1"),
    ]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for operation in sorted(FORMS):
        path = siege.path(operation)
        await siege.attack(operation, ((path, {"content": body.encode(), "headers": form}) for body in bodies))
        files = dict.fromkeys(fields, ("x", b"\x00" * 100))
        await siege.attack(operation, [(path, {"files": files}), (path, {"files": {"token": ("x" * 5_000, b"")}})])


async def test_tokens_that_are_none_open_nothing(siege: Siege) -> None:
    bad = hostile.broken_tokens(siege.application.keys, siege.tokens["admin"]["Authorization"].split(" ")[1])
    before = await siege.digest()
    for operation in [name for name in OPERATIONS if not is_open(name)]:
        request = siege.sample(operation)
        for name, header in bad.items():
            headers = [("Authorization", header.encode("latin-1"))]
            answer = await siege.send(operation, siege.path(operation), headers=headers, **request)
            if answer.status_code not in (400, 401):
                siege.problems.append(f"{operation} with a token that is {name}: {answer.status_code}")
    assert await siege.digest() == before


async def test_claims_of_other_kinds_open_nothing(siege: Siege) -> None:
    keys = siege.application.keys
    before = await siege.digest()
    for who in ("admin", "pilot", "payload"):
        claims = dict(keys.decode(siege.tokens[who]["Authorization"].split(" ")[1]))
        odd = [(name, value) for name, value in hostile.ODD_CLAIMS if name in claims or name == "aud"]
        odd += [("sub", "pilot:"), ("sub", "job:"), ("sub", "job:x"), ("sub", f"job:{'9' * 5_000}")]
        odd += [("stamp", 1)] if "stamp" in claims else []
        for name, value in odd:
            headers = bearer(keys.sign({**claims, name: value}))
            for operation in ("GET /api/auth/userinfo", "GET /api/config/", "POST /api/jobs/search"):
                answer = await siege.send(operation, siege.path(operation), headers=headers)
                if answer.status_code < 400 and type(value) is not type(claims.get(name)):
                    siege.problems.append(f"{operation} as {who} with {name} = {value!r}: {answer.status_code}")
            beat = {"json": {str(siege.job_id + 1): {}}, "headers": headers}
            await siege.send("PATCH /api/jobs/heartbeat", "/api/jobs/heartbeat", **beat)
    assert await siege.digest() == before
