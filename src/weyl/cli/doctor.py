"""`weyl doctor`: goes through what a command needs, one thing after the other, and says for each what to do."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.credentials import claims_of
from weyl.client.errors import ClientError
from weyl.client.results import Done, Parts, Result, Rows
from weyl.kit.call import Call

SKEW_MAX_S = 30

METADATA: Call[dict[str, Any]] = Call("GET", "/.well-known/dirac-metadata", dict[str, Any], anonymous=True)
USERINFO: Call[dict[str, Any]] = Call("GET", "/api/auth/userinfo", dict[str, Any])

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(context: typer.Context) -> Result:
    """Checks address, certificates, clock, version and login, and says what to do about each.

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
    yield _row("version", "ok", f"weyl {version('weyl')}")
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
    encrypted = url.startswith("https://")
    yield _row(
        "encryption", "ok" if encrypted else "warning", "TLS" if encrypted else "none", "" if encrypted else NO_TLS
    )
    yield _clock(answer.headers.get("date"))
    yield _login(session, codes)


NO_TLS = "Tokens travel readable; good only for an installation on this machine."


def _clock(date: str | None) -> dict[str, str]:
    if date is None:
        return _row("clock", "warning", "the server does not say what time it is")
    skew_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    if skew_s <= SKEW_MAX_S:
        return _row("clock", "ok", f"{skew_s:.0f} s from the server's")
    return _row("clock", "failed", f"{skew_s:.0f} s from the server's", "Set the clock of this machine (NTP).")


def _login(session: Session, codes: list[int]) -> dict[str, str]:
    try:
        claims = claims_of(session.client.token())
        user = session.client.send(USERINFO)
    except ClientError as error:
        codes.append(error.exit_code)
        return _row("login", "failed", error.message, error.hint)
    left_min = max(0, int(claims.get("exp", 0)) - int(time.time())) // 60
    who = f"{user.get('preferred_username')} ({user.get('vo')}/{user.get('dirac_group')})"
    return _row("login", "ok", f"{who}, access token good for {left_min} min")


def _server_advice(url: str, error: ClientError) -> str:
    if "CERTIFICATE" in error.message.upper():
        return "The certificate is not trusted here: set WEYL_CA_PATH to the file of its authority."
    return f"Is {url} the right address (WEYL_URL), and is the network up?"


def _row(check: str, state: str, finding: str, advice: str = "") -> dict[str, str]:
    return {"Check": check, "State": state, "Finding": finding, "Advice": advice}
