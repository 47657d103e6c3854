"""What the author of a description probably did not mean: misspelled names, placeholders and programs of nobody."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from weyl.descriptions.attributes import misspelled
from weyl.descriptions.description import FIELDS
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Document
from weyl.descriptions.parametric import Expansion, texts_in

_NAMED = re.compile(r"%\((\w+)\)s", re.ASCII)
_LONE = re.compile(r"%s", re.ASCII)
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip")
_COMMANDS = """
    apptainer awk basename bash bunzip2 bzip2 cat chmod cmake cmp conda cp csh curl cut date dd df diff dirname du echo
    egrep env expr false fgrep find g++ gcc getconf gfal-copy gfortran git grep gunzip gzip head hostname id java julia
    kill ksh ldd ln ls make matlab md5sum mkdir mktemp mpiexec mpirun mv nice node nproc octave od openssl perl pip
    pip3 printenv printf ps pwd pypy3 python python2 python3 R realpath rm rmdir root Rscript rsync ruby scp sed seq sh
    sha256sum singularity sleep sort split ssh stat sync tail tar tcsh tee test time timeout touch tr true uname uniq
    unxz unzip uptime wc wget which whoami xargs xrdcp xz yes zcat zip zsh zstd
"""
COMMANDS = frozenset(_COMMANDS.split())
"""Programs that a node may be expected to have; nobody is told of them."""
# Starters of the field's software, which a site's environment puts into the path.
_STARTERS = ("dirac-", "lb-", "gaudi", "python3.", "cms", "athena", "ganga")


def check_placeholders(document: Document, expansion: Expansion | None, added: Iterable[str] = ()) -> None:
    """Raise `BadAttribute` for a `%(name)s` that no series has the values of; `added` are attributes of extensions."""
    series = () if expansion is None else tuple(name for name in expansion.sequences if name)
    for attribute in _meaningful(document, added):
        for name in _NAMED.findall("\n".join(texts_in(document[attribute]))):
            if name not in series:
                raise BadAttribute(attribute, f"has %({name})s, but there is no series {name!r}: {_cure(name, series)}")


def advice(document: Document, expansion: Expansion | None, added: Iterable[str] = ()) -> Iterator[str]:
    """Yield what to tell the author of a description that is accepted all the same."""
    yield from misspelled(document, added)
    if expansion is not None and "" not in expansion.sequences:
        name = next(iter(expansion.sequences))
        for attribute in _meaningful(document, added):
            if any(map(_LONE.search, texts_in(document[attribute]))):
                yield f"{attribute} has %s, but the parameters have names: did you mean %({name})s?"
    program = document.get("Executable")
    missing = missing_program(program if isinstance(program, str) else "", _brought(document))
    if missing is not None:
        yield missing


def missing_program(executable: str, brought: Iterable[str] | None) -> str | None:
    """Say that nothing brings the program of a job; None if something may, or if the node should have it.

    `brought` are the names of the files that come with the job, or None where nobody knows them.
    """
    if brought is None or "%" in executable or executable.startswith(("/", "$")) or not executable:
        return None
    names = set(brought)
    first = executable.removeprefix("./").partition("/")[0]
    if first in names or any(name.endswith(_ARCHIVES) for name in names):
        return None
    if executable == first and (first in COMMANDS or first.startswith(_STARTERS)):
        return None
    near = get_close_matches(first, names, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return (
        f"Executable {executable} is neither in the input sandbox nor a path nor a command that every node has: "
        f"it must be in the PATH of the node.{meant}"
    )


def _brought(document: Document) -> list[str] | None:
    """Return the names of the files that a description brings; None if sandboxes bring more."""
    texts = [text for name in ("InputSandbox", "InputData") for text in texts_in(document.get(name))]
    names = [name.strip() for text in texts for name in text.split(",")]
    if any(name.startswith("SB:") or "%" in name for name in names):
        return None
    return [name.rstrip("/").rpartition("/")[2] for name in names]


def _meaningful(document: Document, added: Iterable[str]) -> list[str]:
    known = {*FIELDS, *added}
    return [name for name in document if name in known]


def _cure(name: str, series: Iterable[str]) -> str:
    near = get_close_matches(name, list(series), n=1)
    return f"did you mean %({near[0]})s?" if near else f"give its values, as Parameters.{name}"
