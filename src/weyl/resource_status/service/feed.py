"""Tells of which elements something else is said now: read from the board, so that the database is not asked."""

from collections.abc import Callable
from datetime import datetime

from weyl.kit.changes import Change, News, Reach
from weyl.kit.clock import utcnow
from weyl.kit.http import User
from weyl.resource_status.claims import EVERY_VO, Claim
from weyl.resource_status.policy import may_view
from weyl.resource_status.service.board import StatusBoard


class StatusFeed:
    """Follows the claims that hold, and the configuration."""

    def __init__(self, board: StatusBoard, *, clock: Callable[[], datetime] = utcnow) -> None:
        self._board = board
        self._clock = clock
        self._revision = ""
        self._configuration = ""
        self._held: frozenset[Claim] = frozenset()
        self._met: set[Change] = set()
        self._position = 0
        # Between two looks something may be said and taken back: a page may have seen it in between.
        board.on_change(self._compare)

    def reach(self, user: User) -> Reach:
        """Let everybody know of the elements that their VO sees."""
        return Reach(may_view(user).vo)

    async def start(self) -> int:
        """Begin with what is said now."""
        await self.read()
        return self._position

    async def read(self) -> News:
        """Return the elements of which something was said, taken back or has expired since the last look."""
        revision, configuration = self._board.revision, self._board.config.current().revision
        if revision == self._revision:
            return News((), self._position)
        self._compare()
        changes, self._met = sorted(self._met, key=lambda change: (str(change.id), change.vo or "")), set()
        is_whole = configuration == self._configuration
        self._revision, self._configuration = revision, configuration
        self._position = max(self._position + 1, round(self._clock().timestamp() * 1_000_000))
        return News(changes, self._position, is_whole=is_whole)

    def _compare(self) -> None:
        held = frozenset(self._board.claims.held(self._clock()))
        self._met |= {
            Change(claim.element.name, None if claim.vo == EVERY_VO else claim.vo, None, claim.element.kind.value)
            for claim in held ^ self._held
        }
        self._held = held
