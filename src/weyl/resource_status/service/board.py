"""Resource status as this process knows it: the configuration and all claims, in memory, at most a second old."""

from collections.abc import Callable
from datetime import datetime

from weyl.config.service import ConfigStore, Snapshot
from weyl.kit import json
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.following import Follower
from weyl.kit.http import Document
from weyl.kit.ids import sha256_hex
from weyl.kit.services import Key
from weyl.resource_status import queries
from weyl.resource_status.claims import NO_CLAIMS, Claims
from weyl.resource_status.models import Kind
from weyl.resource_status.policy import Viewer
from weyl.resource_status.statuses import Usable, usable, usable_storage, view

CHANNEL = "weyl_status"
"""A notice on this channel says that claims have changed; the payload is the number of the change."""

# The net below a notice that was lost with its connection.
LOOK_EVERY_S = 5.0


class StatusBoard:
    """Answers what may be used now, and tells those who asked to be told when that may have changed."""

    def __init__(self, db: Database, config: ConfigStore, *, clock: Callable[[], datetime] = utcnow) -> None:
        self.config = config
        self.follower = Follower("resource status", self._read, every_s=self._pause_s, db=db, channel=CHANNEL)
        self._db = db
        self._clock = clock
        self._claims = NO_CLAIMS
        self._loaded = -1
        self._changed_at: datetime | None = None
        self._next_change: datetime | None = None
        self._turn = self._told = 0
        self._listeners: list[Callable[[], None]] = []
        self._documents: dict[tuple[str, Kind], Document] = {}
        self._documents_of = ""

    def on_change(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever something may be usable now that was not, or the other way round."""
        self._listeners.append(tell)

    @property
    def claims(self) -> Claims:
        """The claims that this process knows."""
        return self._claims

    @property
    def revision(self) -> str:
        """A name for what is said at this moment: it changes with the configuration, the claims, and their expiry."""
        if self._next_change is not None and self._clock() >= self._next_change:
            self._turn_claims()
        return f"{self.config.current().revision}-{self._turn}"

    def usable(self, vo: str, *, site: str, ce: str | None) -> Usable:
        """Say whether a VO may start work at a place now."""
        return usable(self.config.current().config, self._claims, vo, site=site, ce=ce, now=self._clock())

    def usable_storage(self, vo: str, se: str, access: str) -> Usable:
        """Say whether a VO may use a storage element for a kind of access now."""
        config = self.config.current().config
        return usable_storage(config, self._claims, vo, se, access, now=self._clock())

    def document(self, viewer: Viewer, kind: Kind) -> Document:
        """Return the document of one kind for one VO; none is written twice while nothing changes."""
        if self._documents_of != (revision := self.revision):
            self._documents_of, self._documents = revision, {}
        key = (viewer.vo, kind)
        if key not in self._documents:
            self._documents[key] = self._write(viewer.vo, kind, self.config.current())
        return self._documents[key]

    def _write(self, vo: str, kind: Kind, snapshot: Snapshot) -> Document:
        """Name the document by its content: a change that changes nothing for this VO leaves its copies good.

        A process that is behind another one then gives the same tag for the same content, too.
        """
        elements = view(snapshot.config, self._claims, vo, kind, now=self._clock())
        body = json.dumps(elements)
        digest = sha256_hex(body)[:16] if elements else "empty"
        modified = max(filter(None, (snapshot.modified, self._changed_at)))
        return Document(body, f"{digest}-{len(elements)}-{vo}", modified)

    async def _read(self) -> None:
        _ = self.revision
        if self._turn != self._told:  # it may have been turned by whoever looked first after an expiry
            self._tell()
        await self._load()

    def _pause_s(self) -> float:
        """Return how long nothing can change unless somebody tells us."""
        if self._next_change is None:
            return LOOK_EVERY_S
        return min(LOOK_EVERY_S, max(0.0, (self._next_change - self._clock()).total_seconds()))

    async def _load(self) -> None:
        async with self._db.read() as tx:
            if await queries.select_revision(tx) == self._loaded:
                return
            is_first = self._loaded < 0
            revision, claims = await queries.select_claims(tx, self._clock())
        self._claims = Claims(claims)
        self._loaded = revision
        self._turn_claims()
        if is_first:
            self._changed_at = max((claim.set_at for claim in claims), default=None)
        self._tell()

    def _turn_claims(self) -> None:
        now = self._clock()
        self._turn += 1
        self._changed_at = now
        self._next_change = self._claims.next_change(now)

    def _tell(self) -> None:
        self._told = self._turn
        for tell in self._listeners:
            tell()


STATUS_BOARD: Key[StatusBoard] = Key("the status board")
