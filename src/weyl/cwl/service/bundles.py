"""Bundles: found by id or label, put together from texts and files, stored, and read."""

import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from weyl.cwl.compilation import Compilation
from weyl.cwl.drivers.compiler import Bundle
from weyl.cwl.errors import AmbiguousLabel, FileNotInBundle, FilesMissing, WorkflowNotFound, WrongBundle
from weyl.cwl.models.bundles import SentManifest
from weyl.cwl.models.manifest import TEXT_PATH, Manifest, bundle_id, manifest_of
from weyl.cwl.permits import Pusher, WorkflowReader
from weyl.cwl.queries.bundles import (
    LOCK,
    Found,
    NewBundle,
    select_bundles,
    select_files,
    select_known_files,
    upsert_bundle,
)
from weyl.kit.db import Database, Tx

_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """A workflow that somebody means: its files, whether they are stored or were sent just now."""

    bundle_id: bytes
    manifest: Manifest
    files: Mapping[str, bytes]
    fragment: str | None
    label: str | None
    is_stored: bool

    @property
    def bundle(self) -> Bundle:
        """What the compiler takes."""
        return Bundle(self.manifest.entry, self.fragment, self.files)

    @property
    def workflow_id(self) -> str:
        """The id that is shown and searched: the label where there is one."""
        return self.label or self.bundle_id.hex()

    def labelled(self, compilation: Compilation) -> "Source":
        """Return the workflow with the label that was found when it was compiled; a stored one has its own."""
        return self if self.is_stored else replace(self, label=compilation.get("workflow_id"))

    def text(self) -> str:
        """Return the entry as it was submitted."""
        return self.files[self.manifest.entry].decode(errors="replace")

    def new(self) -> NewBundle:
        """Return what there is to store; of a bundle that is stored only that it is used again."""
        members = [bytes.fromhex(file.sha256) for file in self.manifest.files.values()]
        contents: dict[bytes, bytes] = {}
        if not self.is_stored:
            contents = {digest: self.files[path] for digest, path in zip(members, self.manifest.files, strict=True)}
        text = self.manifest.canonical().decode()
        return NewBundle(self.bundle_id, text, members, contents, self.label)


def of_text(text: str) -> Source:
    """Return the bundle of one file that a text is."""
    content = text.encode(errors="surrogatepass")
    return _sent(manifest_of(TEXT_PATH, {TEXT_PATH: content}), {TEXT_PATH: content})


def _sent(manifest: Manifest, files: Mapping[str, bytes]) -> Source:
    return Source(bytes.fromhex(bundle_id(manifest)), manifest, files, manifest.fragment, None, False)


async def of_manifest(db: Database, pusher: Pusher, sent: SentManifest) -> Source:
    """Return the bundle that was sent, with files that the VO has; raises `FilesMissing` or `WrongBundle`."""
    try:
        manifest = sent.plain()
        contents = {path: file.data() for path, file in sent.files.items()}
    except ValueError as error:
        raise WrongBundle(_first_line(error)) from None
    left_out = {path: bytes.fromhex(sent.files[path].sha256) for path, data in contents.items() if data is None}
    known: dict[bytes, bytes] = {}
    if left_out:
        async with db.read() as tx:
            known = await select_known_files(tx, pusher, sorted(set(left_out.values())))
    missing = [path for path, digest in left_out.items() if digest not in known]
    if missing:
        raise FilesMissing(sorted(missing))
    files = {path: known[left_out[path]] if data is None else data for path, data in contents.items()}
    _check(manifest, files)
    return _sent(manifest, files)


def _check(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    for path, told in manifest.files.items():
        content = files[path]
        if len(content) != told.size:
            raise WrongBundle(f"{path} has {len(content)} bytes, not {told.size}")
        if hashlib.sha256(content).hexdigest() != told.sha256:
            raise WrongBundle(f"{path} is not the file that its hash says")


def _first_line(error: ValueError) -> str:
    """Return what is wrong in one sentence: pydantic tells it in several lines."""
    faults = getattr(error, "errors", None)
    told = faults(include_url=False)[0] if faults is not None else None
    if told is None:
        return str(error)
    where = ".".join(map(str, told["loc"]))
    return f"{where}: {told['msg']}" if where else str(told["msg"]).removeprefix("Value error, ")


async def store(tx: Tx, pusher: Pusher, source: Source, *, now: datetime) -> bool:
    """Store a bundle for the VO; returns whether it did not have it. The transaction must have opened with `LOCK`."""
    return await upsert_bundle(tx, pusher, source.new(), now=now)


async def push(db: Database, pusher: Pusher, source: Source, *, now: datetime) -> bool:
    """Store a bundle in a transaction of its own; returns whether the VO did not have it."""
    async with db.transaction(opening=LOCK) as tx:
        return await store(tx, pusher, source, now=now)


async def find(tx: Tx, reader: WorkflowReader, reference: str, *, only: bool = False) -> Found:
    """Return the bundle of an id or a label, the oldest if several have the label.

    Raises `WorkflowNotFound`, and with `only` `AmbiguousLabel`.
    """
    workflow_id = reference.partition("#")[0]
    found = await select_bundles(tx, reader, workflow_id) if _ID.fullmatch(workflow_id) else []
    if not found:
        raise WorkflowNotFound(workflow_id)
    own = [row for row in found if row.bundle_id.hex() == workflow_id]
    # Only bundles of one file have a label: the same bytes under two names are no two meanings.
    if only and not own and len({_contents(row) for row in found}) > 1:
        raise AmbiguousLabel(workflow_id, [row.bundle_id.hex() for row in found])
    return own[0] if own else found[0]


def _contents(found: Found) -> tuple[str | None, ...]:
    manifest = Manifest.model_validate_json(found.manifest)
    return manifest.fragment, *sorted(file.sha256 for file in manifest.files.values())


async def read(tx: Tx, found: Found, *, fragment: str | None = None) -> Source:
    """Return a stored bundle with its files; `fragment` is meant in place of its own."""
    manifest = Manifest.model_validate_json(found.manifest)
    digests = {path: bytes.fromhex(file.sha256) for path, file in manifest.files.items()}
    contents = await select_files(tx, found, sorted(set(digests.values())))
    files = {path: contents[digest] for path, digest in digests.items()}
    source = Source(found.bundle_id, manifest, files, manifest.fragment, found.workflow_id, True)
    return source if fragment is None else replace(source, fragment=fragment)


async def read_file(tx: Tx, found: Found, path: str) -> bytes:
    """Return the bytes of one file; raises `FileNotInBundle`."""
    manifest = Manifest.model_validate_json(found.manifest)
    told = manifest.files.get(path)
    if told is None:
        raise FileNotInBundle(f"The workflow has no file {path[:200]!r}")
    digest = bytes.fromhex(told.sha256)
    return (await select_files(tx, found, [digest]))[digest]


def archive_of(source: Source) -> bytes:
    """Return a plain tar: first `manifest.json`, whose hash is the bundle's id, then each file below `files/`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in _members(source):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _members(source: Source) -> list[tuple[str, bytes]]:
    files = [(f"files/{path}", source.files[path]) for path in source.manifest.files]
    return [("manifest.json", source.manifest.canonical()), *files]
