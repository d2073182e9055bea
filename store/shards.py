"""Shards of the log: which of several consumers a stream belongs to.

Used by Selection (store/contract.py) when one consumer of a kind is not enough. The hash is fixed
for ever and the same in SQL (store/reading.py) and here, on every version of Postgres and Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

SHARDS_MAX = 256


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `index` (from 0) of `of`: the streams whose hash leaves `index`. All events of a stream
    are in one shard, in their order; all shards together are the log."""

    index: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.of <= SHARDS_MAX or not 0 <= self.index < self.of:
            raise ValueError(
                f"shard must be from 0 to one below a count of 1 to {SHARDS_MAX}, "
                f"was {self.index} of {self.of}"
            )

    def takes(self, stream: str) -> bool:
        """Whether the events of a stream are in this shard."""
        return stream_hash(stream) % self.of == self.index

    def consumer(self, name: str) -> str:
        """The name of this shard's checkpoint. Another count is another set of checkpoints, which
        begins anew: a stream then changes hands, and its position is nobody else's."""
        return f"{name}/{self.index + 1}of{self.of}"


def stream_hash(stream: str) -> int:
    """The first 32 bits of the SHA-256 of a stream's name."""
    return int.from_bytes(sha256(stream.encode()).digest()[:4], "big")


def category_of(stream: str) -> str:
    """The part of a stream's name before its first slash, all of it without one."""
    return stream.partition("/")[0]
