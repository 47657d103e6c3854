"""Prints what a command returned: data on stdout in the format asked for, everything else on stderr."""

import codecs
import csv
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TextIO

from weyl.cli.loader import load
from weyl.cli.screen import clear, put, put_clean
from weyl.cli.session import CommandSession
from weyl.cli.table import block_lines, table_lines, width_of_terminal
from weyl.client.errors import NotFound, PartlyFailed, UsageFault
from weyl.client.paging import COUNT_MAX
from weyl.client.results import Cleared, Document, Done, Events, Ids, Parts, Rows, Text
from weyl.client.spelling import suggestion
from weyl.kit.plain_text import spreadsheet_cell, visible


def print_result(result: Any, session: CommandSession) -> int:
    """Print a result and return the exit code it stands for."""
    match result:
        case None:
            return 0
        case Rows():
            return _print_rows(result, session)
        case Document():
            _print_document(result, session)
        case Ids():
            _print_ids(result, session)
        case Parts():
            codes = [print_result(part, session) for part in result.parts]
            return max(codes, default=0)
        case Text():
            _print_text(result, session)
        case Events():
            _print_events(result, session)
        case Done():
            if result.document is not None and session.output in ("json", "ndjson", "yaml"):
                _print_document(Document(result.document), session)
            session.say(result.sentence)
            return result.exit_code
        case _:
            raise TypeError(f"a command returned {type(result).__name__}, which nobody can print")
    return 0


def plain(value: Any) -> Any:
    """Return a value that JSON knows: models by their wire names, times as text."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _print_rows(result: Rows, session: CommandSession, *, is_limited: bool = True) -> int:
    count = 0
    is_cut = False

    def counted(rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
        nonlocal count, is_cut
        source = iter(rows)
        for row in islice(source, (session.options.limit or None) if is_limited else None):
            count += 1
            shown = plain(row)
            session.learner.take(result.unit, result.id_column, shown)
            yield shown
        is_cut = next(source, None) is not None

    output = _form(result, session)
    columns = session.options.columns or (None if output == "wide" else result.columns)
    rows = counted(result.rows)
    head = next(rows, None)
    everything: Iterator[dict[str, Any]] = rows if head is None else chain([head], rows)
    names = list(columns or (head or {}))
    if head is not None and session.options.columns:
        _check_columns(names, head)
    # Programs get all fields unless they chose: a default selection is for people's eyes.
    chosen = names if session.options.columns or output in ("table", "wide", "csv", "tsv") else None
    _write_rows(everything, names, chosen, session, result)
    sys.stdout.flush()
    session.say(words_below(count, result, is_cut=is_cut, is_footer=session.is_for_people))
    _tell_failed(result.failed, done=count)
    if count == 0 and session.options.fail_empty:
        raise NotFound("Nothing was found.", hint="")
    return 0


def _write_rows(
    rows: Iterator[dict[str, Any]], names: list[str], chosen: list[str] | None, session: CommandSession, result: Rows
) -> None:
    out, header = sys.stdout, not session.options.no_header
    match _form(result, session):
        case "id":
            for row in rows:
                put(str(row.get(result.id_column, next(iter(row.values()), ""))))
        case "ndjson":
            for row in rows:
                put_clean(json.dumps(_select(row, chosen), separators=(",", ":")))
        case "json":
            _write_json_list((_select(row, chosen) for row in rows), out, pretty=session.stdout_is_terminal)
        case "yaml":
            _write_yaml_list(_select(row, chosen) for row in rows)
        case "csv" | "tsv" as kind:
            _write_separated(rows, names, out, separator="," if kind == "csv" else "\t", header=header)
        case kind:
            width = width_of_terminal() if session.is_for_people and kind == "table" else None
            look: dict[str, Any] = {"width": width, "header": header, "color": session.has_color}
            for line in table_lines(rows, names, **look, whole=result.id_column, is_exact=kind == "wide"):
                put_clean(line)


def words_below(count: int, result: Rows, *, is_cut: bool, is_footer: bool) -> str:
    """Return the line below rows: whether some were left out, and how many; as a footer also that none were."""
    total = result.total() if result.total is not None else None
    last = result.first + count - 1
    has_more = is_cut or (result.has_more is not None and result.has_more())
    if not has_more and (total is None or total <= count):
        return (f"{count:,} {unit_of(count, result.unit)}" if count else f"No {result.unit}.") if is_footer else ""
    if total is None:
        return f"The first {count:,} {unit_of(count, result.unit)}; there are more. All of them: --limit 0"
    of = f"more than {COUNT_MAX:,}" if total == COUNT_MAX + 1 else f"{total:,}"
    if count == 0:
        return f"No more {result.unit}: there are {of} in all."
    if is_footer:
        return f"{result.first:,}-{last:,} of {of} {unit_of(total, result.unit)}"
    left = f"more than {COUNT_MAX - count:,}" if total == COUNT_MAX + 1 else f"{total - count:,}"
    return f"{result.first:,}-{last:,} of {of} {unit_of(total, result.unit)}, {left} left out. All of them: --limit 0"


def _form(result: Rows | Document, session: CommandSession) -> str:
    """Return the format of a result, which may have one of its own where nobody asked for one."""
    return session.output if session.has_asked_format else result.form


def unit_of(count: int, unit: str) -> str:
    """Return the name of what is counted, in the singular for one."""
    if count != 1:
        return unit
    return unit.removesuffix("es") if unit.endswith("xes") else unit.removesuffix("s")


def _check_columns(names: Sequence[str], row: Mapping[str, Any]) -> None:
    for name in names:
        if name not in row:
            hint = suggestion(name, row, otherwise=f"The columns are: {', '.join(row)}.")
            raise UsageFault(f"There is no column {name!r} here.", hint=hint)


def _select(row: Mapping[str, Any], names: Sequence[str] | None) -> Mapping[str, Any]:
    return row if names is None else {name: row.get(name) for name in names}


def _write_json_list(rows: Iterator[Mapping[str, Any]], out: TextIO, *, pretty: bool) -> None:
    """Write one JSON document row by row, so that a long list needs no memory."""
    written = False
    for row in rows:
        text = json.dumps(row, indent=2) if pretty else json.dumps(row)
        text = "\n".join(f"  {line}" for line in text.splitlines()) if pretty else text
        put_clean((",\n" if written else "[\n" if pretty else "[") + text, end="", out=out)
        written = True
    put_clean(("\n]" if pretty else "]") if written else "[]", out=out)


def _write_yaml_list(rows: Iterator[Mapping[str, Any]]) -> None:
    """Write one list in YAML row by row, so that a long one needs no memory."""
    dump, is_empty = load("yaml").safe_dump, True
    for row in rows:
        put_clean(dump([row], sort_keys=False), end="")
        is_empty = False
    if is_empty:
        put_clean("[]")


def _write_separated(
    rows: Iterator[dict[str, Any]], names: list[str], out: TextIO, *, separator: str, header: bool
) -> None:
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    if header and names:
        writer.writerow(map(spreadsheet_cell, names))
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return spreadsheet_cell(json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value))


def _print_document(result: Document, session: CommandSession) -> None:
    _write_document(result, session)
    if result.failed:
        _tell_failed(result.failed, done=len(result.content))


def _write_document(result: Document, session: CommandSession) -> None:
    if session.output == "id" and result.ids:
        for each in result.ids:
            put(str(each))
        return
    content = plain(result.content)
    output = _form(result, session)
    if isinstance(content, list) and output in ("csv", "tsv", "ndjson", "id"):
        _print_rows(Rows(content, id_column=result.id_column), session)
        return
    text = result.text
    if session.options.columns and content and _is_blocks(content):
        # The text shows everything.
        content, text = _with_columns(content, session.options.columns), None
    match output:
        case "yaml":
            put_clean(_yaml(content), end="")
        case "table" | "wide" if text is not None:
            put(text)
        case "table" | "wide" if _is_blocks(content):
            for line in block_lines([content] if isinstance(content, dict) else content, color=session.has_color):
                put_clean(line)
        case "csv" | "tsv" as kind if isinstance(content, dict):
            separator = "," if kind == "csv" else "\t"
            header = not session.options.no_header
            _write_separated(iter([dict(content)]), list(content), sys.stdout, separator=separator, header=header)
        case "ndjson":
            put_clean(json.dumps(content, separators=(",", ":")))
        case _:
            put_clean(json.dumps(content, indent=2))


def _is_blocks(content: Any) -> bool:
    """Tell whether people read a document as keys and values, of one thing or of several."""
    return isinstance(content, dict) or (isinstance(content, list) and all(isinstance(each, dict) for each in content))


def _with_columns(content: Any, names: Sequence[str]) -> Any:
    """Return a document, or each of several, with the chosen keys; raises `UsageFault` for one that is not there."""
    _check_columns(names, content if isinstance(content, dict) else content[0])
    return _select(content, names) if isinstance(content, dict) else [_select(each, names) for each in content]


def _yaml(content: Any) -> str:
    """Return a document in YAML, with letters of all languages as they are where nothing has to be written out."""
    dump = load("yaml").safe_dump
    text: str = dump(content, sort_keys=False, allow_unicode=True)
    return text if text == visible(text) else str(dump(content, sort_keys=False))


def _print_ids(result: Ids, session: CommandSession) -> None:
    count = 0

    def counted() -> Iterator[object]:
        nonlocal count
        for each in result.ids:
            count += 1
            session.learner.take(result.unit, result.id_column, {result.id_column: each})
            yield each

    ids = counted()
    if session.output in ("table", "wide", "id"):
        for each in ids:
            put(str(each))
    else:
        document = ({result.id_column: each} for each in ids) if result.document is None else result.document
        if isinstance(document, Mapping):
            _print_document(Document(document), session)
        else:
            _print_rows(Rows(document, id_column=result.id_column, unit=result.unit), session, is_limited=False)
        # The ids of which a document was given are counted only.
        deque(ids, maxlen=0)
    sys.stdout.flush()
    session.say(result.sentence if isinstance(result.sentence, str) else result.sentence(count))
    _tell_failed(result.failed, done=count)


def _tell_failed(failed: Mapping[Any, str], *, done: int) -> None:
    if failed:
        sys.stdout.flush()
        details = {str(key): str(reason) for key, reason in failed.items()}
        raise PartlyFailed(f"{len(failed):,} of {len(failed) + done:,} failed.", details=details, hint="")


def _print_text(result: Text, session: CommandSession) -> None:
    """Print text exactly as it is into pipes and files; a terminal obeys what it gets, so there it is made visible."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in result.chunks:
        if isinstance(chunk, Cleared):
            clear()
        elif session.stdout_is_terminal:
            put(decoder.decode(chunk) if isinstance(chunk, bytes) else chunk, end="")
        elif isinstance(chunk, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(chunk)
        else:
            put_clean(chunk, end="")
        sys.stdout.flush()


def _print_events(result: Events, session: CommandSession) -> None:
    for event in result.events:
        is_for_people = session.output in ("table", "wide") and (session.has_asked_format or session.stdout_is_terminal)
        if is_for_people and result.line is not None:
            line = result.line(event)
            if line is not None:
                session.say(line)
        else:
            put_clean(json.dumps(plain(event), separators=(",", ":")))
            sys.stdout.flush()
