"""`weyl login`, `logout`, `whoami`, `logins` and `token`."""

import io
import select
import sys
import time
import webbrowser
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import segno
import typer

from weyl.auth import calls
from weyl.auth.loopback import Listener, Proof
from weyl.client.command import Session, session_of
from weyl.client.credentials import TokenSet, claims_of
from weyl.client.errors import (
    ClientError,
    Forbidden,
    NotFound,
    NotLoggedIn,
    Refused,
    StillWaiting,
    Unreachable,
    UsageFault,
)
from weyl.client.results import Document, Done, Events, Ids, Result, Rows, Text

Event = dict[str, Any]

PENDING, SLOW_DOWN = "authorization_pending", "slow_down"
WEB_LOGIN_S = 600
# What a server that names no interval expects (RFC 8628, 3.5).
POLL_EVERY_S = 5

app = typer.Typer(help="Log in and out.", no_args_is_help=True)
logins_app = typer.Typer(help="List and end your logins.")
app.add_typer(logins_app, name="logins")


@app.command()
def login(
    context: typer.Context,
    vo: Annotated[str | None, typer.Argument(help="Virtual organisation; may be left out if there is one.")] = None,
    *,
    group: Annotated[str | None, typer.Option(help="Group to act in; the VO's default if left out.")] = None,
    property_: Annotated[
        list[str] | None, typer.Option("--property", metavar="P", help="Ask for a property of another group of yours.")
    ] = None,
    web: Annotated[
        bool, typer.Option("--web/--device", help="Come back from a browser on this machine by itself, without a code.")
    ] = False,
    qr: Annotated[bool, typer.Option("--qr/--no-qr", help="Draw the address as a QR code on a terminal.")] = True,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Print the codes, or ask once, and end.")] = False,
    device_code: Annotated[
        str | None, typer.Option("--device-code", metavar="C", help="Go on with a login that was begun before.")
    ] = None,
) -> Result:
    """Log in with a browser, here or on another device.

    Example: weyl login voa --group user
    """
    session = session_of(context)
    if device_code is not None:
        return Events(_wait(session, device_code, once=no_wait), line=_logged_in_line)
    if web and no_wait:
        raise UsageFault("--web waits for the browser.", hint="Leave --no-wait or --web out.")
    scope = scope_of(session, vo, group=group, properties=property_ or [])
    if web:
        return Events(_web_login(session, scope), line=_web_line)

    def line(event: Mapping[str, Any]) -> str:
        return _logged_in_line(event) if event["event"] == "logged_in" else _instructions(session, event, qr=qr)

    return Events(_device_login(session, scope, no_wait=no_wait), line=line)


def scope_of(session: Session, vo: str | None, *, group: str | None, properties: list[str]) -> str:
    """Return what to ask for; the VO may be left out where there is one. Raises `UsageFault` if it is not known."""
    vos = sorted(session.client.send(calls.installation())["virtual_organizations"])
    if vo is None and len(vos) == 1:
        vo = vos[0]
    if vo not in vos:
        wrong = "Say which virtual organisation" if vo is None else f"There is no virtual organisation {vo!r} here"
        raise UsageFault(f"{wrong}; there are: {', '.join(vos)}.", hint=f"For example: weyl login {vos[0]}")
    words = [f"vo:{vo}", *([f"group:{group}"] if group else []), *(f"property:{name}" for name in properties)]
    return " ".join(words)


def _device_login(session: Session, scope: str, *, no_wait: bool) -> Iterator[Event]:
    device = session.client.send(calls.begin_device_login(scope))
    interval_s = float(device.get("interval", POLL_EVERY_S))
    shown = ("verification_uri_complete", "user_code", "device_code", "expires_in")
    yield {"event": "device_code", **{name: device[name] for name in shown}, "interval": interval_s}
    if no_wait:
        return
    yield from _wait(session, device["device_code"], interval_s=interval_s, page=device["verification_uri_complete"])


def _wait(
    session: Session, device_code: str, *, interval_s: float = POLL_EVERY_S, page: str | None = None, once: bool = False
) -> Iterator[Event]:
    while (tokens := _ask(session, device_code)) in (PENDING, SLOW_DOWN):
        if once:
            raise StillWaiting(
                "Nobody has finished this login yet.", hint=f"Ask again with: weyl login --device-code {device_code}"
            )
        if tokens == SLOW_DOWN:
            interval_s += 5
        page = _pause(session, interval_s, page)
    assert isinstance(tokens, TokenSet)
    yield _saved(session, tokens)


def _web_login(session: Session, scope: str) -> Iterator[Event]:
    proof, listener = Proof(), Listener()
    try:
        page = proof.page(session.client.url, scope=scope, redirect_uri=listener.redirect_uri)
        yield {"event": "authorization", "authorization_uri": page, "expires_in": WEB_LOGIN_S}
        if session.stdout_is_terminal and session.stdin_is_terminal:
            webbrowser.open(page)
        answer = listener.wait(proof, WEB_LOGIN_S)
        if answer is None:
            raise StillWaiting("No browser came back.", hint="Try again; on another machine: weyl login --device")
        if "code" not in answer:
            raise NotLoggedIn(f"The login did not succeed: {answer.get('error', 'refused')}")
        yield _saved(session, _redeemed(session, answer["code"], proof, listener))
    finally:
        listener.close()


def _redeemed(session: Session, code: str, proof: Proof, listener: Listener) -> TokenSet:
    call = calls.redeem_code(code, redirect_uri=listener.redirect_uri, verifier=proof.verifier)
    try:
        answer = session.client.send(call)
    except Refused as refusal:
        raise NotLoggedIn(f"The login did not succeed: {refusal.message}", status=refusal.status) from refusal
    return TokenSet.from_answer(answer, time.time())


def _web_line(event: Mapping[str, Any]) -> str:
    if event["event"] == "logged_in":
        return _logged_in_line(event)
    return f"Log in with the browser on this machine; if none opens, open: {event['authorization_uri']}"


def _saved(session: Session, tokens: TokenSet) -> Event:
    """Keep a login, and return the event that says so."""
    session.credentials.save(tokens)
    claims = claims_of(tokens.access_token)
    return {
        "event": "logged_in",
        "vo": claims.get("vo"),
        "group": claims.get("dirac_group"),
        "preferred_username": claims.get("preferred_username"),
        "expires_on": _expires_on(tokens),
    }


def _ask(session: Session, device_code: str) -> TokenSet | str:
    try:
        answer = session.client.send(calls.redeem_device_code(device_code))
    except Forbidden as refusal:
        hint = "Leave --group and --property out, or ask the support of your VO."
        raise Forbidden(refusal.message, hint=hint, request_id=refusal.request_id, status=403) from refusal
    except Refused as refusal:
        if refusal.message in (PENDING, SLOW_DOWN):
            return refusal.message
        raise NotLoggedIn(f"The login did not succeed: {refusal.message}", status=refusal.status) from refusal
    return TokenSet.from_answer(answer, time.time())


def _pause(session: Session, seconds: float, page: str | None) -> str | None:
    """Wait, and on a terminal open the browser when Enter is pressed; returns the page if it may still be opened."""
    if page is None or not (session.stdout_is_terminal and session.stdin_is_terminal):
        time.sleep(seconds)
        return None
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    if not ready:
        return page
    sys.stdin.readline()
    webbrowser.open(page)
    return None


def _logged_in_line(event: Mapping[str, Any]) -> str:
    until = _moment(event["expires_on"])
    return f"Logged in as {event['preferred_username']} ({event['vo']}/{event['group']}), until {until}"


def _expires_on(tokens: TokenSet) -> int:
    """Return when a login ends, in unix seconds: its refresh token says so."""
    return int(claims_of(tokens.refresh_token or "").get("exp", tokens.expires_on))


def _moment(unix_s: float) -> str:
    """Return a time for people, with the day if that is not today."""
    until = datetime.fromtimestamp(unix_s).astimezone()
    is_today = until.date() == datetime.now().astimezone().date()
    return f"{until:%H:%M}" if is_today else f"{until:%A, %d %B, %H:%M}"


def _instructions(session: Session, event: Mapping[str, Any], *, qr: bool) -> str:
    address, code = event["verification_uri_complete"], event["user_code"]
    lines = [f"Open this page and log in: {address}", f"It belongs to the code: {code[:4]}-{code[4:]}"]
    if qr:
        lines.append(_drawing(address))
    if session.stdin_is_terminal:
        lines.append("Press Enter to open it in a browser here.")
    return "\n".join(lines)


def _drawing(address: str) -> str:
    drawing = io.StringIO()
    segno.make(address, error="l", boost_error=False).terminal(drawing, compact=True, border=2)
    return drawing.getvalue().rstrip("\n")


@app.command()
def logout(
    context: typer.Context,
    *,
    everywhere: Annotated[
        bool, typer.Option("--all", help="End all your logins in this VO, on every machine.")
    ] = False,
) -> Result:
    """End the login, on the server and here.

    Example: weyl logout
    """
    session = session_of(context)
    tokens = session.credentials.load()
    if tokens is None:
        session.credentials.delete()
        return Done("You were not logged in.", document={"logged_out": False})
    try:
        if everywhere:
            _revoke_all(session)
        if tokens.refresh_token:
            session.client.send(calls.revoke_refresh_token(tokens.refresh_token))
    except ClientError as error:
        raise Unreachable(
            f"You are logged out here, but the server could not be told: {error.message}",
            hint=f"There it ends {_moment(_expires_on(tokens))}; sooner with: weyl login, weyl logins revoke ID",
        ) from error
    finally:
        session.credentials.delete()
    return Done("Logged out.", document={"logged_out": True})


def _revoke_all(session: Session) -> None:
    me = session.client.send(calls.userinfo())["sub"]
    for row in session.client.send(calls.refresh_tokens()):
        # Who has ProxyManagement sees everybody's.
        if row["Sub"] == me:
            session.client.send(calls.revoke_login(row["JTI"]))
    for browser in session.client.send(calls.browser_sessions()):
        if browser["sub"] == me:
            session.client.send(calls.end_browser_session(browser["session_id"]))


@app.command()
def whoami(
    context: typer.Context,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Read the token, without asking the server.")] = False,
) -> Result:
    """Show who you are logged in as, in which VO and group, and with which properties.

    Example: weyl whoami
    """
    session = session_of(context)
    if not offline:
        return Document(session.client.send(calls.userinfo()))
    tokens = session.credentials.load()
    if tokens is None:
        raise NotLoggedIn("You are not logged in.")
    claims = claims_of(tokens.access_token)
    return Document(
        {
            "sub": claims.get("sub"),
            "vo": claims.get("vo"),
            "dirac_group": claims.get("dirac_group"),
            "policies": claims.get("dirac_policies"),
            "properties": claims.get("dirac_properties"),
            "preferred_username": claims.get("preferred_username"),
        }
    )


@app.command()
def token(context: typer.Context) -> Result:
    """Print an access token with at least five minutes left, for curl and other programs.

    Example: curl -H "Authorization: Bearer $(weyl token)" $WEYL_URL/api/auth/userinfo
    """
    return Text([session_of(context).client.token(), "\n"])


@logins_app.callback(invoke_without_command=True)
def logins(context: typer.Context) -> Result:
    """List and end your logins: those that can still be refreshed, and browsers that are logged in.

    Example: weyl logins
    """
    return _logins(session_of(context)) if context.invoked_subcommand is None else None


@logins_app.command("list")
def list_logins(context: typer.Context) -> Result:
    """List your logins; with ProxyManagement those of everybody in your VO.

    Example: weyl logins list
    """
    return _logins(session_of(context))


def _logins(session: Session) -> Rows:
    logins = session.client.send(calls.refresh_tokens())
    # Read after the request, which may have replaced the tokens.
    tokens = session.credentials.load()
    here = claims_of(tokens.refresh_token or "").get("jti") if tokens is not None else None
    rows: list[dict[str, Any]] = [
        {**row, "Kind": "token", "Since": _made_at(row["JTI"]), "Current": row["JTI"] == here} for row in logins
    ]
    rows += [_browser_row(browser) for browser in session.client.send(calls.browser_sessions())]
    columns = ("JTI", "Kind", "Since", "Current", "Scope", "User", "Browser")
    return Rows(rows, columns=columns, id_column="JTI", unit="logins")


def _browser_row(browser: Mapping[str, Any]) -> dict[str, Any]:
    words = [
        f"vo:{browser['vo']}",
        f"group:{browser['group']}",
        *(f"property:{each}" for each in browser["properties"]),
    ]
    return {
        "JTI": browser["session_id"],
        "Kind": "browser",
        "Since": _made_at(browser["session_id"]),
        "Current": browser["current"],
        "Scope": " ".join(words),
        "Sub": browser["sub"],
        "User": browser["user"] or browser["sub"],
        "Browser": f"{browser['address']} {browser['user_agent']}",
        "LastUsed": browser["last_used_at"],
    }


def _made_at(jti: str) -> str | None:
    """Return when an id was made, which ids of version 7 begin with: of a login, when it was last refreshed."""
    identifier = UUID(jti)
    if identifier.version != 7:
        return None
    return f"{datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _end(session: Session, identifier: str) -> None:
    """End a login, of whichever kind it is: nobody has to know whose id they copied."""
    try:
        session.client.send(calls.revoke_login(identifier))
    except NotFound as unknown:
        try:
            session.client.send(calls.end_browser_session(identifier))
        except NotFound:
            raise unknown from None


@logins_app.command()
def revoke(
    context: typer.Context,
    jti: Annotated[list[str], typer.Argument(help="Ids of logins, as `weyl logins` lists them; - reads stdin.")],
) -> Result:
    """End logins, wherever they are used: tokens are refused a refresh, browsers are logged out.

    Example: weyl logins revoke 01a2102f-99a2-7a48-93c4-c697a0c0e785
    """
    session = session_of(context)
    identifiers = session.read_ids(jti)
    session.confirm("revoke", len(identifiers))
    done: list[str] = []
    failed: dict[str, str] = {}
    for identifier in identifiers:
        try:
            _end(session, identifier)
        except (NotFound, Refused) as error:
            failed[identifier] = error.message
        else:
            done.append(identifier)
    return Ids(done, f"{len(done)} {'login' if len(done) == 1 else 'logins'} ended.", id_column="JTI", failed=failed)
