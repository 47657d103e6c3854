"""Commands that move bytes: put, get; and register, for bytes that lie on storage already."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TextIO

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, Interrupted, UsageFault
from weyl.client.results import Ids, Result
from weyl.file_catalog import calls as files
from weyl.storage.cli.names import Failed, Lfns, Namer, Site, names_of, pairs, typed
from weyl.storage.cli.progress import Progress, size_text
from weyl.storage.transfer.fetching import Got, get
from weyl.storage.transfer.local_files import LocalFault, local_files
from weyl.storage.transfer.registering import BadLine, Registered, lines_of, register_lines
from weyl.storage.transfer.sending import Options, Put, put

Meta = Annotated[
    list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Metadata of the files; may be repeated.")
]


@dataclass(slots=True)
class _Tally:
    """What has come of many files."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    failed: Failed = field(default_factory=dict)
    bytes: int = 0
    there: int = 0

    def sentence(self, verb: str) -> str:
        """Return what to say of them."""
        count = len(self.rows) - self.there
        said = f"{verb} {count:,} {'file' if count == 1 else 'files'} ({size_text(self.bytes)})"
        return said + (f", {self.there:,} {'was' if self.there == 1 else 'were'} there already." if self.there else ".")

    def result(self, verb: str) -> Result:
        """Return the names on stdout, or their rows, and the failed."""
        ids = [row["lfn"] for row in self.rows]
        return Ids(ids, self.sentence(verb), id_column="lfn", unit="files", document=self.rows, failed=self.failed)


def put_files(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE… LFN", help="Files or directories of this machine; then the name, or a directory/."
        ),
    ],
    *,
    se: Annotated[
        list[str] | None,
        typer.Option("--se", metavar="SE", help="Put it here; may be repeated, the first that takes it."),
    ] = None,
    meta: Meta = None,
    ancestor: Annotated[
        list[str] | None, typer.Option("--ancestor", metavar="LFN", help="What they were made from; may be repeated.")
    ] = None,
    site: Site = None,
    atomic: Annotated[bool, typer.Option("--atomic", help="Let all appear in the catalogue at once, or none.")] = False,
) -> Result:
    """Puts files on storage and into the catalogue, four at a time.

    A file appears in the catalogue when storage has it, with the right checksum. After Ctrl-C the same command goes on.

    Example: weyl data put mu.root /hep/user/a/alice/mu.root --meta Run=1207
    """
    session = session_of(context)
    if len(names) < 2:
        raise UsageFault("The name in the catalogue is missing.", hint="As: weyl data put mu.root /hep/user/a/alice/")
    *paths, target = names
    namer = Namer(session)
    wanted = namer(target) + ("/" if target.endswith("/") else "")
    try:
        found = local_files([Path(each) for each in paths], wanted)
    except LocalFault as error:
        raise UsageFault(f"{error}.", hint="Nothing was put.") from error
    options = Options(
        ses=se or (),
        site=site,
        metadata=_metadata(session, meta),
        ancestors=[namer(each) for each in ancestor or ()],
        atomic=atomic,
    )
    tally = _Tally()
    try:
        for each in put(session.client, found, options, observer=Progress(session, "put")):
            _note_put(tally, each)
    except KeyboardInterrupt:
        raise _interrupted(tally, len(found)) from None
    return tally.result("Put")


def _metadata(session: Session, words: list[str] | None) -> dict[str, Any]:
    """Return the values that were given, as their fields want them."""
    given = pairs(words or (), "--meta")
    if not given:
        return {}
    known = session.client.send(files.fields())
    return typed(given, known)


def _note_put(tally: _Tally, each: Put) -> None:
    if each.reason is not None:
        tally.failed[each.lfn] = each.reason
        return
    tally.rows.append(
        {
            "lfn": each.lfn,
            "file_id": each.file_id,
            "size": each.size,
            "checksums": dict(each.checksums),
            "se": each.se,
            "was_there": each.was_there,
        }
    )
    tally.there += each.was_there
    tally.bytes += 0 if each.was_there else each.size


def get_files(
    context: typer.Context,
    lfns: Lfns,
    *,
    directory: Annotated[Path, typer.Option("--directory", "-d", metavar="DIR", help="Where to put them.")] = Path(),
    site: Site = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of these names that are other files.")
    ] = False,
) -> Result:
    """Fetches files, four at a time; each is compared with its checksum before it has its name.

    After Ctrl-C the same command goes on where it stopped.

    Example: weyl data find "Run = 1207" -q | weyl data get - -d data
    """
    session = session_of(context)
    tally = _Tally()
    wanted = places(names_of(session, lfns), directory, tally.failed)
    try:
        for each in get(session.client, wanted, site=site, overwrite=overwrite, observer=Progress(session, "get")):
            _note_got(tally, each)
    except KeyboardInterrupt:
        raise _interrupted(tally, len(wanted)) from None
    return tally.result("Fetched")


def places(lfns: Iterator[str], directory: Path, failed: Failed) -> dict[str, Path]:
    """Return where each file goes; two of one name do not go into one directory."""
    wanted: dict[str, Path] = {}
    taken: dict[str, str] = {}
    for lfn in lfns:
        name = PurePosixPath(lfn).name
        if taken.setdefault(name, lfn) != lfn:
            failed[lfn] = f"has the name of {taken[name]}: fetch it into another directory"
        else:
            wanted[lfn] = directory / name
    return wanted


def _note_got(tally: _Tally, each: Got) -> None:
    if each.reason is not None:
        tally.failed[each.lfn] = each.reason
        return
    row = {"lfn": each.lfn, "path": str(each.path), "size": each.size, "checksum": each.checksum, "se": each.se}
    tally.rows.append({**row, "was_there": each.was_there})
    tally.there += each.was_there
    tally.bytes += 0 if each.was_there else each.size


def register(
    context: typer.Context,
    source: Annotated[
        typer.FileText, typer.Argument(metavar="FILE.ndjson", help="One JSON object a line; - is stdin.")
    ],
    *,
    se: Annotated[str, typer.Option("--se", metavar="SE", help="Where the files lie.")],
    meta: Meta = None,
) -> Result:
    """Takes files into the catalogue that lie on storage already, after size and checksum are compared there.

    A line is {"lfn": …, "size": …, "checksums": {"adler32": …}}, with "pfn" where the path on storage is another,
    "metadata", "guid" and "ancestors" as there are. What is registered already is passed by: the same command goes on
    after Ctrl-C, and after failures.

    Example: weyl data register files.ndjson --se DEMO-DISK
    """
    session = session_of(context)
    tally = _Tally()
    lines = lines_of(_lines(source), se=se, metadata=_metadata(session, meta))
    try:
        for each in register_lines(
            session.client, _wanted(lines, tally.failed), observer=Progress(session, "register")
        ):
            _note_registered(tally, each)
            if len(tally.rows) % 1_000 == 0:
                session.progress(f"register: {len(tally.rows):,} files, {len(tally.failed):,} failed")
    except KeyboardInterrupt:
        raise _interrupted(tally, None) from None
    return tally.result("Registered")


def _lines(source: TextIO) -> Iterator[str]:
    yield from source


def _wanted(lines: Iterator[Mapping[str, Any] | BadLine], failed: Failed) -> Iterator[Mapping[str, Any]]:
    for each in lines:
        if isinstance(each, BadLine):
            failed[f"line {each.number}"] = each.reason
        else:
            yield each


def _note_registered(tally: _Tally, each: Registered) -> None:
    if each.reason is not None:
        tally.failed[each.lfn] = each.reason
        return
    tally.rows.append({"lfn": each.lfn, "file_id": each.file_id, "size": each.size, "was_there": each.was_there})
    tally.there += each.was_there
    tally.bytes += 0 if each.was_there else each.size


def _interrupted(tally: _Tally, wanted: int | None) -> ClientError:
    of = "" if wanted is None else f" of {wanted:,}"
    return Interrupted(f"Interrupted: {len(tally.rows):,}{of} files are done.", hint="The same command goes on.")
