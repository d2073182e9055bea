"""The archive's file format: one Parquet file for each class and day, zstd, one row an event.

Columns have the names and types of the envelope; a null correlation_id is the event's own id.
Rows stand in groups of ROWS_PER_GROUP by position; within a group they are ordered by type and
stream, because like payloads beside each other take a quarter less space. Whoever reads a group
orders it by position again. Pages carry checksums; position, recorded_at and input_position carry
statistics, and the footer the types and streams of the file.

Used by store/archive.py and store/archiver.py. Column-wise: no Python object for each event, but
for cutting canonical bytes into fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from asyncpg.pgproto.pgproto import UUID

from store.envelope import FIXED_BYTES, FIXED_COLUMNS, VARYING_COLUMNS

Found = TypeVar("Found")
ROWS_PER_GROUP = 32_768
"""Bounds the memory of reading and writing: 30 MB of payloads on a busy day."""
PAYLOAD_LEVEL = 17
"""From 12 to 17 payloads shrink by a fifth; written once at night, read back at the same speed."""
_PAGE_BYTES = 16 << 20  # one page a group: a page is what zstd sees at once
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSTGRES_EPOCH_US = 946_684_800_000_000
FOOTER = b"striketape"
NAMES_MAX = 10_000
"""Of streams listed in the footer; a file with more lists none, and every question opens it."""

_KINDS = {"position": ">i8", "version": ">i4", "schema": ">i4", "ordinal": ">i4"}
_KINDS |= dict.fromkeys(("recorded_at", "market_time", "occurred_at"), ">i8")
_KINDS |= dict.fromkeys(("event_id", "correlation_id"), "V16")
_FIXED = np.dtype(
    [
        ("fields", ">i2"),
        *(
            part
            for name in FIXED_COLUMNS
            for part in ((f"length of {name}", ">i4"), (name, _KINDS[name]))
        ),
    ]
)
"""The part of a canonical row that has one width, as it lies in memory."""
assert _FIXED.itemsize == FIXED_BYTES
_TIME = pa.timestamp("us", "UTC")
_ID = pa.binary(16)
SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("version", pa.int32(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("schema", pa.int32(), nullable=False),
        pa.field("event_id", _ID, nullable=False),
        pa.field("occurred_at", _TIME, nullable=False),
        pa.field("recorded_at", _TIME, nullable=False),
        pa.field("market_time", _TIME, nullable=False),
        pa.field("causation_id", _ID),
        pa.field("correlation_id", _ID),
        pa.field("worker", pa.string(), nullable=False),
        pa.field("build", pa.string(), nullable=False),
        pa.field("input_position", pa.int64()),
        pa.field("ordinal", pa.int32(), nullable=False),
        pa.field("data", pa.string(), nullable=False),
    ]
)
_DELTA = ("position", "version", "recorded_at", "market_time", "occurred_at", "input_position")
_PLAIN = ("event_id", "causation_id", "correlation_id", "data")
_DICTIONARY = ["stream", "type", "worker", "build", "schema", "ordinal"]
_NULL = b"\xff\xff\xff\xff"


def open_file(path: Path, *, checksums: bool) -> pq.ParquetFile:
    """An archived file; with checksums a page that was altered raises when it is read.

    Raises:
        OSError, pa.ArrowException, ValueError: not there, or not in this format.
    """
    file = pq.ParquetFile(path, page_checksum_verification=checksums)
    found = file.schema_arrow
    if (found.names, found.types) != (SCHEMA.names, SCHEMA.types):
        raise ValueError(f"columns must be those of the archive, were {found.names}")
    return file


def bounds_of(column: pq.ColumnChunkMetaData) -> tuple[int, int] | None:
    """Least and greatest of a column of 64-bit numbers in one group; None when it holds only nulls
    or was altered.

    Raises:
        ValueError: the column is no longer one of such numbers. Its statistics are not asked for,
            because Arrow ends the process over a type that does not fit.
    """
    if column.physical_type != "INT64":
        raise ValueError(f"{column.path_in_schema} must be INT64, was {column.physical_type}")
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max:
        return None
    return statistics.min, statistics.max


def table_of(rows: Sequence[bytes]) -> pa.Table:
    """Canonical rows, by position, as a table in that order."""
    fixed = np.frombuffer(b"".join([row[:FIXED_BYTES] for row in rows]), dtype=_FIXED)
    varying: list[list[bytes | None]] = [[] for _ in VARYING_COLUMNS]
    for row in rows:
        at = FIXED_BYTES
        for column in varying:
            length = row[at : at + 4]
            at += 4
            if length == _NULL:
                column.append(None)
            else:
                end = at + int.from_bytes(length, "big")
                column.append(row[at:end])
                at = end
    columns: dict[str, Any] = dict(zip(VARYING_COLUMNS, varying, strict=True))
    inputs = columns["input_position"]
    columns["input_position"] = [None if v is None else int.from_bytes(v, "big") for v in inputs]
    for name in ("position", "version", "schema", "ordinal"):
        columns[name] = fixed[name].astype("=i8" if name == "position" else "=i4")
    for name in ("recorded_at", "market_time", "occurred_at"):
        columns[name] = fixed[name].astype("=i8") + _POSTGRES_EPOCH_US
    own, story = fixed["event_id"].tolist(), fixed["correlation_id"].tolist()
    columns["event_id"] = own
    columns["correlation_id"] = [None if s == e else s for e, s in zip(own, story, strict=True)]
    arrays = [_array(columns[field.name], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return pa.array(values, pa.binary()).cast(kind)
    if kind == _TIME:
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


class Writer:
    """Writes a file a group at a time; raises OSError, such as for a full disk."""

    def __init__(self, path: Path) -> None:
        self._types: set[str] = set()
        self._streams: set[str] = set()
        self._file = pq.ParquetWriter(
            path,
            SCHEMA,
            compression="zstd",
            compression_level={field.name: 9 for field in SCHEMA} | {"data": PAYLOAD_LEVEL},
            use_dictionary=_DICTIONARY,
            column_encoding=dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED")
            | dict.fromkeys(_PLAIN, "PLAIN"),
            write_statistics=["position", "recorded_at", "input_position"],
            write_page_checksum=True,
            data_page_size=_PAGE_BYTES,
            dictionary_pagesize_limit=_PAGE_BYTES,
            store_schema=False,
        )

    def write(self, rows: Sequence[bytes]) -> None:
        """Write one group of canonical rows, at most ROWS_PER_GROUP, by position."""
        table = table_of(rows)
        self._types.update(table["type"].unique().to_pylist())
        self._streams.update(table["stream"].unique().to_pylist())
        ordered = table.sort_by([(name, "ascending") for name in ("type", "stream", "position")])
        self._file.write_table(ordered, row_group_size=ROWS_PER_GROUP)

    def close(self) -> None:
        streams = sorted(self._streams) if len(self._streams) <= NAMES_MAX else []
        names = {"types": sorted(self._types), "streams": streams}
        self._file.add_key_value_metadata({FOOTER: json.dumps(names).encode()})
        self._file.close()


def canonical_bytes(table: pa.Table) -> tuple[memoryview, np.ndarray[Any, Any]]:
    """(bytes, offsets): canonical rows of a table in its order, row k from offsets[k] on."""
    count = table.num_rows
    fixed = np.zeros(count, dtype=_FIXED)
    fixed["fields"] = len(SCHEMA)
    for name in FIXED_COLUMNS:
        fixed[f"length of {name}"] = _FIXED[name].itemsize
    for name in ("position", "version", "schema", "ordinal"):
        fixed[name] = table[name].to_numpy()
    for name in ("recorded_at", "market_time", "occurred_at"):
        fixed[name] = table[name].cast(pa.int64()).to_numpy() - _POSTGRES_EPOCH_US
    fixed["event_id"] = _ids(table["event_id"])
    fixed["correlation_id"] = _ids(pc.coalesce(table["correlation_id"], table["event_id"]))
    parts = [_of_width(fixed.tobytes(), FIXED_BYTES, count)]
    for name in VARYING_COLUMNS:
        column = table[name].combine_chunks()
        if name == "input_position":
            bytes_of = column.fill_null(0).to_numpy(zero_copy_only=False).astype(">i8").tobytes()
            values = _of_width(bytes_of, 8, count)
        else:
            values = column.cast(pa.binary())
        lengths = pc.binary_length(values).fill_null(-1).to_numpy(zero_copy_only=False)
        if column.null_count:
            missing = column.is_null()
            lengths = np.where(missing.to_numpy(zero_copy_only=False), -1, lengths)
            values = pc.if_else(missing, pa.scalar(b"", pa.binary()), values)
        parts += [_of_width(lengths.astype(">i4").tobytes(), 4, count), values]
    joined = pc.binary_join_element_wise(*parts, b"")
    if isinstance(joined, pa.ChunkedArray):
        joined = joined.combine_chunks()
    offsets = np.frombuffer(joined.buffers()[1], dtype=np.int32)[: count + 1]
    return memoryview(joined.buffers()[2] or b""), offsets


def _ids(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    data = b"" if not len(array) else array.buffers()[1].to_pybytes()
    begin = 16 * array.offset
    return np.frombuffer(data[begin : begin + 16 * len(array)], dtype="V16")


def _of_width(data: bytes, width: int, count: int) -> pa.Array:
    """An array of binary values that all have one width."""
    offsets = np.arange(count + 1, dtype=np.int32) * width
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), count, buffers)


def events_of(table: pa.Table, decode: Callable[[tuple[Any, ...]], Found]) -> list[Found]:
    """The events of a table, in its order, each as what is made of its row of COLUMNS."""
    columns = {field.name: _values(table[field.name], field.type) for field in SCHEMA}
    own, stories = columns["event_id"], columns["correlation_id"]
    columns["correlation_id"] = [s or e for s, e in zip(stories, own, strict=True)]
    return [decode(row) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray, kind: pa.DataType) -> list[Any]:
    """Python values of a column; by way of numpy, which makes them many times faster."""
    if column.null_count == len(column):
        return [None] * len(column)
    if kind == _TIME:
        since = column.cast(pa.int64()).to_numpy().astype("timedelta64[us]").astype(object)
        return [_EPOCH + time for time in since]
    if kind == _ID:
        return [None if value is None else UUID(value) for value in column.to_numpy()]
    if column.null_count:
        return list(column.to_pylist())
    return list(column.to_numpy().tolist())
