"""Archives that pilots fetch: each in the store under its digest, put there for the first that asks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from weyl.kit.s3 import ObjectStore
from weyl.pilots.errors import ArchiveNotFound
from weyl.pilots.permits import PilotItself
from weyl.pilots.tarballs import SUFFIX

URL_LIFETIME_S = 300


@dataclass(slots=True)
class Shelf:
    """One kind of archives; whatever a server has put there, any other one hands out."""

    store: ObjectStore
    kind: str
    """What they are called: the beginning of their keys, which no area of sandboxes can have."""
    _stored: set[str] = field(default_factory=set)

    async def url(self, pilot: PilotItself, sha256: str, read: Callable[[str], Awaitable[bytes | None]]) -> str:
        """Return where an archive can be fetched for a while; `read` is asked for one that is not stored yet."""
        key = f"{self.kind}/{sha256}{SUFFIX}"
        if sha256 not in self._stored:
            await self.store.make_ready()
            if await self.store.head(key) is None:
                content = await read(sha256)
                if content is None:
                    raise ArchiveNotFound(f"There is no archive with the sha256 {sha256[:12]}… among the {self.kind}")
                await self.store.put(key, content)
            self._stored.add(sha256)
        return self.store.download_url(key, expires_s=URL_LIFETIME_S)
