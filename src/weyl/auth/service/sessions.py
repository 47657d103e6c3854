"""Browsers that are logged in: a row each, known in every process by what its cookie hashes to."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from uuid import UUID

from cachetools import LRUCache

from weyl.auth.cookies import login_cookie, session_cookie
from weyl.auth.errors import NotAnIdentifier, UnknownSession
from weyl.auth.permits import TokenScope
from weyl.auth.policy import may_log_in
from weyl.auth.queries import sessions as queries
from weyl.auth.queries.sessions import SessionRow
from weyl.auth.scopes import Scope
from weyl.auth.service.names import hold_name
from weyl.auth.tokens import Identity
from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.kit.cache import SoftHardCache
from weyl.kit.clock import utcnow
from weyl.kit.coalesce import Coalescer
from weyl.kit.db import Database, Tx, is_unavailable
from weyl.kit.errors import LoginRequired, Unavailable
from weyl.kit.http import User
from weyl.kit.ids import new_secret
from weyl.kit.services import Key
from weyl.settings import Settings

COOKIE_BYTES = 32
COOKIE_LENGTH = 43
# A session that another process has ended is served here for so long at most; within the first it is not asked about.
FRESH_S, STALE_S = 5.0, 10.0
# How exactly the last use is known, and so when a session that idles ends.
NOTED_EVERY = timedelta(minutes=1)
SESSIONS_MAX = 20_000
SHOWN_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is kept of a browser so that its user knows it again in the list."""

    address: str
    user_agent: str

    @classmethod
    def of(cls, address: str, user_agent: str | None) -> "Visitor":
        """Return a browser by what it says of itself, which may be anything."""
        text = "".join(letter for letter in user_agent or "" if letter.isprintable())
        return cls(address[:SHOWN_CHARACTERS_MAX], text.encode("utf-8", "replace").decode()[:SHOWN_CHARACTERS_MAX])


class Session:
    """A living session, by one configuration."""

    def __init__(self, row: SessionRow, config: Config) -> None:
        self.row = row
        self.config = config

    @cached_property
    def user(self) -> User:
        """The person, with what their group gives now; raises `NotGranted` if they are not in it any more.

        A user whose name has changed must log in again.
        """
        row = self.row
        identity = may_log_in(self.config, self.scope, subject=subject_of(row))
        if identity.preferred_username != row.user_name:
            raise LoginRequired
        return User(
            kind="user",
            subject=identity.subject,
            vo=identity.vo,
            preferred_username=identity.preferred_username,
            group=identity.group,
            properties=identity.properties,
            token_id=str(row.session_id),
            expires_at=int(row.expires_at.timestamp()),
        )

    @property
    def scope(self) -> Scope:
        """What the session was granted."""
        return Scope(self.row.vo, self.row.group_name, frozenset(self.row.properties))


def subject_of(row: SessionRow) -> str:
    """Return what the identity provider calls the person."""
    return row.subject.removeprefix(f"{row.vo}:")


def name_of(config: Config, row: SessionRow) -> str:
    """Return what the person is called now; nothing if they are not registered any more."""
    return name_of_subject(config, row.subject) or ""


def name_of_subject(config: Config, subject: str) -> str | None:
    """Return what a person is called now, by VO and subject; None if they are not registered any more."""
    vo, _, own = subject.partition(":")
    organisation = config.registry.get(vo)
    user = organisation.users.get(own) if organisation else None
    return user.preferred_username if user else None


def new_cookie() -> str:
    """Return the value of a cookie: 256 random bits."""
    return new_secret(COOKIE_BYTES)


def digest_of(value: str) -> bytes:
    """Return what is kept of a cookie."""
    return sha256(value.encode("utf-8", "replace")).digest()


class Sessions:
    """The sessions of all browsers, as one process sees them.

    A look-up is remembered for seconds, so that most requests cost the database nothing; those that come at once share
    one statement. What this process ends is refused here at once, and by all others within `STALE_S`.
    """

    def __init__(
        self,
        db: Database,
        config: ConfigStore,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cookie = session_cookie(is_secure=not settings.insecure_cookies)
        self.pending = login_cookie(is_secure=not settings.insecure_cookies)
        self.idle = timedelta(minutes=settings.session_idle_minutes)
        self.life = timedelta(hours=settings.session_hours)
        self._db = db
        self._config = config
        self._loads: Coalescer[bytes, SessionRow | None] = Coalescer(self._load)
        self._rows: SoftHardCache[bytes, SessionRow | None] = SoftHardCache(
            self._loads.submit, soft_s=FRESH_S, hard_s=STALE_S, size=SESSIONS_MAX, clock=clock
        )
        self._known: LRUCache[bytes, Session] = LRUCache(SESSIONS_MAX)
        # What a look-up that was under way may bring back; a cookie that has ended never lives again.
        self._ended: LRUCache[bytes, None] = LRUCache(SESSIONS_MAX)

    def is_named_in(self, cookies: str) -> bool:
        """Tell whether a Cookie header names a session, living or not."""
        return self.cookie.value_in(cookies) is not None

    async def find(self, cookies: str) -> Session | None:
        """Return the living session that a Cookie header names."""
        value = self.cookie.value_in(cookies)
        if value is None or len(value) != COOKIE_LENGTH:
            return None
        digest = digest_of(value)
        row = await self._row(digest)
        if row is None or digest in self._ended or row.expires_at <= utcnow():
            return None
        config, known = self._config.current().config, self._known.get(digest)
        if known is None or known.row is not row or known.config is not config:
            known = self._known[digest] = Session(row, config)
        return known

    async def _row(self, digest: bytes) -> SessionRow | None:
        try:
            return await self._rows.get(digest)
        except Exception as error:
            if not is_unavailable(error):
                raise
            raise Unavailable("Who is logged in cannot be looked up now; try again in a moment") from error

    async def _load(self, digests: Sequence[bytes]) -> list[SessionRow | None]:
        async with self._db.read() as tx:
            rows = await queries.use_sessions(
                tx, digests, now=utcnow(), idle=self.idle, noted_every=min(NOTED_EVERY, self.idle / 10)
            )
        return [rows.get(digest) for digest in digests]

    def _forget(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._ended[digest] = None
            self._rows.forget(digest)
            self._known.pop(digest, None)

    async def begin(
        self,
        session_id: UUID,
        *,
        scope: Scope,
        identity: Identity,
        visitor: Visitor,
        replaces: str | None,
        now: datetime,
    ) -> str | None:
        """Log a browser in, in the place of the session that its Cookie header names; returns the cookie.

        Nothing if a session of this id has begun before.
        """
        value, before = new_cookie(), self.cookie.value_in(replaces)
        row = SessionRow(
            session_id=session_id,
            cookie_hash=digest_of(value),
            vo=identity.vo,
            subject=identity.subject,
            group_name=scope.group,
            properties=sorted(scope.asked),
            created_at=now,
            last_used_at=now,
            expires_at=now + self.life,
            user_agent=visitor.user_agent,
            address=visitor.address,
            user_name=identity.preferred_username,
        )
        ended: list[bytes] = []
        async with self._db.transaction() as tx:
            await hold_name(tx, identity, now=now)
            if not await queries.insert_session(tx, row):
                return None
            if before is not None:
                ended = await queries.delete_session_of_cookie(tx, digest_of(before))
        self._forget(ended)
        return value

    async def change(self, session: Session, *, scope: Scope, identity: Identity, now: datetime) -> tuple[str, Session]:
        """Give a session another group or other properties, and its browser another cookie."""
        value, before = new_cookie(), session.row
        row = before._replace(
            cookie_hash=digest_of(value),
            vo=identity.vo,
            subject=identity.subject,
            group_name=scope.group,
            user_name=identity.preferred_username,
            properties=sorted(scope.asked),
            last_used_at=now,
        )
        async with self._db.transaction() as tx:
            await hold_name(tx, identity, now=now)
            if not await queries.rotate_session(tx, row, was=before.cookie_hash):
                raise LoginRequired
        self._forget([before.cookie_hash])
        return value, Session(row, session.config)

    async def end(self, cookies: str | None) -> None:
        """Log a browser out; one that is not logged in stays so."""
        value = self.cookie.value_in(cookies)
        if value is None:
            return
        digest = digest_of(value)
        async with self._db.transaction() as tx:
            await queries.delete_session_of_cookie(tx, digest)
        self._forget([digest])

    async def end_by_id(self, scope: TokenScope, session_id: str) -> None:
        """End a listed session."""
        try:
            identifier = UUID(session_id)
        except ValueError as error:
            raise NotAnIdentifier(f"{session_id!r} is not the id of a session: it must be a UUID") from error
        async with self._db.transaction() as tx:
            ended = await queries.delete_session(tx, scope, identifier)
        if not ended:
            raise UnknownSession(f"There is no session {identifier}")
        self._forget(ended)

    async def listed(self, tx: Tx, scope: TokenScope, *, now: datetime) -> list[SessionRow]:
        """Return the living sessions in `scope`, newest first."""
        return await queries.select_sessions(tx, scope, now=now, idle=self.idle)


BROWSER_SESSIONS: Key[Sessions] = Key("the sessions of the pages")
