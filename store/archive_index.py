"""From an event's id to its place in an archived file: four bytes an id, beside the Parquet file.

Ids of archived market events are no longer in Postgres. The index of a file has two sorted columns
of 32-bit words, one of ids, one of causes: the highest bits of a word are those of the id, its
lowest bits the number of the row group. A look-up is a search by halves in a mapped file, and tells
the few groups in which the id may be; the file itself says whether it is. Ids are hashes, so their
highest bits are as good as random.

Derived from the file and named after its bytes: one that is missing, cut or of another file is not
used, and every group is looked through instead; the archiver makes it again.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.durable import remove, sync_file, sync_folder

_MAGIC = b"STIX0001"
_HEAD = struct.Struct("<8s32sIII")
"""Magic, SHA-256 of the Parquet file, bits of a group number, words of ids, words of causes."""
COLUMNS = ("event_id", "causation_id")


def index_path(path: Path) -> Path:
    """The index that belongs to a Parquet file."""
    return path.with_suffix(".index")


def write_index(path: Path, file: pq.ParquetFile, sha256: str) -> None:
    """Make the index of an archived file; raises OSError and what pyarrow raises."""
    bits = max(1, (file.num_row_groups - 1).bit_length())
    columns = [_words(file, name, bits) for name in COLUMNS]
    target = index_path(path)
    partial = target.with_suffix(".newindex")
    remove(partial)
    head = _HEAD.pack(_MAGIC, bytes.fromhex(sha256), bits, *map(len, columns))
    partial.write_bytes(head + b"".join(words.tobytes() for words in columns))
    sync_file(partial)
    partial.rename(target)
    sync_folder(target.parent)


def _words(file: pq.ParquetFile, name: str, bits: int) -> np.ndarray[Any, Any]:
    found = []
    for group in range(file.num_row_groups):
        column = file.read_row_group(group, columns=[name])[name].drop_null().unique()
        ids = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        data = b"".join(value.as_py()[:4] for value in ids)
        words = np.frombuffer(data, ">u4").astype("<u4")
        found.append((words >> bits << bits) | np.uint32(group))
    return np.unique(np.concatenate(found)) if found else np.empty(0, "<u4")


class Index:
    """The index of one file, mapped into memory."""

    def __init__(self, bits: int, columns: dict[str, np.ndarray[Any, Any]]) -> None:
        self._bits = bits
        self._columns = columns

    def groups(self, name: str, identity: UUID) -> list[int]:
        """Row groups in which a column may hold an id."""
        words = self._columns[name]
        low = int.from_bytes(identity.bytes[:4], "big") >> self._bits << self._bits
        begin = int(words.searchsorted(np.uint32(low)))
        found = []
        for word in words[begin : begin + (1 << self._bits)]:
            group = int(word) - low
            if group >= 1 << self._bits:
                break
            found.append(group)
        return found


def open_index(path: Path, sha256: str) -> Index | None:
    """The index of a Parquet file with these bytes; None when there is none to be used."""
    try:
        with open(index_path(path), "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, digest, bits, *counts = _HEAD.unpack_from(mapped)
        words = np.frombuffer(mapped, "<u4", sum(counts), _HEAD.size)
    except (OSError, ValueError, struct.error):
        return None
    if (magic, digest) != (_MAGIC, bytes.fromhex(sha256)):
        return None
    return Index(bits, dict(zip(COLUMNS, np.split(words, counts[:1]), strict=True)))
