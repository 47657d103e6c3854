"""The login of a browser without tokens in it: the code flow is run here, and the browser keeps a cookie."""

from dataclasses import dataclass
from datetime import datetime

from weyl.auth.errors import InvalidScope, InvalidState, NotThisBrowser, RefusedByProvider
from weyl.auth.local_paths import local_path
from weyl.auth.models import SessionChange
from weyl.auth.policy import may_go_on
from weyl.auth.scopes import Scope
from weyl.auth.sealing import Journey, digest_of_kept
from weyl.auth.service.authority import Authority
from weyl.auth.service.sessions import Session, Sessions, Visitor, new_cookie, subject_of
from weyl.kit.bounds import Name, Text
from weyl.kit.ids import new_secret, uuid7

PATH = "/api/auth/web"


@dataclass(frozen=True)
class WebLogin:
    """In which VO and group somebody wants to log in, and where they go then."""

    vo: Name | None = None
    group: Name | None = None
    return_to: Text = "/"


@dataclass(frozen=True)
class BrowserReturn:
    """What a browser brings back from the identity provider."""

    state: str
    code: str
    error: str | None
    iss: str | None
    cookies: str | None
    visitor: Visitor


async def start(authority: Authority, *, login: WebLogin) -> tuple[str, str]:
    """Begin a login; returns where the browser goes next, and what it keeps until it comes back.

    Nothing is stored: what is needed afterwards travels along, sealed, and is good for whoever has the cookie only.
    """
    return_to = local_path(login.return_to)
    scope = _scope(authority, login)
    kept = new_cookie()
    journey = Journey(
        "web",
        scope.vo,
        uuid7(),
        verifier=new_secret(48),
        scope=scope.text,
        return_to=return_to,
        browser=digest_of_kept(kept),
    )
    return await authority.login_page(journey, path=PATH), kept


def _scope(authority: Authority, login: WebLogin) -> Scope:
    vos = sorted(authority.config.current().config.registry)
    vo = vos[0] if login.vo is None and len(vos) == 1 else login.vo
    if vo not in vos:
        wrong = "Say in which VO (vo=)" if vo is None else f"VO {vo} is not served here"
        raise InvalidScope(f"{wrong}; there are: {', '.join(vos)}")
    if login.group is None:
        return authority.scope(f"vo:{vo}")
    if " " in login.group:
        raise InvalidScope(f"Group {login.group} does not exist in VO {vo}")
    return authority.scope(f"vo:{vo} group:{login.group}")


async def finish(authority: Authority, sessions: Sessions, *, back: BrowserReturn, now: datetime) -> tuple[str, str]:
    """Take up the browser that comes back from the identity provider; returns its cookie and where it goes on to."""
    kept = sessions.pending.value_in(back.cookies)
    try:
        journey = authority.sealer.open(back.state, kind="web", age_max_s=authority.login_life_s())
    except InvalidState as error:
        raise NotThisBrowser from error
    # Before the code is used: a browser that was sent here with somebody else's code must not spend it either.
    if not journey.is_begun_with(kept):
        raise NotThisBrowser
    if back.error is not None:
        raise RefusedByProvider("The identity provider did not let you in, or you did not agree")
    subject = await authority.come_back(journey, path=PATH, code=back.code, iss=back.iss, now=now)
    scope, identity = authority.grant(journey.scope, subject)
    cookie = await sessions.begin(
        journey.flow_id, scope=scope, identity=identity, visitor=back.visitor, replaces=back.cookies, now=now
    )
    if cookie is None:
        raise NotThisBrowser
    return cookie, journey.return_to


async def switch(
    authority: Authority, sessions: Sessions, session: Session, *, change: SessionChange, now: datetime
) -> tuple[str, Session]:
    """Go on in another group, with other properties or in another VO; returns the new cookie and the session."""
    row, config = session.row, authority.config.current().config
    vo = row.vo if change.vo is None else change.vo
    words = [f"vo:{vo}", f"group:{change.group}", *(f"property:{name}" for name in change.properties)]
    scope = authority.scope(" ".join(words))
    identity = may_go_on(config, scope, subject=subject_of(row), vo=row.vo)
    return await sessions.change(session, scope=scope, identity=identity, now=now)
