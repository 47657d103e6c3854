"""The configuration that this process serves: always the last good revision, looked for in the background."""

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from weyl.config.drivers.git import Author, Change, GitRepository
from weyl.config.errors import ConfigChanged, ConfigNotLoaded, InvalidConfig, Problem
from weyl.config.models import Config
from weyl.config.parts import part_of
from weyl.config.policy import ConfigReader, ConfigWriter, is_administrator
from weyl.config.revisions import (
    ChangeMade,
    ChangeOrder,
    FaultShown,
    RevisionShown,
    clean_message,
    clean_text,
    faults_of,
)
from weyl.config.schema import schema_of
from weyl.config.source import as_written, parse_config
from weyl.kit.errors import WeylError
from weyl.kit.following import Follower
from weyl.kit.http import Document
from weyl.kit.ids import sha256_hex
from weyl.kit.services import Key

log = structlog.get_logger(__name__)

# How far a process that starts looks back for a revision that is valid.
_LOOK_BACK = 20
FIRST_LOAD_S = 60.0
"""How long a process that starts waits for its first configuration: for a remote repository, twice git's own limit."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One valid revision, ready to be served."""

    config: Config
    revision: str
    modified: datetime
    body: bytes
    _parts: dict[str, Document] = field(default_factory=dict, repr=False)

    @property
    def document(self) -> Document:
        """The whole document; its ETag is the commit, by contract."""
        return Document(self.body, etag=self.revision, modified=self.modified)

    def part(self, vo: str) -> Document:
        """Return what programs on worker nodes see of it, written once; what changes nothing in it leaves its ETag."""
        known = self._parts.get(vo)
        if known is None:
            body = _written(part_of(self.config, vo))
            known = self._parts[vo] = Document(body, etag=sha256_hex(body)[:40], modified=self.modified)
        return known

    @classmethod
    def of(cls, config: Config, *, revision: str, modified: datetime) -> "Snapshot":
        """Take a configuration with its place in history, and write its document once."""
        return cls(config, revision, modified, _written(config))


def _written(config: Config) -> bytes:
    return config.model_dump_json(by_alias=True).encode()


class ConfigStore:
    """Keeps the newest valid revision of the repository at hand; what is wrong with a newer one becomes a warning."""

    def __init__(
        self, url: str, *, check_every_s: float = 5, mirror: Path | None = None, model: type[Config] = Config
    ) -> None:
        self._model = model
        self._temporary: TemporaryDirectory[str] | None = None
        if mirror is None and "+https:" in url:
            self._temporary = tempfile.TemporaryDirectory(prefix="weyl-config-")
            mirror = Path(self._temporary.name)
        self._repository = GitRepository(url, mirror=mirror)
        self.follower = Follower("configuration", self.refresh, every_s=check_every_s)
        self._snapshot: Snapshot | None = None
        self._schema: bytes | None = None
        self._rejected: str | None = None
        self._warning: str | None = None
        self._refreshing = asyncio.Lock()

    def current(self) -> Snapshot:
        """Return the last good revision; raises `ConfigNotLoaded` if there was none yet."""
        if self._snapshot is None:
            raise ConfigNotLoaded(f"The configuration is not loaded: {self._warning or 'it was not read yet'}")
        return self._snapshot

    @property
    def warnings(self) -> list[str]:
        """What an administrator has to repair: an invalid revision, a repository that cannot be reached."""
        return [self._warning] if self._warning else []

    async def start(self) -> None:
        """Load the configuration and look for new revisions from now on; a slow repository is waited for."""
        await self.follower.start(patience_s=FIRST_LOAD_S)

    async def stop(self) -> None:
        """Stop looking."""
        await self.follower.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def refresh(self) -> None:
        """Look for a new revision now; a failure becomes a warning, never an exception."""
        async with self._refreshing:
            try:
                await self._load(await self._repository.head())
            except WeylError as error:
                self._warn(str(error.detail))

    async def history(self, reader: ConfigReader, *, limit: int, before: str | None = None) -> list[Change]:
        """Return the newest commits that changed the configuration, or those before one of them."""
        return await self._repository.history(limit, before=before)

    async def diff(self, reader: ConfigReader, old: str | None, new: str | None) -> str:
        """Return what changed between two revisions, by default with the newest one."""
        return await self._repository.diff(old, new)

    async def revision(self, reader: ConfigReader, revision: str | None) -> RevisionShown:
        """Return a revision, by default the newest, as it is written, with all that is wrong with it."""
        newest = await self._repository.head()
        change, text = await self._repository.read(revision or newest)
        return RevisionShown(
            revision=change.revision,
            time=change.at,
            author=change.author,
            message=change.message,
            is_newest=change.revision == newest,
            text=text,
            document=await asyncio.to_thread(as_written, text),
            problems=await self._problems(text),
        )

    async def schema(self) -> bytes:
        """Return what a document may say, as JSON Schema; the same as long as this process lives."""
        if self._schema is None:
            self._schema = await asyncio.to_thread(schema_of, self._model)
        return self._schema

    async def change(self, writer: ConfigWriter, order: ChangeOrder) -> ChangeMade:
        """Commit a new document in place of the newest one, or say what that would do.

        Raises `ConfigChanged` if the newest is no longer what the change was made of, `InvalidConfig` with every fault;
        a trial tells of both instead.
        """
        text = clean_text(order.document)
        message = "" if order.dry_run else clean_message(order.message)
        newest = await self._repository.head()
        if order.base != newest and not order.dry_run:
            raise ConfigChanged(order.base, newest)
        problems = await self._problems(text, writer)
        if problems and not order.dry_run:
            raise InvalidConfig([Problem(each.message, each.path, each.line) for each in problems])
        base = (await self._repository.read(order.base))[0].revision
        diff = await self._repository.diff_with(text, base=base)
        revision = None
        if diff and not order.dry_run:
            author = Author(writer.name, writer.email)
            newest = revision = await self._repository.commit(text, base=base, message=message, author=author)
            log.info("config.changed", revision=revision, base=base, by=writer.subject)
            await self.refresh()
        return ChangeMade(
            problems=problems,
            diff=diff,
            base=base,
            newest=newest,
            revision=revision,
            is_current=base == newest or revision is not None,
        )

    async def _problems(self, text: str, writer: ConfigWriter | None = None) -> list[FaultShown]:
        """Return what is wrong with a document, and with one that its writer could not change any more."""
        try:
            config = await asyncio.to_thread(parse_config, text, self._model)
        except InvalidConfig as error:
            return faults_of(error.problems)
        served = self._snapshot.config if self._snapshot else None
        if writer is None or served is None or not is_administrator(writer, served) or is_administrator(writer, config):
            return []
        problem = "you would no longer be CSAdministrator here and could not take this back; let another one do it"
        return faults_of((Problem(problem, f"Registry.{writer.vo}.Groups.{writer.group}"),))

    async def _load(self, head: str) -> None:
        if self._snapshot is not None and head == self._snapshot.revision:
            self._warning = self._rejected = None
            return
        if head == self._rejected:
            return
        try:
            await self._serve(*await self._repository.read(head))
        except WeylError as error:
            self._rejected = head
            self._warn(f"Revision {head[:12]} of the configuration is not used: {error.detail}")
            if self._snapshot is None:
                await self._look_back()
        else:
            self._warning = self._rejected = None

    async def _look_back(self) -> None:
        for change in (await self._repository.history(_LOOK_BACK))[1:]:
            with suppress(InvalidConfig):
                await self._serve(*await self._repository.read(change.revision))
                return

    async def _serve(self, change: Change, text: str) -> None:
        # A large document takes seconds, in which requests must be answered.
        config = await asyncio.to_thread(parse_config, text, self._model)
        self._snapshot = Snapshot.of(config, revision=change.revision, modified=change.at)
        log.info("config.loaded", revision=change.revision, modified=change.at.isoformat())

    def _warn(self, message: str) -> None:
        if message != self._warning:
            log.error("config.alarm", problem=message)
        self._warning = message


CONFIG: Key[ConfigStore] = Key("the configuration")
