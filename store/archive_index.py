"""From an event's id to its place in an archived file: four bytes an id, beside the Parquet file.

Ids of archived market events are no longer in Postgres. The index of a file has two sorted columns
of 32-bit words, one of ids, one of causes: the highest bits of a word are those of the id, its
lowest bits the number of the row group. A look-up is a search by halves in a mapped file, and tells
the few groups in which the id may be; the file itself says whether it is. Ids are hashes, so their
highest bits are as good as random.

Derived from the file and named after its bytes: one that is missing, cut, altered or of another
file is not used, and every group is looked through instead; the archiver makes it again. Words
stand in blocks; the first word and the checksum of each block, and a checksum of these, are at the
beginning of the file, so that a look-up believes nothing unchecked and still reads but a block.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from store.durable import remove, sync_file, sync_folder

_MAGIC = b"STIX0002"
_HEAD = struct.Struct("<8s32sIII")
"""Magic, SHA-256 of the Parquet file, bits of a group number, words of ids, words of causes."""
_CHECK = struct.Struct("<I")
"""CRC-32 of the head and the blocks, which follow it."""
_BLOCK = np.dtype([("first", "<u4"), ("crc", "<u4")])
_BLOCK_WORDS = 4_096
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
    head += b"".join(_blocks(words).tobytes() for words in columns)
    check = _CHECK.pack(zlib.crc32(head))
    partial.write_bytes(check + head + b"".join(words.tobytes() for words in columns))
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


def _blocks(words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    starts = range(0, len(words), _BLOCK_WORDS)
    parts = [words[start : start + _BLOCK_WORDS] for start in starts]
    return np.array([(part[0], zlib.crc32(part.tobytes())) for part in parts], _BLOCK)


class IndexDamaged(Exception):
    """Words are not what was written; the file itself must be looked through."""


class _Column:
    """Sorted words in blocks that are checked when they are first used."""

    def __init__(self, blocks: np.ndarray[Any, Any], words: np.ndarray[Any, Any]) -> None:
        self._firsts = blocks["first"]
        self._checksums = blocks["crc"]
        self._words = words
        self._checked: set[int] = set()

    def between(self, first: int, last: int) -> list[int]:
        """Words from and to the two.

        Raises:
            IndexDamaged: they stand in a block that was altered.
        """
        found: list[int] = []
        block = max(0, int(self._firsts.searchsorted(np.uint32(first))) - 1)
        while block < len(self._firsts) and self._firsts[block] <= last:
            words = self.block(block)
            begin = words.searchsorted(np.uint32(first))
            end = words.searchsorted(np.uint32(last), side="right")
            found += words[begin:end].tolist()
            block += 1
        return found

    def check(self) -> None:
        """Raises IndexDamaged when any block was altered."""
        for block in range(len(self._firsts)):
            self.block(block)

    def block(self, number: int) -> np.ndarray[Any, Any]:
        words = self._words[number * _BLOCK_WORDS : (number + 1) * _BLOCK_WORDS]
        if number not in self._checked:
            if zlib.crc32(words.tobytes()) != self._checksums[number]:
                raise IndexDamaged(f"block {number} was altered")
            self._checked.add(number)
        return words


class Index:
    """The index of one file, mapped into memory."""

    def __init__(self, bits: int, columns: dict[str, _Column]) -> None:
        self._bits = bits
        self._columns = columns

    def groups(self, name: str, identity: UUID) -> list[int]:
        """Row groups in which a column may hold an id.

        Raises:
            IndexDamaged: the place where it would stand was altered.
        """
        low = int.from_bytes(identity.bytes[:4], "big") >> self._bits << self._bits
        words = self._columns[name].between(low, low | ((1 << self._bits) - 1))
        return [word - low for word in words]

    @property
    def is_whole(self) -> bool:
        """Whether nothing in it was altered; reads all of it."""
        try:
            for column in self._columns.values():
                column.check()
        except IndexDamaged:
            return False
        return True


def open_index(path: Path, sha256: str) -> Index | None:
    """The index of a Parquet file with these bytes; None when there is none to be used."""
    try:
        with open(index_path(path), "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (check,) = _CHECK.unpack_from(mapped)
        magic, digest, bits, *counts = _HEAD.unpack_from(mapped, _CHECK.size)
        if (magic, digest) != (_MAGIC, bytes.fromhex(sha256)):
            return None
        sizes = [-(-count // _BLOCK_WORDS) for count in counts]
        begin = _CHECK.size + _HEAD.size
        blocks = np.frombuffer(mapped, _BLOCK, sum(sizes), begin)
        end = begin + blocks.nbytes
        words = np.frombuffer(mapped, "<u4", sum(counts), end)
    except (OSError, ValueError, struct.error):
        return None
    if zlib.crc32(mapped[_CHECK.size : end]) != check or len(mapped) != end + words.nbytes:
        return None
    parts = zip(np.split(blocks, sizes[:1]), np.split(words, counts[:1]), strict=True)
    return Index(bits, dict(zip(COLUMNS, (_Column(*part) for part in parts), strict=True)))
