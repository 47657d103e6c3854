"""The old names for files: `dirac-dms-*`, `dls`, `dput` and their like."""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from pprint import pformat
from typing import Any

from weyl.cli.legacy.arguments import Alias, Given, Option
from weyl.client.errors import UsageFault

SE = Option("DestinationSE", "D", "Storage element to put it on.")
LISTS = Option("File", "f", "Read names of files from this file.")
DIRECTORY = Option("Directory", "D", "Put the files here.")
# The scripts of others asked nobody.
YES = ("--yes",)
_SPEC = re.compile(r"([\w.-]+)\s*(!=|>=|<=|=|>|<)\s*(.*)", re.DOTALL)


def _lfns(given: Given) -> list[str]:
    """Return the names that were typed, or that are in local files of that name."""
    found: list[str] = []
    for word in (*given.words, *given.many("File")):
        path = Path(word)
        if not word.lower().startswith("lfn:") and path.is_file():
            found += [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        else:
            found += [part for part in word.split(",") if part]
    if not found:
        raise UsageFault("No file is named.", hint="Give names of files, or a file with them.")
    return found


def _on(*words: str, options: tuple[str, ...] = ()) -> Callable[[Given], list[str]]:
    return lambda given: [*words, *_lfns(given), *options]


def _ls(given: Given) -> list[str]:
    options = [option for name, option in (("l", "-l"), ("R", "-R")) if given.has(name)]
    return ["data", "ls", *given.words, *options]


def _listed(result: Any, given: Given) -> Iterator[str]:
    """Print entries as `ls` does, below the name of their directory if there are several."""
    for row in result.rows:
        name = row["lfn"] if given.has("R") or len(given.words) > 1 else row["name"]
        if given.has("l"):
            kind = "d" if row["type"] == "directory" else "-"
            size = "" if row["size"] is None else row["size"]
            times = str(row.get("created_at") or "")[:19].replace("T", " ")
            yield f"{kind}{_rights(row['mode'])} {row['owner']!s:<12} {row['group']!s:<16} {size:>14} {times} {name}"
        else:
            yield name


def _rights(mode: str) -> str:
    return "".join("".join(letter if int(digit) & bit else "-" for letter, bit in _BITS) for digit in mode[-3:])


_BITS = (("r", 4), ("w", 2), ("x", 1))


def _put(given: Given) -> list[str]:
    if not given.words:
        raise UsageFault("No file is named.", hint="As: dput FILE [LFN]")
    target = given.words[1:] or ["./"]
    return ["data", "put", given.words[0], *target, *_elements(given)]


def _elements(given: Given) -> list[str]:
    return [word for se in given.many("DestinationSE") for word in ("--se", se)]


def _add_file(given: Given) -> list[str]:
    if len(given.words) not in (3, 4):
        raise UsageFault("Three words are wanted.", hint="As: dirac-dms-add-file LFN FILE SE")
    lfn, path, se = given.words[:3]
    return ["data", "put", path, lfn, "--se", se]


def _get(given: Given) -> list[str]:
    words = given.words
    into = given.one("Directory") or "."
    if len(words) > 1 and Path(words[-1]).is_dir():
        *words, into = words
    return ["data", "get", *_lfns(Given(given.options, words)), "-d", into]


def _find(given: Given) -> list[str]:
    words = list(given.words)
    under = given.one("Path") or (words.pop(0) if words and words[0].startswith(("/", ".")) else "")
    specs = [_condition(word) for word in words] + [f"SE = {_quoted(se)}" for se in given.many("SE")]
    query = [" and ".join(specs)] if specs else []
    return ["data", "find", *query, *(["--under", under] if under else []), "--limit", "0", "--parameter", "LFN"]


def _condition(text: str) -> str:
    """Return a condition as weyl writes it; a list of values means one of them."""
    found = _SPEC.fullmatch(text.strip())
    if found is None:
        raise UsageFault(f"{text!r} is not a condition.", hint="As: Run>=1200, or Particle=gamma,proton")
    name, operator, value = found.groups()
    values = value.split(",")
    if len(values) > 1 and operator in ("=", "!="):
        return f"{name} {'in' if operator == '=' else 'not in'} ({', '.join(map(_word, values))})"
    return f"{name} {operator} {_word(value)}"


def _word(text: str) -> str:
    return text if re.fullmatch(r"[\w.:+-]+", text) else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _meta(given: Given) -> list[str]:
    """Read `dmeta ls LFN`, `dmeta add LFN A=B …`, `dmeta rm LFN A …`."""
    verb, *rest = given.words or [""]
    if verb == "ls" and rest:
        return ["data", "meta", "get", rest[0]]
    if verb in ("add", "replace") and len(rest) > 1:
        return ["data", "meta", "set", *rest]
    if verb == "rm" and len(rest) > 1:
        return ["data", "meta", "set", rest[0], *(word for name in rest[1:] for word in ("--unset", name))]
    raise UsageFault("Nothing to do.", hint="As: dmeta ls LFN, dmeta add LFN Run=1200, dmeta rm LFN Run")


def _metadata(result: Any, given: Given) -> Iterator[str]:
    if given.words[0] == "ls":
        yield from (f"{row['field']}={row['value']}" for row in result.rows)
    else:
        # It is changed while it is read.
        deque(result.ids, maxlen=0)


def _first_then_names(*words: str, shape: str = "{}") -> Callable[[Given], list[str]]:
    def make(given: Given) -> list[str]:
        if len(given.words) < 2:
            raise UsageFault("Two words are wanted, or more.", hint="What to set, then names of files.")
        first, *names = given.words
        recursive = ["-R"] if given.has("R") else []
        return [*words, shape.format(first), *names, *recursive]

    return make


def _dictionary(successful: Callable[[Any], dict[str, Any]]) -> Callable[[Any, Given], Iterator[str]]:
    """Return what prints `{'Failed': {…}, 'Successful': {…}}`, as DIRAC's programs did."""

    def show(result: Any, given: Given) -> Iterator[str]:
        done = successful(result)
        yield pformat({"Failed": dict(result.failed), "Successful": done})

    return show


def _put_ones(result: Any) -> dict[str, Any]:
    return {row["lfn"]: {"put": row["size"], "register": row["file_id"]} for row in result.document}


def _got_ones(result: Any) -> dict[str, Any]:
    return {row["lfn"]: str(Path(row["path"]).resolve()) for row in result.document}


def _replicas(result: Any) -> dict[str, Any]:
    found: dict[str, dict[str, str]] = {}
    for row in result.rows:
        found.setdefault(row["lfn"], {})[row["se"]] = row.get("pfn") or row["lfn"]
    return found


def _facts(result: Any) -> dict[str, Any]:
    return {row["lfn"]: _fact(row) for row in result.content}


def _fact(row: dict[str, Any]) -> dict[str, Any]:
    checksums = row.get("checksums") or {}
    return {
        "Checksum": checksums.get("adler32") or "",
        "ChecksumType": "Adler32",
        "CreationDate": row.get("created_at"),
        "FileID": row.get("file_id"),
        "GUID": row.get("guid") or "",
        "Mode": int(str(row.get("mode") or "0"), 8),
        "ModificationDate": row.get("modified_at"),
        "Owner": row.get("owner"),
        "OwnerGroup": row.get("group"),
        "Size": row.get("size"),
        "Status": 1,
    }


def _addresses(result: Any) -> dict[str, Any]:
    return {row["lfn"]: row["url"] for row in result.rows}


def _access_url(given: Given) -> list[str]:
    words = given.words[:1] if len(given.words) > 1 else given.words
    protocol = [word for each in given.many("Protocol") for word in ("--protocol", each)]
    return ["data", "url", *_lfns(Given(given.options, words)), *protocol]


def _names(result: Any, given: Given) -> Iterator[str]:
    yield from (row["LFN"] for row in result.rows)


def _places(result: Any, given: Given) -> Iterator[str]:
    yield from (f"{row['lfn']} {row['se']} {row['status']}" for row in result.rows)


def _removed(result: Any, given: Given) -> Iterator[str]:
    count = len(list(result.ids))
    if count:
        yield f"Successfully removed {count} catalog files."


def _size_of(given: Given) -> list[str]:
    return ["data", "stat", *_lfns(given)]


def _sizes(result: Any, given: Given) -> Iterator[str]:
    unit = given.one("Unit", "GB").upper()
    factor = {"MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}.get(unit)
    if factor is None:
        raise UsageFault(f"There is no unit {unit}.", hint="One of MB, GB, TB, PB.")
    total = sum(row["size"] for row in result.content)
    line = "-" * 30
    header = f"Size ({unit})"
    size = f"{total / factor:.1f}"
    yield from (line, f"{'Files':<15}|{header:>15}", line, f"{len(result.content):<15}|{size:>15}", line)


def _alias(name: str, summary: str, usage: str, words: Any, *, show: Any = None, options: Any = ()) -> Alias:
    return Alias(name, summary, f"[options] {usage}", words, show, tuple(options))


RECURSIVE = Option("R", "R", "What is below, too.", takes_value=False)
ALIASES = (
    _alias(
        "dls",
        "Lists directories.",
        "[PATH ...]",
        _ls,
        show=_listed,
        options=(Option("l", "l", "Show rights, owner, size and time.", takes_value=False), RECURSIVE),
    ),
    _alias("dput", "Puts a file on storage and into the catalogue.", "FILE [LFN]", _put, options=(SE,)),
    _alias("dget", "Fetches files.", "LFN ... [DIRECTORY]", _get, options=(DIRECTORY,)),
    _alias("drm", "Puts files into the trash.", "LFN ...", _on("data", "rm", options=YES), options=(LISTS,)),
    _alias("drmdir", "Removes empty directories.", "PATH ...", _on("data", "rmdir")),
    _alias("dmkdir", "Makes directories.", "PATH ...", _on("data", "mkdir")),
    _alias("dreplicas", "Prints where files lie.", "LFN ...", _on("data", "replicas"), show=_places),
    _alias("dfind", "Finds files by metadata.", "[PATH] META=VALUE ...", _find, show=_names),
    _alias("dmeta", "Reads and sets metadata.", "ls|add|rm LFN [META=VALUE ...]", _meta, show=_metadata),
    _alias(
        "dsize",
        "Prints how much files are.",
        "LFN ...",
        _size_of,
        show=_sizes,
        options=(LISTS, Option("Unit", "u", "MB, GB, TB or PB.")),
    ),
    _alias(
        "dchmod", "Changes who may do what.", "MODE PATH ...", _first_then_names("data", "chmod"), options=(RECURSIVE,)
    ),
    _alias("dchown", "Changes the owner.", "OWNER PATH ...", _first_then_names("data", "chown"), options=(RECURSIVE,)),
    _alias(
        "dchgrp",
        "Changes the group.",
        "GROUP PATH ...",
        _first_then_names("data", "chown", shape=":{}"),
        options=(RECURSIVE,),
    ),
    _alias(
        "dirac-dms-add-file",
        "Puts a file on a storage element and into the catalogue.",
        "LFN FILE SE",
        _add_file,
        show=_dictionary(_put_ones),
    ),
    _alias(
        "dirac-dms-get-file",
        "Fetches files.",
        "LFN ...",
        _get,
        show=_dictionary(_got_ones),
        options=(LISTS, DIRECTORY),
    ),
    _alias(
        "dirac-dms-lfn-replicas",
        "Prints where files lie.",
        "LFN ...",
        _on("data", "replicas"),
        show=_dictionary(_replicas),
        options=(LISTS, Option("All", "a", "Those that may not be used, too.", takes_value=False)),
    ),
    _alias(
        "dirac-dms-lfn-metadata",
        "Prints size, checksum and owner of files.",
        "LFN ...",
        _on("data", "stat"),
        show=_dictionary(_facts),
        options=(LISTS,),
    ),
    _alias(
        "dirac-dms-lfn-accessURL",
        "Prints an address to read a file from.",
        "LFN [SE]",
        _access_url,
        show=_dictionary(_addresses),
        options=(Option("Protocol", "", "s3, https or file."),),
    ),
    _alias(
        "dirac-dms-find-lfns",
        "Finds files by metadata.",
        "META=VALUE ...",
        _find,
        show=_names,
        options=(Option("Path", "", "Files below this directory."), Option("SE", "", "Files on this storage element.")),
    ),
    _alias(
        "dirac-dms-remove-files",
        "Puts files into the trash.",
        "LFN ...",
        _on("data", "rm", options=YES),
        show=_removed,
        options=(LISTS,),
    ),
    _alias(
        "dirac-dms-data-size",
        "Prints how much files are.",
        "LFN ...",
        _size_of,
        show=_sizes,
        options=(LISTS, Option("Unit", "u", "MB, GB, TB or PB.")),
    ),
)
