"""Writes records as Parquet; needs pyarrow (`pip install 'weyl[parquet]'`)."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_NUMBERS = ("wall_s", "cpu_s", "core_s", "job_wall_s", "memory_kib_max")
_WHOLE = ("record_id", "job_id", "attempt", "cores", "jobs")
_TIME = pa.timestamp("us", tz="UTC")


def write(pages: Iterator[bytes], file: Path) -> int:
    """Write pages of CSV, each with its head, into one file, a group of rows a page; returns how many records."""
    count, writer = 0, None
    try:
        for page in pages:
            table = _table(page.decode())
            if writer is None:
                writer = pq.ParquetWriter(file, table.schema, compression="zstd")
            if table.num_rows:
                writer.write_table(table)
                count += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return count


def _table(text: str) -> pa.Table:
    rows = list(csv.reader(io.StringIO(text)))
    names = rows.pop(0)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = {name: _array(name, values) for name, values in zip(names, columns, strict=True)}
    return pa.table(arrays)


def _array(name: str, values: tuple[str, ...]) -> pa.Array:
    if name in _WHOLE:
        return pa.array([int(value) if value else None for value in values], pa.int64())
    if name in _NUMBERS:
        return pa.array([float(value) if value else None for value in values], pa.float64())
    if name.endswith("_at"):
        return pa.array([datetime.fromisoformat(value) if value else None for value in values], _TIME)
    if name == "lost":
        return pa.array([value == "True" for value in values], pa.bool_())
    return pa.array([value or None for value in values], pa.string())
