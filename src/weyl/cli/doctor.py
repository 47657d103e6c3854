"""`weyl doctor`: goes through what a command needs, one thing after the other, and says for each what to do."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import typer

from weyl.cli.certificate import read_certificate
from weyl.client import environment
from weyl.client.command import Session, session_of
from weyl.client.credentials import claims_of
from weyl.client.errors import ClientError
from weyl.client.results import Done, Parts, Result, Rows
from weyl.kit.call import Call

SKEW_MAX_S = 30
CERTIFICATE_DAYS_MIN = 14
ADMINISTRATORS = frozenset({"ServiceAdministrator", "JobAdministrator", "CSAdministrator", "Operator"})

METADATA: Call[dict[str, Any]] = Call("GET", "/.well-known/dirac-metadata", dict[str, Any], anonymous=True)
RELEASE: Call[dict[str, Any]] = Call("GET", "/api/health/release", dict[str, Any], anonymous=True)
READY: Call[dict[str, Any]] = Call("GET", "/api/health/ready", dict[str, Any], anonymous=True)
USERINFO: Call[dict[str, Any]] = Call("GET", "/api/auth/userinfo", dict[str, Any])

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(context: typer.Context) -> Result:
    """Checks address, certificates, clock, versions, login and rights, and says what to do about each.

    Administrators also see what the installation itself complains about.

    The exit code is that of the first failed check: 2 for the address, 6 for the server, 4 for the login.

    Example: weyl doctor
    """
    return Parts(_parts(session_of(context)))


def _parts(session: Session) -> Iterator[Result]:
    codes: list[int] = []
    rows = _checks(session, codes)
    yield Rows(rows, columns=("Check", "State", "Finding", "Advice"), id_column="Check", unit="checks")
    yield Done(exit_code=codes[0] if codes else 0)


def _checks(session: Session, codes: list[int]) -> Iterator[dict[str, str]]:
    """Yield one row a check, and note the exit code of each that failed."""
    yield _row("version", "ok", f"weyl {version('weyl')} here")
    try:
        url = session.client.url
    except ClientError as error:
        codes.append(error.exit_code)
        yield _row("address", "failed", error.message, error.hint)
        return
    yield _row("address", "ok", url)
    try:
        answer = session.client.answer(METADATA)
    except ClientError as error:
        codes.append(error.exit_code)
        yield _row("server", "failed", error.message, _server_advice(url, error))
        return
    vos = sorted(answer.value.get("virtual_organizations", {}))
    yield _row("server", "ok", f"answers; VOs: {', '.join(vos) or 'none'}")
    yield _release(session)
    yield _encryption(url)
    yield _clock(answer.headers.get("date"))
    yield from _login(session, codes)


def _release(session: Session) -> dict[str, str]:
    try:
        there = str(session.client.send(RELEASE)["release"])
    except (ClientError, KeyError):
        return _row("release", "ok", "the server does not say which release it is")
    here = version("weyl")
    if _series(here) == _series(there):
        return _row("release", "ok", f"weyl {there} there")
    advice = "Install the server's release on this machine: pip install 'weyl=={there}'."
    return _row("release", "warning", f"weyl {there} there, {here} here", advice.format(there=there))


def _series(release: str) -> list[str]:
    return release.split(".")[:2]


def _encryption(url: str) -> dict[str, str]:
    if not url.startswith("https://"):
        return _row("encryption", "warning", "none", NO_TLS)
    try:
        found = read_certificate(url, environment.variable("CA_PATH"))
    except OSError as error:
        return _row("encryption", "warning", f"the certificate cannot be looked at: {error}", "Is a proxy in between?")
    days = found.days_left(datetime.now(UTC))
    finding = f"{found.protocol}; certificate of {found.issuer}, expires in {days} days"
    if days < CERTIFICATE_DAYS_MIN:
        return _row("encryption", "warning", finding, "The installation's administrators have to renew it.")
    return _row("encryption", "ok", finding)


NO_TLS = "Tokens travel readable; good only for an installation on this machine."


def _clock(date: str | None) -> dict[str, str]:
    if date is None:
        return _row("clock", "warning", "the server does not say what time it is")
    skew_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    if skew_s <= SKEW_MAX_S:
        return _row("clock", "ok", f"{skew_s:.0f} s from the server's")
    return _row("clock", "failed", f"{skew_s:.0f} s from the server's", "Set the clock of this machine (NTP).")


def _login(session: Session, codes: list[int]) -> Iterator[dict[str, str]]:
    try:
        claims = claims_of(session.client.token())
        user = session.client.send(USERINFO)
    except ClientError as error:
        codes.append(error.exit_code)
        yield _row("login", "failed", error.message, error.hint)
        return
    left_min = max(0, int(claims.get("exp", 0)) - int(time.time())) // 60
    who = f"{user.get('preferred_username')} ({user.get('vo')}/{user.get('dirac_group')})"
    yield _row("login", "ok", f"{who}, access token good for {left_min} min")
    properties = sorted(user.get("properties") or ())
    rights = "With these you can look, but not submit: weyl login with --group for another group."
    may_submit = "NormalUser" in properties
    yield _row(
        "rights", "ok" if may_submit else "warning", ", ".join(properties) or "none", "" if may_submit else rights
    )
    if ADMINISTRATORS.intersection(properties):
        yield from _installation(session)


def _installation(session: Session) -> Iterator[dict[str, str]]:
    """Yield what only administrators can do something about."""
    try:
        warnings: dict[str, list[str]] = session.client.send(READY).get("warnings", {})
    except ClientError as error:
        yield _row("installation", "failed", error.message, "See docs/admin/monitoring.")
        return
    if not warnings:
        yield _row("installation", "ok", "ready, without warnings")
    for part, found in warnings.items():
        yield _row("installation", "warning", f"{part}: {'; '.join(found)}", "See docs/admin/monitoring.")


def _server_advice(url: str, error: ClientError) -> str:
    if "CERTIFICATE" in error.message.upper():
        return "The certificate is not trusted here: set WEYL_CA_PATH to the file of its authority."
    return f"Is {url} the right address (WEYL_URL), and is the network up?"


def _row(check: str, state: str, finding: str, advice: str = "") -> dict[str, str]:
    return {"Check": check, "State": state, "Finding": finding, "Advice": advice}
