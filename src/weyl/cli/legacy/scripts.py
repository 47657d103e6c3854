"""`weyl legacy-aliases`: small programs with the names that DIRAC's users have in their fingers and scripts."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from weyl.cli.legacy.__main__ import ALIASES
from weyl.cli.legacy.arguments import Alias
from weyl.client.errors import UsageFault
from weyl.client.results import Ids, Result, Rows

MARK = "# Written by `weyl legacy-aliases`, which also removes it."

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def legacy_aliases(
    *,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="D", help="Where to write them; put it on your PATH.")
    ] = None,
    family: Annotated[
        Literal["dirac", "short", "all"], typer.Option("--family", help="Names with `dirac-`, the short ones, or all.")
    ] = "all",
    lists: Annotated[bool, typer.Option("--list", help="Show the names, and write nothing.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove those that were written before.")] = False,
) -> Result:
    """Writes programs with DIRAC's old names that call weyl; a file that it did not write is left alone.

    Example: weyl legacy-aliases --dir ~/bin --family short
    """
    chosen = [alias for alias in ALIASES.values() if family in ("all", alias.family)]
    if lists:
        rows = [{"Name": alias.name, "Family": alias.family, "Meaning": alias.summary} for alias in chosen]
        return Rows(rows, columns=("Name", "Family", "Meaning"), id_column="Name", unit="aliases")
    if directory is None:
        raise UsageFault("Say where to write them.", hint="As: weyl legacy-aliases --dir ~/bin; names: --list")
    return _remove(directory, chosen) if remove else _write(directory, chosen)


def _write(directory: Path, chosen: Iterable[Alias]) -> Result:
    directory.mkdir(parents=True, exist_ok=True)
    done: list[str] = []
    failed: dict[str, str] = {}
    for alias in chosen:
        path = directory / alias.name
        if path.exists() and not _is_ours(path):
            failed[alias.name] = f"{path} is there, and is not ours"
            continue
        program = shlex.join([sys.executable, "-m", "weyl.cli.legacy", alias.name])
        path.write_text(f'#!/bin/sh\n{MARK}\nexec {program} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        done.append(alias.name)
    return Ids(done, lambda count: f"Wrote {count} aliases into {directory}.", id_column="Name", failed=failed)


def _remove(directory: Path, chosen: Iterable[Alias]) -> Result:
    gone = [alias.name for alias in chosen if _is_ours(directory / alias.name)]
    for name in gone:
        (directory / name).unlink()
    return Ids(gone, f"Removed {len(gone)} aliases from {directory}.", id_column="Name")


def _is_ours(path: Path) -> bool:
    try:
        return MARK in path.read_text(encoding="utf-8", errors="replace")[:1000]
    except OSError:
        return False
