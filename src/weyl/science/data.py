"""`weyl.data`: files of the catalogue, put, fetched, found and listed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weyl.client.errors import NotFound, PartlyFailed, UsageFault
from weyl.client.sync import Client
from weyl.science.options import Text, texts
from weyl.science.session import ProgramSession, session_of
from weyl.storage.cli.find import Pages, query_of
from weyl.storage.cli.look import entries
from weyl.storage.cli.names import Namer
from weyl.storage.cli.progress import Progress
from weyl.storage.cli.transfers import places
from weyl.storage.transfer import fetching, sending
from weyl.storage.transfer.local_files import LocalFault, local_files


def put(
    paths: Text | Sequence[Text],
    name: str,
    *,
    meta: Mapping[str, Any] | None = None,
    se: str | Sequence[str] = (),
    progress: bool = True,
    client: Client | None = None,
) -> list[str]:
    """Put files or directories of this machine on storage and into the catalogue, and return their names there.

    Several, or any if `name` ends with a slash, are put below it by their own names. Names that do not begin with a
    slash lie below your home. A file appears in the catalogue when storage has it with the right checksum. Raises
    `PartlyFailed` with the reason of each that failed; the same call goes on with these.
    """
    session = session_of(client)
    namer = Namer(session)
    target = namer(name) + ("/" if name.endswith("/") else "")
    try:
        found = local_files([Path(each) for each in texts(paths)], target)
    except LocalFault as error:
        raise UsageFault(f"{error}.", hint="Nothing was put.") from error
    options = sending.Options(ses=texts(se), metadata=dict(meta or {}))
    done = sending.put(session.client, found, options, observer=_observer(session, "put", progress))
    answers = [(each.lfn, each.reason) for each in done]
    session.progress("")
    return _good(answers, "put")


def get(
    names: str | Sequence[str],
    directory: Text = ".",
    *,
    overwrite: bool = False,
    progress: bool = True,
    client: Client | None = None,
) -> list[Path]:
    """Fetch files of the catalogue into a directory, each compared with its checksum, and return their paths.

    Files that are there already are not fetched again. Raises `PartlyFailed` with the reason of each that failed.
    """
    session = session_of(client)
    namer = Namer(session)
    failed: dict[str, str] = {}
    wanted = places((namer(each) for each in texts(names)), Path(directory), failed)
    done = fetching.get(session.client, wanted, overwrite=overwrite, observer=_observer(session, "get", progress))
    answers = [(each.lfn, each.reason) for each in done]
    session.progress("")
    return [wanted[lfn] for lfn in _good([*answers, *failed.items()], "fetched")]


def find(
    query: str | None = None, *, under: str | None = None, limit: int | None = None, client: Client | None = None
) -> list[str]:
    """Return the names of files that meet conditions, as `weyl data find` takes them: `"Run > 1200 and SE = DISK"`.

    Without `limit` these are all of them.
    """
    session = ProgramSession(session_of(client).client)
    session.options.limit = limit or 0
    asked = query_of(session, query, under) | {"parameters": ["LFN"]}
    return [str(row["LFN"]) for row in Pages(session, asked, counts=False).rows()]


def ls(path: str = ".", *, client: Client | None = None) -> list[dict[str, Any]]:
    """Return the entries of a directory, your home if none is named: first directories, whose `name` ends with `/`.

    Each has `name`, `lfn`, `type` and `size` in bytes, among others. A home that has no file yet is empty.
    """
    session = session_of(client)
    try:
        return list(entries(session, Namer(session)(path), trash=False))
    except NotFound:
        if path == ".":
            return []
        raise


def _observer(session: ProgramSession, verb: str, is_shown: bool) -> Progress | None:
    return Progress(session, verb) if is_shown and session.stderr_is_terminal else None


def _good(answers: Sequence[tuple[str, str | None]], verb: str) -> list[str]:
    """Return the names of what was done; raises if something was not."""
    failed = {lfn: reason for lfn, reason in answers if reason is not None}
    if failed:
        lfn, reason = next(iter(failed.items()))
        more = f" (and {len(failed) - 1:,} more)" if len(failed) > 1 else ""
        raise PartlyFailed(
            f"{lfn}{more} was not {verb}: {reason}", hint="`details` has each reason; try again.", details=failed
        )
    return [lfn for lfn, _ in answers]
