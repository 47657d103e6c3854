"""`weyl data check`: what the catalogue and the storage elements do not agree on."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.results import Done, Parts, Result, Rows
from weyl.storage import calls

COLUMNS = ("kind", "se", "path", "lfn", "detail")
FINDINGS_CODE = 7


def check(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SE]...", help="Storage elements; all of your VO if none is named.")
    ] = None,
    *,
    under: Annotated[str | None, typer.Option(metavar="DIR", help="Only what lies below this directory.")] = None,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Compare checksums too; files may have to be read for it.")
    ] = False,
) -> Result:
    """Compares the catalogue with storage elements: lost, dark, truncated and differing files.

    Nothing is changed. Files of uploads that have not ended are no findings. With findings the exit code is 7.
    Needs Operator or FileCatalogManagement.

    Example: weyl data check CERN-DISK --under /lhcb/mc
    """
    session = session_of(context)
    ses = names or [each["name"] for each in session.client.send(calls.elements())]
    walk = _Walk(session, under, checksums)
    return Parts(_parts(walk, ses))


class _Walk:
    """The comparison of storage elements, page by page, and what it has come to."""

    def __init__(self, session: Session, under: str | None, checksums: bool) -> None:
        self._session = session
        self._under = under
        self._checksums = checksums
        self.compared = self.findings = 0

    def rows(self, ses: list[str]) -> Iterator[dict[str, Any]]:
        """Yield what was found, as it comes."""
        for se in ses:
            cursor: str | None = ""
            while cursor is not None:
                call = calls.check(se, under=self._under, cursor=cursor or None, checksums=self._checksums)
                page = self._session.client.send(call)
                self.compared += page["compared"]
                self.findings += len(page["findings"])
                self._session.progress(f"{se}: {self.compared:,} files compared, {self.findings:,} findings")
                yield from ({"se": se, **finding} for finding in page["findings"])
                cursor = page["cursor"]


def _parts(walk: _Walk, ses: list[str]) -> Iterator[Result]:
    yield Rows(walk.rows(ses), columns=COLUMNS, id_column="path", unit="findings")
    elements = "1 storage element" if len(ses) == 1 else f"{len(ses)} storage elements"
    yield Done(
        f"{walk.compared:,} files at {elements} compared: {walk.findings or 'no'} findings",
        exit_code=FINDINGS_CODE if walk.findings else 0,
    )
